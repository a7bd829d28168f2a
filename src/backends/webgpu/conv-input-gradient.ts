import { type TensorInfo, util } from "@tensorflow/tfjs-core";
import { convGeometry, isPointwise } from "../conv-geometry";
import { isPlain } from "./convolution";
import { gemmShader, runProducts, type Variant } from "./gemm";
import { isHalf } from "./half";
import type { Call } from "./kernel";
import { products } from "./matmul";
import type { Program } from "./program";
import { filterColumns, windows } from "./windows";

/**
 * Input pixels that meet the same taps are the rows of one product: with a stride s those whose distance from the first
 * window's edge leaves the same remainder by s. `phase_<axis>` has the first tap, the first such pixel, the window that the
 * tap has over it, and how many pixels and taps there are.
 */
const phases = (["Y", "X"] as const)
  .map((axis) => {
    const [size, taps, before] =
      axis === "Y" ? ["inHeight", "filterHeight", "top"] : ["inWidth", "filterWidth", "left"];
    return `
fn phase${axis}(matrix: u32) -> Phase {
  let stride = params.stride${axis};
  let tap = ${axis === "Y" ? "matrix / params.strideX" : "matrix % params.strideX"};
  let pixel = (tap + stride - params.${before} % stride) % stride;
  return Phase(
    tap,
    pixel,
    (i32(pixel + params.${before}) - i32(tap)) / i32(stride),
    (max(params.${size}, pixel) - pixel + stride - 1u) / stride,
    (max(params.${taps}, tap) - tap + stride - 1u) / stride);
}`;
  })
  .join("");

const phaseStruct = "struct Phase { tap: u32, pixel: u32, window: i32, pixels: u32, taps: u32 }";

const phaseParams = [
  "inHeight",
  "inWidth",
  "filterHeight",
  "filterWidth",
  "top",
  "left",
  "strideY",
  "strideX",
  "batch",
];

const program: Program<Variant & { readonly four: boolean; readonly half?: boolean | undefined }> = {
  name: "input gradient",
  shader: ({ tile, ending, four, half }) =>
    gemmShader(tile, {
      a: windows(
        "a",
        { four },
        {
          wide: "phaseX(matrix).taps",
          origin: "originOf(matrix, line)",
          direction: "-",
          params: phaseParams,
        },
      ),
      b: filterColumns("b", { four, half }, "phaseX(matrix).taps", "vec2<u32>(phaseY(matrix).tap, phaseX(matrix).tap)"),
      ending,
      sizes: `${phaseStruct}${phases}
fn sizes(matrix: u32) -> vec2<u32> {
  let y = phaseY(matrix);
  let x = phaseX(matrix);
  return vec2<u32>(params.batch * y.pixels * x.pixels, y.taps * x.taps * params.channels);
}
fn originOf(matrix: u32, line: u32) -> vec3<i32> {
  let y = phaseY(matrix);
  let x = phaseX(matrix);
  return vec3<i32>(
    i32(line / x.pixels / y.pixels),
    y.window + i32((line / x.pixels) % y.pixels),
    x.window + i32(line % x.pixels));
}`,
      rowAt: `
fn rowAt(matrix: u32, row: u32) -> u32 {
  let y = phaseY(matrix);
  let x = phaseX(matrix);
  let image = row / x.pixels / y.pixels;
  let down = y.pixel + params.strideY * ((row / x.pixels) % y.pixels);
  return (image * params.inHeight + down) * params.inWidth + x.pixel + params.strideX * (row % x.pixels);
}`,
    }),
};

/**
 * conv2d's gradient with respect to its input: each pixel sums over the windows that it stands in, a product of the windows
 * of `dy` by the filter turned.
 */
export function convInputGradient(call: Call): TensorInfo | undefined {
  if (!isPlain(call)) return undefined;
  const { dy, filter } = call.named as unknown as { dy: TensorInfo; filter: TensorInfo };
  const { inputShape } = call.attrs as unknown as { inputShape: number[] };
  const g = convGeometry("Conv2DBackpropInput", inputShape, filter.shape, call.attrs);
  const out = call.output(inputShape);
  const n = g.inChannels;
  if (isPointwise(g)) {
    const one = { count: 1, each: 1 };
    const sizes = [1, util.sizeFromShape(inputShape) / Math.max(1, n), g.outChannels, n] as const;
    products(call, { x: dy, transposed: false, ...one }, { x: filter, transposed: true, ...one }, out, sizes);
    return out;
  }
  const [sy, sx] = [g.strideHeight, g.strideWidth];
  const rows = g.batch * Math.ceil(g.inHeight / sy) * Math.ceil(g.inWidth / sx);
  const summands = Math.ceil(g.filterHeight / sy) * Math.ceil(g.filterWidth / sx) * g.outChannels;
  const params = {
    ...{ height: g.outHeight, width: g.outWidth, channels: g.outChannels, batch: g.batch, top: g.top, left: g.left },
    ...{ inHeight: g.inHeight, inWidth: g.inWidth, filterHeight: g.filterHeight, filterWidth: g.filterWidth },
    ...{ strideY: sy, strideX: sx },
  };
  const variant = { four: g.outChannels % 4 === 0, half: isHalf(filter) || undefined };
  const sizes = [sy * sx, rows, summands, n] as const;
  runProducts(call, program, variant, { sizes, a: dy, b: filter, out, params, splits: sy * sx === 1 });
  return out;
}
