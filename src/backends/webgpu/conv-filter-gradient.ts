import type { TensorInfo } from "@tensorflow/tfjs-core";
import { convGeometry, isPointwise } from "../conv-geometry";
import { isPlain, windowParams } from "./convolution";
import { gemmShader, runProducts, type Variant } from "./gemm";
import type { Call } from "./kernel";
import { products } from "./matmul";
import { matrices } from "./operands";
import type { Program } from "./program";
import { windowColumns } from "./windows";

const program: Program<Variant> = {
  name: "filter gradient",
  shader: ({ tile, ending }) => gemmShader(tile, { a: windowColumns("a"), b: matrices("b", { four: false }), ending }),
};

/**
 * conv2d's gradient with respect to its filter, `dW[ky, kx, c, o] = Σ x[s·y + ky, s·x + kx, c]·dy[y, x, o]`: a product that
 * has few rows and columns, and summands from every pixel, so that it is done in parts.
 */
export function convFilterGradient(call: Call): TensorInfo | undefined {
  if (!isPlain(call)) return undefined;
  const { x, dy } = call.named as unknown as { x: TensorInfo; dy: TensorInfo };
  const { filterShape } = call.attrs as unknown as { filterShape: number[] };
  const g = convGeometry("Conv2DBackpropFilter", x.shape, filterShape, call.attrs);
  const out = call.output(filterShape);
  const m = g.filterHeight * g.filterWidth * g.inChannels;
  const n = g.outChannels;
  const sizes = [1, m, g.batch * g.outHeight * g.outWidth, n] as const;
  const one = { count: 1, each: 1 };
  if (isPointwise(g)) {
    products(call, { x, transposed: true, ...one }, { x: dy, transposed: false, ...one }, out, sizes);
    return out;
  }
  const params = { ...windowParams(g), bEach: 1, bCount: 1, bNext: 0, bLine: 1, bStep: n };
  runProducts(call, program, {}, { sizes, a: x, b: dy, out, params, splits: true });
  return out;
}
