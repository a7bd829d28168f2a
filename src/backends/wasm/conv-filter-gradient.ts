import type { KernelFunc, TensorInfo } from "@tensorflow/tfjs-core";
import { assembly } from "./assembly";
import { convGeometry, isPointwise } from "./conv-geometry";
import { type Pointer, pointerOf, type WasmBackend, withScratch } from "./module";
import { paddedImages } from "./padded-images";
import { products } from "./product";

/**
 * conv2d's gradient with respect to its filter, `dW[ky, kx, c, o] = Σ x[s·y + ky, s·x + kx, c]·dy[y, x, o]`.
 *
 * A 1×1 convolution is one product `xᵀ·dy` over all pixels. So is the rest, image by image: a row of the left
 * matrix is an element of the window and a channel, and the product steps through the padded image itself.
 */
export const convFilterGradient: KernelFunc = ({ inputs, attrs, backend: anyBackend }) => {
  const backend = anyBackend as WasmBackend;
  const { wasm } = backend;
  const { x, dy } = inputs as { x: TensorInfo; dy: TensorInfo };
  const filterShape = (attrs as unknown as { filterShape: number[] }).filterShape;
  const g = convGeometry("Conv2DBackpropFilter", x.shape, filterShape, attrs ?? {});
  const out = backend.makeOutput(filterShape, "float32");
  const [xAt, dyAt, outAt] = [x, dy, out].map((t) => pointerOf(backend, t)) as [Pointer, Pointer, Pointer];
  if (isPointwise(g)) {
    const pixels = g.batch * g.inHeight * g.inWidth;
    const left = { at: xAt, transposed: true, count: 1 };
    products(wasm, left, { at: dyAt, transposed: false, count: 1 }, outAt, 1, [g.inChannels, pixels, g.outChannels]);
    return out;
  }
  const { gemm, gemmScratch } = assembly(wasm);
  const { inChannels, outChannels, outHeight, outWidth } = g;
  const windowRow = g.filterWidth * inChannels;
  withScratch(wasm, (floats) => {
    const scratch = floats(gemmScratch(outChannels));
    const { row, image } = paddedImages(wasm, g, xAt, floats);
    for (let n = 0; n < g.batch; n++)
      gemm(
        ...[g.filterHeight * windowRow, outChannels, outHeight, outWidth],
        ...[image(n), windowRow, row, 1, g.strideHeight * row, g.strideWidth * inChannels],
        ...[dyAt + 4 * n * outHeight * outWidth * outChannels, outChannels, 1],
        ...[outAt, outChannels, 0, n === 0 ? 0 : 1, scratch],
      );
  });
  return out;
};
