import type { KernelFunc, TensorInfo } from "@tensorflow/tfjs-core";
import { type ConvGeometry, convGeometry, isPointwise } from "../conv-geometry";
import { assembly } from "./assembly";
import { convolve } from "./convolution";
import { type Pointer, pointerOf, type WasmBackend, type WasmModule, withScratch } from "./module";
import { products } from "./product";

/**
 * conv2d's gradient with respect to its input.
 *
 * - 1×1, stride 1: the product `dy·Wᵀ`.
 * - stride 1: a forward convolution of `dy` with the filter turned by 180° and its channels swapped,
 *   unless there are fewer pixels than channels: then rewriting the filter costs more than it saves.
 * - otherwise: the product `dy·Wᵀ` gives what each output pixel sends to its window; then sum.
 */
export const convInputGradient: KernelFunc = ({ inputs, attrs, backend: anyBackend }) => {
  const backend = anyBackend as WasmBackend;
  const { dy, filter } = inputs as { dy: TensorInfo; filter: TensorInfo };
  const inputShape = (attrs as unknown as { inputShape: number[] }).inputShape;
  const g = convGeometry("Conv2DBackpropInput", inputShape, filter.shape, attrs ?? {});
  const out = backend.makeOutput(inputShape, "float32");
  const [dyAt, filterAt, outAt] = [dy, filter, out].map((x) => pointerOf(backend, x)) as [Pointer, Pointer, Pointer];
  const pixels = g.batch * g.outHeight * g.outWidth;
  const { top, left } = turned(g);
  if (isPointwise(g)) toWindows(backend.wasm, g, dyAt, filterAt, outAt, pixels);
  else if (g.strideHeight * g.strideWidth === 1 && pixels >= g.outChannels && top >= 0 && left >= 0)
    convolveTurned(backend.wasm, g, dyAt, filterAt, outAt);
  else
    withScratch(backend.wasm, (floats) => {
      const windows = floats(pixels * g.filterHeight * g.filterWidth * g.inChannels);
      toWindows(backend.wasm, g, dyAt, filterAt, windows, pixels);
      sumWindows(backend.wasm, g, windows, outAt);
    });
  return out;
};

/** `[pixels, window · inChannels] = dy [pixels, outChannels] · Wᵀ`. */
function toWindows(wasm: WasmModule, g: ConvGeometry, dy: Pointer, filter: Pointer, to: Pointer, pixels: number): void {
  const rows = g.filterHeight * g.filterWidth * g.inChannels;
  products(wasm, { at: dy, transposed: false, count: 1 }, { at: filter, transposed: true, count: 1 }, to, 1, [
    pixels,
    g.outChannels,
    rows,
  ]);
}

/** Adds up what the windows send to each input pixel. */
function sumWindows(wasm: WasmModule, g: ConvGeometry, windows: Pointer, to: Pointer): void {
  const { HEAPF32: heap } = wasm;
  const channels = g.inChannels;
  const out = to >>> 2;
  heap.fill(0, out, out + g.batch * g.inHeight * g.inWidth * channels);
  let from = windows >>> 2;
  for (let n = 0; n < g.batch; n++)
    for (let oy = 0; oy < g.outHeight; oy++)
      for (let ox = 0; ox < g.outWidth; ox++)
        for (let ky = 0; ky < g.filterHeight; ky++) {
          const y = oy * g.strideHeight + ky - g.top;
          const row = (n * g.inHeight + y) * g.inWidth;
          for (let kx = 0; kx < g.filterWidth; kx++, from += channels) {
            const x = ox * g.strideWidth + kx - g.left;
            if (y < 0 || y >= g.inHeight || x < 0 || x >= g.inWidth) continue;
            const target = out + (row + x) * channels;
            for (let c = 0; c < channels; c++)
              heap[target + c] = (heap[target + c] as number) + (heap[from + c] as number);
          }
        }
}

/** The forward convolution of `dy` by the turned filter. */
function turned(g: ConvGeometry): ConvGeometry {
  return {
    ...g,
    ...{ inHeight: g.outHeight, inWidth: g.outWidth, inChannels: g.outChannels },
    ...{ outHeight: g.inHeight, outWidth: g.inWidth, outChannels: g.inChannels },
    ...{ top: g.filterHeight - 1 - g.top, left: g.filterWidth - 1 - g.left },
  };
}

function convolveTurned(wasm: WasmModule, g: ConvGeometry, dy: Pointer, filter: Pointer, to: Pointer): void {
  const taps = g.filterHeight * g.filterWidth;
  const block = 4 * g.inChannels * g.outChannels;
  const { transpose } = assembly(wasm);
  withScratch(wasm, (floats) => {
    const backwards = floats((taps * block) / 4);
    for (let tap = 0; tap < taps; tap++)
      transpose(filter + tap * block, g.inChannels, g.outChannels, backwards + (taps - 1 - tap) * block);
    convolve(wasm, turned(g), dy, backwards, to);
  });
}
