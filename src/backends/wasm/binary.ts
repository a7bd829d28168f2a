import { broadcast_util, type KernelFunc, type TensorInfo, util } from "@tensorflow/tfjs-core";
import { type Pointer, pointerOf, type WasmBackend } from "./module";
import { callTogether, ranges, threadsFor } from "./workers";

/** In the assembly's order. */
const operations = ["Add", "Sub", "Multiply", "RealDiv", "SquaredDifference"] as const;

/** An axis of the result, and each operand's step along it: 0 where it is repeated. */
interface Axis {
  readonly size: number;
  readonly a: number;
  readonly b: number;
}

/** Elements that one more thread is worth: some 20 microseconds. */
const enough = 2 ** 16;

/** An element-by-element operation of two float tensors, with broadcasting. */
export function fastBinary(name: (typeof operations)[number]): (stock: KernelFunc) => KernelFunc {
  const operation = operations.indexOf(name);
  return (stock) => (call) => {
    const backend = call.backend as WasmBackend;
    const { a, b } = call.inputs as { a: TensorInfo; b: TensorInfo };
    if (a.dtype !== "float32" || b.dtype !== "float32") return stock(call);
    const shape = util.arraysEqual(a.shape, b.shape)
      ? a.shape
      : broadcast_util.assertAndGetBroadcastShape(a.shape, b.shape);
    const out = backend.makeOutput(shape, "float32");
    const axes = joinedAxes(shape, a.shape, b.shape);
    const row = axes.pop() ?? single;
    const rows = axes.pop() ?? single;
    const block = rows.size * row.size;
    const compute = (aAt: Pointer, bAt: Pointer, to: Pointer) => {
      const alone = rows.size === 1;
      const threads = threadsFor(backend.wasm, block, enough);
      const parts = alone ? ranges(row.size, threads, 4) : ranges(rows.size, threads);
      callTogether(
        backend.wasm,
        "binary",
        parts.map(([from, end]) => {
          const moved = (axis: Axis) => [aAt + 4 * from * axis.a, bAt + 4 * from * axis.b] as const;
          const [x, y] = moved(alone ? row : rows);
          const size = alone ? [1, end - from] : [end - from, row.size];
          const start = to + 4 * from * (alone ? 1 : row.size);
          return [operation, ...size, x, rows.a, row.a, y, rows.b, row.b, start];
        }),
      );
    };
    if (util.sizeFromShape(shape) > 0)
      forEachPlace(axes, pointerOf(backend, a), pointerOf(backend, b), pointerOf(backend, out), block, compute);
    return out;
  };
}

const single: Axis = { size: 1, a: 0, b: 0 };

/** Goes through outer axes, whose places follow each other in the result, `block` elements each. */
function forEachPlace(
  axes: readonly Axis[],
  a: Pointer,
  b: Pointer,
  out: Pointer,
  block: number,
  use: (a: Pointer, b: Pointer, out: Pointer) => void,
): void {
  const [axis, ...inner] = axes;
  const size = inner.reduce((product, { size }) => product * size, block);
  if (!axis) use(a, b, out);
  else
    for (let i = 0; i < axis.size; i++)
      forEachPlace(inner, a + 4 * i * axis.a, b + 4 * i * axis.b, out + 4 * i * size, block, use);
}

/** The axes of the result without those of one element; neighbours that continue each other in both operands are one. */
function joinedAxes(shape: readonly number[], a: readonly number[], b: readonly number[]): Axis[] {
  const [aSteps, bSteps] = [a, b].map((own) => stepsOf(own, shape.length)) as [number[], number[]];
  const axes: Axis[] = [];
  shape.forEach((size, i) => {
    if (size === 1) return;
    const axis = { size, a: aSteps[i] as number, b: bSteps[i] as number };
    const outer = axes[axes.length - 1];
    if (outer && outer.a === size * axis.a && outer.b === size * axis.b)
      axes[axes.length - 1] = { ...axis, size: outer.size * size };
    else axes.push(axis);
  });
  return axes;
}

/** Steps of a row-major tensor along the last `rank` axes of a result; 0 where it has one element only. */
function stepsOf(own: readonly number[], rank: number): number[] {
  const steps = Array<number>(rank).fill(0);
  let step = 1;
  for (let i = own.length - 1; i >= 0; i--) {
    const size = own[i] as number;
    if (size !== 1) steps[rank - own.length + i] = step;
    step *= size;
  }
  return steps;
}
