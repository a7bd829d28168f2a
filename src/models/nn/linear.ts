import {
  _FusedMatMul,
  add,
  conv2d as conv2dOp,
  engine,
  FusedConv2D,
  matMul,
  reshape,
  stack,
  sum,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
  unstack,
} from "@tensorflow/tfjs-core";
import { callsArePrograms } from "../../core/fused-kernels";
import { mayNeedGradient } from "../../core/tape";
import { operation } from "./custom-gradient";
import { convInOne, linearInOne, registerFusedGradients } from "./fused-gradients";

registerFusedGradients();

/** Options of {@link conv2d}. */
export interface ConvOptions {
  /** Step of the window in both directions, in pixels. @defaultValue `1` */
  readonly stride?: number | undefined;
  /**
   * Zeros around the image, in pixels: on all four sides, or `[before, after]` in both directions; or as many as TensorFlow
   * calls `"same"`, for an output of `⌈size/stride⌉`.
   * @defaultValue `0`
   */
  readonly pad?: number | readonly [number, number] | "same" | undefined;
}

/**
 * `x·W + b` over the last axis.
 *
 * @param x - `[..., in]`.
 * @param weight - `[in, out]`.
 * @param bias - `[out]`, or none.
 * @param addend - added to the result, of its shape.
 * @returns `[..., out]`.
 */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor, addend?: Tensor): Tensor {
  const [inputs, outputs] = weight.shape as [number, number];
  const rows = x.size / inputs;
  const shape = [...x.shape.slice(0, -1), outputs];
  const a = x.rank === 2 ? x : reshape(x, [rows, inputs]);
  const shaped = (y: Tensor) => (x.rank === 2 ? y : reshape(y, shape));
  const attrs = { transposeA: false, transposeB: false, activation: "linear" };
  if (bias && callsArePrograms()) {
    const added = addend && x.rank !== 2 ? reshape(addend, [rows, outputs]) : addend;
    return shaped(linearInOne([a, weight, bias, added], attrs));
  }
  const y = bias
    ? (engine().runKernel(_FusedMatMul, { a, b: weight, bias }, attrs) as Tensor)
    : matMul(a as Tensor2D, weight as Tensor2D);
  return addend ? add(shaped(y), addend) : shaped(y);
}

/** Elements of a weight up to which starting a product costs more than its arithmetic, or copies of the weight. */
const smallWeight = 2 ** 17;

/** Whether products of one tensor with these weights are better done as one of them all. */
export function areBetterTogether(weights: readonly Tensor[]): boolean {
  const [first] = weights;
  return (
    callsArePrograms() &&
    first !== undefined &&
    weights.length > 1 &&
    first.size <= smallWeight &&
    weights.every(({ shape }) => shape.join() === first.shape.join())
  );
}

/**
 * `x·W` over the last axis for each of some weights of one shape, as one product. Backward: `dx = Σ dy·Wᵀ`, `dW = xᵀ·dy`.
 *
 * @param x - `[..., in]`.
 * @param weights - each `[in, out]`.
 * @returns for each weight `[..., out]`.
 */
export function linears(x: Tensor, weights: readonly Tensor[]): Tensor[] {
  const [inputs, outputs] = (weights[0] as Tensor).shape as [number, number];
  const wanted = { x: mayNeedGradient(x), weights: weights.some(mayNeedGradient) };
  const flat = reshape(x, [1, x.size / inputs, inputs]);
  const all = operation<Tensor3D>([flat, ...weights], (x, ...weights) => ({
    value: matMul(x as Tensor3D, stack(weights) as Tensor3D),
    saved: [x as Tensor, ...weights],
    // What is not wanted is not looked at.
    backward: (dy, [x, ...weights]) => [
      wanted.x ? sum(matMul(dy, stack(weights) as Tensor3D, false, true), 0, true) : (x as Tensor),
      ...(wanted.weights ? unstack(matMul(x as Tensor3D, dy, true, false)) : weights),
    ],
  }));
  return unstack(all).map((y) => reshape(y, [...x.shape.slice(0, -1), outputs]));
}

/**
 * Two-dimensional convolution (correlation, as in PyTorch), channels last.
 *
 * @param x - `[B, H, W, in]`.
 * @param filter - `[h, w, in, out]`.
 * @param bias - `[out]`, or none.
 * @returns `[B, H', W', out]`, sizes rounded down.
 */
export function conv2d(x: Tensor, filter: Tensor, bias?: Tensor, options: ConvOptions = {}, addend?: Tensor): Tensor4D {
  const plus = (y: Tensor4D) => (addend ? (add(y, addend) as Tensor4D) : y);
  const { stride = 1, pad = 0 } = options;
  const padding = pad === "same" ? pad : explicitPadding(pad);
  if (!bias) return plus(conv2dOp(x as Tensor4D, filter as Tensor4D, stride, padding));
  const attrs = {
    strides: [stride, stride],
    pad: padding,
    dataFormat: "NHWC",
    dilations: [1, 1],
    activation: "linear",
  };
  if (callsArePrograms()) return convInOne([x, filter, bias, addend], attrs);
  return plus(engine().runKernel(FusedConv2D, { x, filter, bias }, attrs) as Tensor4D);
}

type Sides = [number, number];

function explicitPadding(pad: number | readonly [number, number]): [Sides, Sides, Sides, Sides] {
  const [before, after] = typeof pad === "number" ? [pad, pad] : pad;
  return [
    [0, 0],
    [before, after],
    [before, after],
    [0, 0],
  ];
}
