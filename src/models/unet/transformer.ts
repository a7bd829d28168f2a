import { reshape, type Tensor } from "@tensorflow/tfjs-core";
import { attention } from "../nn/attention";
import type { AddingLayer, Layers, Weights } from "../nn/layers";

/** A pass that also looks at the condition `[B, tokens, dim]`. */
export type ConditionedLayer = (weights: Weights, x: Tensor, cond: Tensor) => Tensor;

/** What a transformer over the pixels needs to know. */
export interface TransformerOptions {
  readonly channels: number;
  readonly heads: number;
  /** Number of blocks. */
  readonly depth: number;
  /** Width of the condition. */
  readonly condDim: number;
  readonly groups: number;
  /** Linear layers around the blocks instead of 1×1 convolutions: only the weights' shapes differ. */
  readonly linearProjection: boolean;
  /** Queries per slice of attention; as many as fit a bound if not given. */
  readonly attentionSlice: number | undefined;
}

/** diffusers' Transformer2DModel for images: norm, projection, blocks over the pixels, projection, residual. */
export function transformer(at: Layers, options: TransformerOptions): ConditionedLayer {
  const { channels, depth, groups, linearProjection } = options;
  const projection = (name: string): AddingLayer =>
    linearProjection ? at.linear(name, channels, channels) : at.conv(name, channels, channels, 1);
  const norm = at.groupNorm("norm", channels, groups, 1e-6);
  const projectIn = projection("proj_in");
  const blocks = Array.from({ length: depth }, (_, i) => transformerBlock(at.at(`transformer_blocks.${i}`), options));
  const projectOut = projection("proj_out");
  return (w, x, cond) => {
    const [batch, height, width] = x.shape as [number, number, number];
    let h = reshape(projectIn(w, norm(w, x)), [batch, height * width, channels]);
    for (const block of blocks) h = block(w, h, cond);
    return projectOut.plus(w, reshape(h, x.shape), x);
  };
}

/** diffusers' BasicTransformerBlock: self-attention, attention to the condition, feed-forward. */
function transformerBlock(at: Layers, options: TransformerOptions): ConditionedLayer {
  const { channels, condDim } = options;
  const norm = (name: string) => at.layerNorm(name, channels, 1e-5);
  const norm1 = norm("norm1");
  const self = attentionLayer(at.at("attn1"), "self", options);
  const norm2 = norm("norm2");
  const cross = attentionLayer(at.at("attn2"), condDim, options);
  const norm3 = norm("norm3");
  const feedIn = at.geglu("ff.net.0.proj", channels, 4 * channels);
  const feedOut = at.linear("ff.net.2", 4 * channels, channels);
  return (w, x, cond) => {
    const normed = norm1(w, x);
    const h = self(w, normed, normed, x);
    const k = cross(w, norm2(w, h), cond, h);
    return feedOut.plus(w, feedIn(w, norm3(w, k)), k);
  };
}

/** Attention with its four projections, plus `addend`; keys and values come from `context`, of that width, or from `x` itself. */
function attentionLayer(at: Layers, contextDim: number | "self", options: TransformerOptions) {
  const { channels, heads, attentionSlice: slice } = options;
  const [one, two] = contextDim === "self" ? [["to_q", "to_k", "to_v"], []] : [["to_q"], ["to_k", "to_v"]];
  const ofInput = at.linears(one, channels, channels);
  const ofContext = at.linears(two, contextDim === "self" ? channels : contextDim, channels);
  const out = at.linear("to_out.0", channels, channels);
  return (w: Weights, x: Tensor, context: Tensor, addend: Tensor) => {
    const [q, k, v] = [...ofInput(w, x), ...ofContext(w, context)] as [Tensor, Tensor, Tensor];
    return out.plus(w, attention(q, k, v, { heads, slice }), addend);
  };
}
