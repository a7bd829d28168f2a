import { broadcast_util, type KernelFunc, type TensorInfo, util } from "@tensorflow/tfjs-core";
import {
  largestDivisor,
  type Pointer,
  runBinary,
  type WasmBackend,
  type WasmModule,
  withScratch,
  withView,
} from "./module";

/** An axis of the result, and which operands have it; one that lacks it is repeated along it. */
interface Axis {
  readonly size: number;
  readonly a: boolean;
  readonly b: boolean;
}

/** The module runs one loop per stretch of memory that both operands share; short ones are mostly overhead. */
const shortRow = 128;
const longRow = 256;

/**
 * An element-by-element operation of two float tensors. Stock spends 4 µs to hand over two shapes, and
 * with a vector per channel runs one loop per pixel. Here neighbouring axes become one, and a short vector
 * is repeated until its rows are long.
 */
export function fastBinary(functionName: `_${string}`): (stock: KernelFunc) => KernelFunc {
  return (stock) => (call) => {
    const backend = call.backend as WasmBackend;
    const { a, b } = call.inputs as { a: TensorInfo; b: TensorInfo };
    if (a.dtype !== "float32" || b.dtype !== "float32") return stock(call);
    const shape = util.arraysEqual(a.shape, b.shape)
      ? a.shape
      : broadcast_util.assertAndGetBroadcastShape(a.shape, b.shape);
    const axes = joinedAxes(shape, a.shape, b.shape);
    if (axes.length > 6 || axes.some(({ size }) => size === 0)) return stock(call);
    const { wasm } = backend;
    const out = backend.makeOutput(shape, "float32");
    const [first, second, result] = [a, b, out].map(({ dataId }) => backend.dataIdMap.get(dataId)) as [
      Data,
      Data,
      Data,
    ];
    const last = axes[axes.length - 1];
    const before = axes[axes.length - 2];
    if (!last?.a || !last.b || !before || before.a === before.b || last.size >= shortRow) {
      runBinary(wasm, functionName, first.id, sizesOf(axes, "a"), second.id, sizesOf(axes, "b"), result.id);
      return out;
    }
    const times = largestDivisor(before.size, Math.min(longRow / last.size, before.size / 8));
    const longer = [
      ...axes.slice(0, -2),
      { ...before, size: before.size / times },
      { ...last, size: last.size * times },
    ];
    const repeated = before.a ? second : first;
    const rows = axes.slice(0, -1).reduce((count, axis) => (axis[before.a ? "b" : "a"] ? count * axis.size : count), 1);
    withScratch(wasm, (floats) => {
      const to = floats(rows * times * last.size);
      repeatRows(wasm, repeated.memoryOffset, to, rows, last.size, times);
      withView(wasm, to, rows * times * last.size, (id) => {
        const ids = before.a ? [first.id, id] : [id, second.id];
        const [x, y] = ids as [number, number];
        runBinary(wasm, functionName, x, sizesOf(longer, "a"), y, sizesOf(longer, "b"), result.id);
      });
    });
    return out;
  };
}

type Data = ReturnType<WasmBackend["dataIdMap"]["get"]>;

/** The axes of the result without those of one element; neighbours that the same operands have are one. */
function joinedAxes(shape: readonly number[], a: readonly number[], b: readonly number[]): Axis[] {
  const axes: Axis[] = [];
  shape.forEach((size, i) => {
    if (size === 1) return;
    const has = (own: readonly number[]) => (own[i - shape.length + own.length] ?? 1) !== 1;
    const axis = { size, a: has(a), b: has(b) };
    const previous = axes[axes.length - 1];
    if (previous && previous.a === axis.a && previous.b === axis.b)
      axes[axes.length - 1] = { ...axis, size: previous.size * size };
    else axes.push(axis);
  });
  return axes;
}

function sizesOf(axes: readonly Axis[], operand: "a" | "b"): number[] {
  return axes.map((axis) => (axis[operand] ? axis.size : 1));
}

/** Each of `rows` rows of `size` floats, `times` times over. */
function repeatRows(wasm: WasmModule, from: Pointer, to: Pointer, rows: number, size: number, times: number): void {
  const { HEAPF32: heap } = wasm;
  let target = to >>> 2;
  for (let row = 0; row < rows; row++)
    for (let time = 0; time < times; time++) {
      const source = (from >>> 2) + row * size;
      for (let i = 0; i < size; i++) heap[target++] = heap[source + i] as number;
    }
}
