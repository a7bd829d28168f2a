import { concat, type Tensor, type Tensor4D } from "@tensorflow/tfjs-core";
import { upsampleTo } from "../nn/images";
import type { Layer, Layers, Weights } from "../nn/layers";
import { residualBlock } from "../nn/residual-block";
import { transformer } from "./transformer";

/** What all blocks of one U-Net share. */
export interface BlockContext {
  /** Width of the time embedding. */
  readonly timeDim: number;
  /** Width of the condition. */
  readonly condDim: number;
  readonly groups: number;
  readonly eps: number;
  readonly linearProjection: boolean;
  /** Queries per slice of attention; as many as fit a bound if not given. */
  readonly attentionSlice: number | undefined;
}

/** What flows beside the image: the embedded time (after its SiLU) and the condition. */
export interface Side {
  readonly time: Tensor;
  readonly cond: Tensor;
}

/** One pass through a residual layer and, where there is one, the transformer after it. */
export type Stage = (weights: Weights, x: Tensor, side: Side) => Tensor;

/** A pair of residual block and optional transformer. */
export interface StageOptions {
  readonly inputs: number;
  readonly outputs: number;
  /** Attention heads; no transformer without them. */
  readonly heads?: number | undefined;
  /** Transformer blocks. */
  readonly depth: number;
}

/** Declares `resnets.${i}` and, with heads, `attentions.${i}`. */
export function stage(at: Layers, i: number, options: StageOptions, context: BlockContext): Stage {
  const { outputs, heads, depth } = options;
  const residual = resnet(at.at(`resnets.${i}`), { ...options, scale: 1 }, context);
  if (heads === undefined) return residual;
  const attend = attentionStage(at, i, { channels: outputs, heads, depth }, context);
  return (w, x, side) => attend(w, residual(w, x, side), side);
}

/** Declares `attentions.${i}`. */
export function attentionStage(
  at: Layers,
  i: number,
  options: { readonly channels: number; readonly heads: number; readonly depth: number },
  context: BlockContext,
): Stage {
  const { channels, heads, depth } = options;
  const run = transformer(at.at(`attentions.${i}`), { ...context, channels, heads, depth });
  return (w, x, { cond }) => run(w, x, cond);
}

/** A residual block with the embedded time. */
export function resnet(
  at: Layers,
  sizes: { readonly inputs: number; readonly outputs: number; readonly scale: number },
  { timeDim, groups, eps }: BlockContext,
): Stage {
  const block = residualBlock(at, { ...sizes, timeDim, groups, eps });
  return (w, x, { time }) => block(w, x, time);
}

/** diffusers' Downsample2D with a convolution; padding 0 means one row and column at the far side. */
export function downsample(at: Layers, channels: number, padding: number): Layer {
  const pad = padding === 0 ? ([0, 1] as const) : padding;
  return at.conv("downsamplers.0.conv", channels, channels, 3, { stride: 2, pad });
}

/** diffusers' Upsample2D with a convolution, to exactly the size of the skip connection that comes next. */
export function upsample(at: Layers, channels: number): (weights: Weights, x: Tensor, size: number[]) => Tensor {
  const conv = at.conv("upsamplers.0.conv", channels, channels, 3, { pad: 1 });
  return (w, x, size) => conv(w, upsampleTo(x as Tensor4D, size));
}

/** The image `x` and a skip connection side by side. */
export function withSkip(x: Tensor, skip: Tensor): Tensor {
  return concat([x, skip], -1);
}
