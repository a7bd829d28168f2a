import { backend_util, type KernelFunc, type TensorInfo, util } from "@tensorflow/tfjs-core";
import { assembly } from "./assembly";
import { pointerOf, type WasmBackend, withScratch } from "./module";

/** Sum and mean over any axes, one run of neighbouring axes after the other, the last one first. */
export function fastReduction(what: "sum" | "mean"): (stock: KernelFunc) => KernelFunc {
  return (stock) => (call) => {
    const backend = call.backend as WasmBackend;
    const x = call.inputs["x"] as TensorInfo;
    const { axis, keepDims } = call.attrs as unknown as { axis: number | number[]; keepDims: boolean };
    const axes = util.parseAxisParam(axis, x.shape);
    const runs = mergedRuns(x.shape, axes);
    if (x.dtype !== "float32" || util.sizeFromShape(x.shape) === 0 || !runs.some(({ reduced }) => reduced))
      return stock(call);
    let current = x;
    let outer = util.sizeFromShape(x.shape);
    let inner = 1;
    for (const { size, reduced } of runs.reverse()) {
      outer /= size;
      if (!reduced) inner *= size;
      else {
        const next = sumRows(backend, current, [outer, size, inner], what === "sum" ? 1 : 1 / size);
        if (current !== x) backend.disposeData(current.dataId);
        current = next;
      }
    }
    const [outShape] = backend_util.computeOutAndReduceShapes([...x.shape], axes);
    return { ...current, shape: keepDims ? backend_util.expandShapeToKeepDim(outShape, axes) : outShape };
  };
}

/** `[outer, rows, inner] → [outer, inner]`. */
function sumRows(
  backend: WasmBackend,
  x: TensorInfo,
  [outer, rows, inner]: readonly [number, number, number],
  factor: number,
): TensorInfo {
  const out = backend.makeOutput([outer, inner], "float32");
  withScratch(backend.wasm, (floats) =>
    assembly(backend.wasm).sumRows(
      ...[pointerOf(backend, x), outer, rows, inner, factor, pointerOf(backend, out), floats(inner)],
    ),
  );
  return out;
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
