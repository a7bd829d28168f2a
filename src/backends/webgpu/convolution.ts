import { type TensorInfo, util } from "@tensorflow/tfjs-core";
import { type ConvGeometry, convGeometry, isPointwise } from "../conv-geometry";
import { gemmShader, isActivation, runProducts, type Variant } from "./gemm";
import { isHalf } from "./half";
import type { Call } from "./kernel";
import { products } from "./matmul";
import { matrices } from "./operands";
import type { Program } from "./program";
import { windows } from "./windows";

const program: Program<Variant & { readonly four: boolean; readonly half?: boolean | undefined }> = {
  name: "convolution",
  shader: ({ tile, ending, four, half }) =>
    gemmShader(tile, {
      a: windows(
        "a",
        { four },
        {
          wide: "params.filterWidth",
          origin: `vec3<i32>(
    i32(line / params.outWidth / params.outHeight),
    i32(((line / params.outWidth) % params.outHeight) * params.strideY) - i32(params.top),
    i32((line % params.outWidth) * params.strideX) - i32(params.left))`,
          direction: "+",
          params: ["outHeight", "outWidth", "strideY", "strideX", "top", "left", "filterWidth"],
        },
      ),
      b: matrices("b", { four: false, half }),
      ending,
    }),
};

/** Params of programs that go through the windows of `x`. */
export function windowParams(g: ConvGeometry): Record<string, number> {
  return {
    ...{ height: g.inHeight, width: g.inWidth, channels: g.inChannels, outHeight: g.outHeight, outWidth: g.outWidth },
    ...{ strideY: g.strideHeight, strideX: g.strideWidth, top: g.top, left: g.left, filterWidth: g.filterWidth },
  };
}

interface Attributes {
  readonly dilations?: number | readonly number[];
  readonly dataFormat?: string;
  readonly activation?: string | null;
}

/** Whether a convolution or its gradient is one that these kernels take: float32, channels last, not dilated. */
export function isPlain({ all, attrs }: Call): boolean {
  const { dilations = 1, dataFormat = "NHWC" } = attrs as unknown as Attributes;
  const floats = all.every((x) => !x || x.dtype === "float32");
  return floats && dataFormat === "NHWC" && [dilations].flat().every((dilation) => dilation === 1);
}

interface Inputs {
  readonly x: TensorInfo;
  readonly filter: TensorInfo;
  readonly bias?: TensorInfo | null;
  /** This library's own: added to the result, of its shape. */
  readonly addend?: TensorInfo;
}

/** conv2d, and with a bias and an activation. Others, dilated ones and channels first are the stock kernel's. */
export function convolution(call: Call): TensorInfo | undefined {
  const { x, filter, bias: given, addend } = call.named as unknown as Inputs;
  const activation = (call.attrs as unknown as Attributes).activation ?? "linear";
  const vector = !given || util.sizeFromShape(given.shape) === filter.shape[3];
  if (!isPlain(call) || !vector || !isActivation(activation)) return undefined;
  const g = convGeometry("Conv2D", x.shape, filter.shape, call.attrs);
  const out = call.output([g.batch, g.outHeight, g.outWidth, g.outChannels]);
  const n = g.outChannels;
  const k = g.filterHeight * g.filterWidth * g.inChannels;
  const sizes = [1, g.batch * g.outHeight * g.outWidth, k, n] as const;
  const bias = given ?? undefined;
  const one = { transposed: false, count: 1, each: 1 };
  if (isPointwise(g)) {
    products(call, { x, ...one }, { x: filter, ...one }, out, sizes, { bias, activation, addend });
    return out;
  }
  const variant = { four: g.inChannels % 4 === 0, half: isHalf(filter) || undefined };
  const params = { ...windowParams(g), bEach: 1, bCount: 1, bNext: 0, bLine: 1, bStep: n };
  runProducts(call, program, variant, {
    ...{ sizes, a: x, b: filter, out, params, splits: true },
    bias,
    activation,
    addend,
  });
  return out;
}
