import type { KernelFunc, TensorInfo } from "@tensorflow/tfjs-core";
import { convGeometry } from "../conv-geometry";
import { gemm } from "./gemm";
import { type Pointer, pointerOf, type WasmBackend, withScratch } from "./module";
import { forPadded } from "./padded";

/**
 * conv2d's gradient with respect to its filter, `dW[ky, kx, c, o] = Σ x[s·y + ky, s·x + kx, c]·dy[y, x, o]`: image by
 * image a product, whose left operand has a row for each element of the window and channel, and walks through the
 * padded image itself.
 */
export const convFilterGradient: KernelFunc = ({ inputs, attrs, backend: anyBackend }) => {
  const backend = anyBackend as WasmBackend;
  const { wasm } = backend;
  const { x, dy } = inputs as { x: TensorInfo; dy: TensorInfo };
  const filterShape = (attrs as unknown as { filterShape: number[] }).filterShape;
  const g = convGeometry("Conv2DBackpropFilter", x.shape, filterShape, attrs ?? {});
  const out = backend.makeOutput(filterShape, "float32");
  const [xAt, dyAt, outAt] = [x, dy, out].map((t) => pointerOf(backend, t)) as [Pointer, Pointer, Pointer];
  const { inChannels, outHeight, outWidth, outChannels } = g;
  const line = g.filterWidth * inChannels;
  const m = g.filterHeight * line;
  withScratch(wasm, (floats) =>
    forPadded(wasm, g, xAt, floats, ({ at, n, count, y, rows, row, image }) => {
      const outerStep = g.strideHeight * row;
      // Lines that follow each other from image to image are one image.
      const joined = image === outHeight * outerStep;
      gemm(wasm, {
        count: joined ? 1 : count,
        m,
        n: outChannels,
        k: [joined ? count * rows : rows, outWidth],
        a: {
          ...{ at, next: image, image: m, imageStep: 0, line, lineStep: row, step: 1 },
          ...{ outerStep, innerStep: g.strideWidth * inChannels },
        },
        b: {
          at: dyAt + 4 * (n * outHeight + y) * outWidth * outChannels,
          next: outHeight * outWidth * outChannels,
          row: outChannels,
          column: 1,
        },
        c: { at: outAt, next: 0, row: outChannels },
        accumulate: n + y > 0,
      });
    }),
  );
  return out;
};
