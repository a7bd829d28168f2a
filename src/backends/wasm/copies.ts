import { backend_util, type KernelFunc, slice_util, type TensorInfo, util } from "@tensorflow/tfjs-core";
import { assembly } from "./assembly";
import { pointerOf, type WasmBackend } from "./module";

/** One axis of a box of elements to copy: how many, and how far apart in the source and in the target. */
interface Axis {
  readonly size: number;
  readonly from: number;
  readonly to: number;
}

/** Copies `rows` lines of elements: where they begin in the source and in the target. */
type CopyLines = (rows: Axis, line: Axis, from: number, to: number) => void;

const single: Axis = { size: 1, from: 0, to: 0 };

/** Copies a box, outermost axis first; a source step of 0 repeats. */
function copyBox(copy: CopyLines, axes: readonly Axis[], from: number, to: number): void {
  const [axis = single, ...inner] = axes;
  if (inner.length < 2) copy(axes.at(-2) ?? single, axes.at(-1) ?? single, from, to);
  else for (let i = 0; i < axis.size; i++) copyBox(copy, inner, from + i * axis.from, to + i * axis.to);
}

function copyInScript(heap: Uint8Array | Int32Array, rows: Axis, line: Axis, from: number, to: number): void {
  for (let row = 0; row < rows.size; row++) {
    let source = from + row * rows.from;
    let target = to + row * rows.to;
    for (let i = 0; i < line.size; i++, target += line.to, source += line.from) heap[target] = heap[source] as number;
  }
}

/** Leaves out axes of one element and joins axes that continue each other in both tensors. */
function joinAxes(axes: readonly Axis[]): Axis[] {
  const joined: Axis[] = [];
  for (const axis of axes) {
    const outer = joined[joined.length - 1];
    if (axis.size === 1) continue;
    if (outer && outer.from === axis.size * axis.from && outer.to === axis.size * axis.to)
      joined[joined.length - 1] = { ...axis, size: outer.size * axis.size };
    else joined.push(axis);
  }
  return joined;
}

/** Copies elements of one tensor to another of the same dtype, from and to element offsets. */
function copyElements(
  backend: WasmBackend,
  source: TensorInfo,
  target: TensorInfo,
  axes: readonly Axis[],
  [fromOffset, toOffset]: readonly [number, number],
): void {
  if (axes.some(({ size }) => size === 0)) return;
  const { wasm } = backend;
  const bytes = source.dtype === "bool" ? 1 : 4;
  // Integers, whatever the dtype: a copy of floats as floats may change the bits of a NaN.
  const heap = bytes === 1 ? wasm.HEAPU8 : wasm.HEAP32;
  const { copyRows } = assembly(wasm);
  const copy: CopyLines = (rows, line, from, to) => {
    if (bytes === 4 && line.from === 1 && line.to === 1)
      copyRows(4 * from, rows.from, 4 * to, rows.to, rows.size, line.size);
    else copyInScript(heap, rows, line, from, to);
  };
  const at = (x: TensorInfo, offset: number) => pointerOf(backend, x) / bytes + offset;
  copyBox(copy, joinAxes(axes), at(source, fromOffset), at(target, toOffset));
}

/** Steps between neighbours along each axis of a row-major tensor. */
function steps(shape: readonly number[]): number[] {
  return shape.map((_, i) => util.sizeFromShape(shape.slice(i + 1)));
}

/** Stock copies the whole input before it takes a part. */
export function fastSlice(stock: KernelFunc): KernelFunc {
  return (call) => {
    const backend = call.backend as WasmBackend;
    const x = call.inputs["x"] as TensorInfo;
    if (x.dtype === "string") return stock(call);
    const { begin, size } = call.attrs as unknown as { begin: number | number[]; size: number | number[] };
    // slice_util reads the shape only, but is typed for tensors.
    const shaped = x as Parameters<typeof slice_util.parseSliceParams>[0];
    const [start, sizes] = slice_util.parseSliceParams(shaped, begin, size) as [number[], number[]];
    // Stock reads past the tensor without a word.
    slice_util.assertParamsValid(shaped, start, sizes);
    return takeBox(backend, x, start, sizes);
  };
}

/** Stock takes each part with its slice. */
export function fastSplit(stock: KernelFunc): KernelFunc {
  return (call) => {
    const backend = call.backend as WasmBackend;
    const x = call.inputs["x"] as TensorInfo;
    const { numOrSizeSplits, axis } = call.attrs as unknown as { numOrSizeSplits: number | number[]; axis: number };
    if (x.dtype === "string") return stock(call);
    const along = util.parseAxisParam(axis, x.shape)[0] as number;
    const sizes = backend_util.prepareSplitSize(
      x as Parameters<typeof backend_util.prepareSplitSize>[0],
      numOrSizeSplits,
      along,
    );
    let start = 0;
    return sizes.map((size) => {
      const at = x.shape.map((_, i) => (i === along ? start : 0));
      start += size;
      return takeBox(
        backend,
        x,
        at,
        x.shape.map((whole, i) => (i === along ? size : whole)),
      );
    });
  };
}

function takeBox(backend: WasmBackend, x: TensorInfo, start: readonly number[], sizes: number[]): TensorInfo {
  const out = backend.makeOutput(sizes, x.dtype);
  const [from, to] = [steps(x.shape), steps(sizes)];
  const axes = sizes.map((size, i) => ({ size, from: from[i] as number, to: to[i] as number }));
  const offset = start.reduce((sum, index, i) => sum + index * (from[i] as number), 0);
  copyElements(backend, x, out, axes, [offset, 0]);
  return out;
}

/** Stock makes two views per input and row, which is slow where rows are short: channels. */
export function fastConcat(stock: KernelFunc): KernelFunc {
  return (call) => {
    const backend = call.backend as WasmBackend;
    const all = Object.values(call.inputs) as TensorInfo[];
    const first = all[0] as TensorInfo;
    const axis = util.parseAxisParam(call.attrs?.["axis"] as number, first.shape)[0] as number;
    const dtypes = new Set(all.map(({ dtype }) => dtype));
    if (dtypes.size > 1 || first.dtype === "string") return stock(call);
    const shapes = all.map(({ shape }) => shape);
    backend_util.assertParamsConsistent(shapes, axis);
    const out = backend.makeOutput(backend_util.computeOutShape(shapes, axis), first.dtype);
    const row = util.sizeFromShape(out.shape.slice(axis));
    const rows = util.sizeFromShape(out.shape.slice(0, axis));
    let start = 0;
    for (const x of all) {
      const size = util.sizeFromShape(x.shape.slice(axis));
      const axes = [
        { size: rows, from: size, to: row },
        { size, from: 1, to: 1 },
      ];
      copyElements(backend, x, out, axes, [0, start]);
      start += size;
    }
    return out;
  };
}

/** Stock computes coordinates element by element. Also behind broadcastTo and where. */
export function fastTile(stock: KernelFunc): KernelFunc {
  return (call) => {
    const backend = call.backend as WasmBackend;
    const x = call.inputs["x"] as TensorInfo;
    const { reps } = call.attrs as unknown as { reps: number[] };
    if (x.dtype === "string") return stock(call);
    const shape = x.shape.map((size, i) => size * (reps[i] as number));
    const out = backend.makeOutput(shape, x.dtype);
    const [from, to] = [steps(x.shape), steps(shape)];
    const axes = x.shape.flatMap((size, i) => {
      const step = to[i] as number;
      return [
        { size: reps[i] as number, from: 0, to: size * step },
        { size, from: from[i] as number, to: step },
      ];
    });
    copyElements(backend, x, out, axes, [0, 0]);
    return out;
  };
}
