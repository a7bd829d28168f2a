import { type KernelFunc, type TensorInfo, util } from "@tensorflow/tfjs-core";
import { pointerOf, type WasmBackend } from "./module";

/** Adds row i of `x` to row `segmentIds[i]` of the result: the gradient of gather. Ids out of range are dropped. */
export const unsortedSegmentSum: KernelFunc = ({ inputs, attrs, backend: anyBackend }) => {
  const backend = anyBackend as WasmBackend;
  const { x, segmentIds } = inputs as { x: TensorInfo; segmentIds: TensorInfo };
  const { numSegments } = attrs as unknown as { numSegments: number };
  const rows = util.sizeFromShape(segmentIds.shape);
  const inner = x.shape.slice(segmentIds.shape.length);
  const size = util.sizeFromShape(inner);
  const out = backend.makeOutput([numSegments, ...inner], x.dtype);
  const heap = x.dtype === "float32" ? backend.wasm.HEAPF32 : backend.wasm.HEAP32;
  const ids = pointerOf(backend, segmentIds) >>> 2;
  const from = pointerOf(backend, x) >>> 2;
  const to = pointerOf(backend, out) >>> 2;
  heap.fill(0, to, to + numSegments * size);
  for (let row = 0; row < rows; row++) {
    const segment = backend.wasm.HEAP32[ids + row] as number;
    if (segment < 0 || segment >= numSegments) continue;
    const source = from + row * size;
    const target = to + segment * size;
    for (let i = 0; i < size; i++) heap[target + i] = (heap[target + i] as number) + (heap[source + i] as number);
  }
  return out;
};
