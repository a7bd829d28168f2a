import { type KernelFunc, type TensorInfo, util } from "@tensorflow/tfjs-core";
import { type ConvGeometry, convGeometry } from "../conv-geometry";
import { gemm } from "./gemm";
import { type Pointer, pointerOf, type WasmBackend, type WasmModule, withScratch } from "./module";
import { forPadded } from "./padded";

/**
 * conv2d, with a bias or without: a product of the windows, which are not copied anywhere but walked through, by the
 * filter. Dilated and channels-first ones, and activations, are the stock kernel's.
 */
export function fastConvolution(stock: KernelFunc): KernelFunc {
  return (call) => {
    const backend = call.backend as WasmBackend;
    const { x, filter, bias } = call.inputs as { x: TensorInfo; filter: TensorInfo; bias?: TensorInfo };
    const { dilations, dataFormat, activation } = call.attrs as unknown as {
      dilations: number | [number, number];
      dataFormat: string;
      activation?: string;
    };
    const dilated = [dilations].flat().some((dilation) => dilation !== 1);
    const floats = [x, filter, bias ?? x].every(({ dtype }) => dtype === "float32");
    const plain = dataFormat === "NHWC" && (activation ?? "linear") === "linear";
    if (dilated || !floats || !plain) return stock(call);
    const g = convGeometry("Conv2D", x.shape, filter.shape, call.attrs ?? {});
    const shape = [g.batch, g.outHeight, g.outWidth, g.outChannels];
    const sizes = [util.sizeFromShape(x.shape), util.sizeFromShape(shape)];
    if (sizes.includes(0) || (bias && util.sizeFromShape(bias.shape) !== g.outChannels)) return stock(call);
    const out = backend.makeOutput(shape, "float32");
    const [xAt, filterAt, outAt] = [x, filter, out].map((t) => pointerOf(backend, t)) as [Pointer, Pointer, Pointer];
    convolve(backend.wasm, g, xAt, filterAt, outAt, bias && pointerOf(backend, bias));
    return out;
  };
}

/** The forward convolution of `x` `[batch, height, width, channels]` by `filter` `[height, width, channels, outputs]`. */
export function convolve(
  wasm: WasmModule,
  g: ConvGeometry,
  x: Pointer,
  filter: Pointer,
  out: Pointer,
  bias?: Pointer,
): void {
  const { inChannels, outHeight, outWidth, outChannels } = g;
  withScratch(wasm, (floats) =>
    forPadded(wasm, g, x, floats, ({ at, n, count, y, rows, row, image }) =>
      gemm(wasm, {
        count: 1,
        m: count * rows * outWidth,
        n: outChannels,
        k: [g.filterHeight, g.filterWidth * inChannels],
        a: {
          ...{ at, next: 0, image: rows * outWidth, imageStep: image },
          ...{ line: outWidth, lineStep: g.strideHeight * row, step: g.strideWidth * inChannels },
          ...{ outerStep: row, innerStep: 1 },
        },
        b: { at: filter, next: 0, row: outChannels, column: 1 },
        c: { at: out + 4 * (n * outHeight + y) * outWidth * outChannels, next: 0, row: outChannels },
        bias,
      }),
    ),
  );
}
