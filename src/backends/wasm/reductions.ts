import { backend_util, type KernelFunc, type TensorInfo, util } from "@tensorflow/tfjs-core";
import { largestDivisor, type WasmBackend } from "./module";

/**
 * Sum and mean over any axes. Stock, axes that are not last are first moved there, by a transpose of the
 * whole input. Here an average pooling takes the means down a column of rows, which is the fast way
 * through memory; only what is left for the last axis goes to the stock kernel.
 */
export function fastReduction(what: "sum" | "mean"): (stock: KernelFunc) => KernelFunc {
  return (stock) => (call) => {
    const backend = call.backend as WasmBackend;
    const x = call.inputs["x"] as TensorInfo;
    const { axis, keepDims } = call.attrs as unknown as { axis: number | number[]; keepDims: boolean };
    const axes = util.parseAxisParam(axis, x.shape);
    const runs = splitLast(mergedRuns(x.shape, axes));
    const reduces = runs.some(({ reduced }, i) => reduced && i < runs.length - 1);
    if (x.dtype !== "float32" || util.sizeFromShape(x.shape) === 0 || !reduces) return stock(call);
    let current = x;
    const replace = (next: TensorInfo) => {
      if (current !== x) backend.disposeData(current.dataId);
      current = next;
    };
    let outer = util.sizeFromShape(x.shape);
    let inner = 1;
    for (const [i, { size, reduced }] of [...runs.entries()].reverse()) {
      outer /= size;
      if (reduced && i < runs.length - 1) replace(reduceRows(backend, what, current, outer, size, inner));
      else inner *= size;
    }
    const last = runs[runs.length - 1] as Run;
    if (last.reduced) {
      const rows = { ...current, shape: [inner / last.size, last.size] };
      replace(stock({ inputs: { x: rows }, attrs: { axis: [1], keepDims: false }, backend }) as TensorInfo);
    }
    const [outShape] = backend_util.computeOutAndReduceShapes([...x.shape], axes);
    return { ...current, shape: keepDims ? backend_util.expandShapeToKeepDim(outShape, axes) : outShape };
  };
}

/** Neighbouring axes with the same fate, as one. */
interface Run {
  readonly size: number;
  readonly reduced: boolean;
}

function mergedRuns(shape: readonly number[], axes: readonly number[]): Run[] {
  const runs: Run[] = [];
  shape.forEach((size, i) => {
    const reduced = axes.includes(i);
    const previous = runs[runs.length - 1];
    if (size === 1) return;
    if (previous?.reduced === reduced) runs[runs.length - 1] = { size: previous.size * size, reduced };
    else runs.push({ size, reduced });
  });
  return runs;
}

/** A long last run becomes rows of at most 64: stock adds one by one in float32, and loses digits over many. */
function splitLast(runs: Run[]): Run[] {
  const last = runs[runs.length - 1];
  if (!last?.reduced || last.size <= tallest) return runs;
  const row = largestDivisor(last.size, 64);
  return row === 1
    ? runs
    : [...runs.slice(0, -1), { size: last.size / row, reduced: true }, { size: row, reduced: true }];
}

/** The module keeps what it prepared for each height of window forever: few heights, then, and none large. */
const tallest = 256;

/** `[outer, rows, inner] → [outer, inner]`, many rows in two steps where they divide. */
function reduceRows(
  backend: WasmBackend,
  what: "sum" | "mean",
  x: TensorInfo,
  outer: number,
  rows: number,
  inner: number,
): TensorInfo {
  const parts = rows > tallest ? largestDivisor(rows, tallest) : rows;
  if (parts === rows || parts === 1) return poolRows(backend, what, x, outer, rows, inner);
  const once = poolRows(backend, what, x, (outer * rows) / parts, parts, inner);
  const twice = reduceRows(backend, what, once, outer, rows / parts, inner);
  backend.disposeData(once.dataId);
  return twice;
}

function poolRows(
  backend: WasmBackend,
  what: "sum" | "mean",
  x: TensorInfo,
  outer: number,
  rows: number,
  inner: number,
): TensorInfo {
  const out = backend.makeOutput([outer * inner], "float32");
  const [from, to] = [backend.dataIdMap.get(x.dataId), backend.dataIdMap.get(out.dataId)];
  const [top, right, bottom, left] = [0, 0, 0, 0];
  const [width, stride] = [1, 1];
  backend.wasm._AvgPool(
    ...[from.id, outer, rows, width, rows, width, top, right, bottom, left, stride, stride, inner, to.id],
  );
  if (what === "sum") {
    const { HEAPF32: heap } = backend.wasm;
    const end = (to.memoryOffset >>> 2) + outer * inner;
    for (let i = to.memoryOffset >>> 2; i < end; i++) heap[i] = (heap[i] as number) * rows;
  }
  return out;
}
