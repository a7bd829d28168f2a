import type { TensorInfo } from "@tensorflow/tfjs-core";
import { convGeometry, isPointwise } from "../conv-geometry";
import { windowParams } from "./convolution";
import { gemmShader, runProducts, type Variant } from "./gemm";
import type { Call } from "./kernel";
import { matrices, withOnes } from "./operands";
import { type Program, sizeOf } from "./program";
import { splitColumns } from "./rows";
import { windowColumns } from "./windows";

/** The product whose last row is the gradient of the bias: the left matrix has a row of ones. */
const program: Program<Variant & { readonly windows: boolean }> = {
  name: "weight gradients",
  shader: ({ tile, ending, windows }) =>
    gemmShader(tile, {
      a: withOnes("a", windows ? windowColumns("a") : matrices("a", { four: false })),
      b: matrices("b", { four: false }),
      ending,
    }),
};

/** See `SidLinearGradient`. */
export function linearGradient(call: Call): TensorInfo[] {
  const [x, dy] = call.inputs;
  const [k, inputs] = x.shape as [number, number];
  const outputs = dy.shape[1] as number;
  return gradients(call, [inputs, outputs], k, { windows: false }, matrixParams(inputs));
}

/** See `SidConvGradient`. */
export function convGradient(call: Call): TensorInfo[] {
  const { filterShape } = call.attrs as unknown as { filterShape: number[] };
  const g = convGeometry("SidConvGradient", call.inputs[0].shape, filterShape, call.attrs);
  const k = g.batch * g.outHeight * g.outWidth;
  const windows = !isPointwise(g);
  return gradients(call, filterShape, k, { windows }, windows ? windowParams(g) : matrixParams(g.inChannels));
}

/** Params of `[k, inputs]`, transposed. */
const matrixParams = (inputs: number) => ({ aEach: 1, aCount: 1, aNext: 0, aLine: 1, aStep: inputs });

function gradients(
  call: Call,
  shape: readonly number[],
  k: number,
  variant: { readonly windows: boolean },
  own: Readonly<Record<string, number>>,
): TensorInfo[] {
  const [a, b] = call.inputs;
  const n = shape[shape.length - 1] as number;
  const [weight, bias] = [call.output(shape), call.output([n])];
  const m = sizeOf(weight) / n + 1;
  const both = call.scratch([m, n]);
  const params = { ...own, bEach: 1, bCount: 1, bNext: 0, bLine: 1, bStep: n };
  runProducts(call, program, variant, { sizes: [1, m, k, n], a, b, out: both, params, splits: true });
  const parts = [weight, bias].map((tensor) => ({ tensor, width: sizeOf(tensor) }));
  splitColumns(call, { tensor: both, stride: m * n }, parts);
  return [weight, bias];
}
