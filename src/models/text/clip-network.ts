import { add, gather, reshape, slice, type Tensor, type Tensor3D } from "@tensorflow/tfjs-core";
import { asWholeGraph } from "../../core/whole-graph";
import { gelu, quickGelu } from "../nn/activations";
import { attention } from "../nn/attention";
import { type Layer, type Layers, sequence, variablesOf, type Weights } from "../nn/layers";
import { tabulate } from "../tabulate";
import type { ClipTextConfig } from "./clip-config";

/** What the layers of both of CLIP's towers need to know. */
export type ClipLayerConfig = Pick<ClipTextConfig, "width" | "feedForwardWidth" | "heads" | "activation" | "normEps">;

/** Declares the text tower, up to its final norm, and gives its forward pass on ids `[B, tokens]`. */
export function declareClipText(at: Layers, config: ClipTextConfig): (weights: Weights, ids: Tensor) => Tensor3D {
  const { vocabularySize, width, layers, maxLength, normEps } = config;
  const table = (name: string, rows: number) =>
    at.parameter(`embeddings.${name}.weight`, [rows, width], "as-is", { normal: 0.02 });
  const tokens = table("token_embedding", vocabularySize);
  const positions = table("position_embedding", maxLength);
  const from = at.specs.length;
  const blocks = Array.from({ length: layers }, (_, i) => declareClipLayer(at.at(`encoder.layers.${i}`), config));
  const norm = at.layerNorm("final_layer_norm", width, normEps);
  const names = at.specs.slice(from).map(({ name }) => name);
  /** All that follows the embeddings. */
  const encoded = (w: Weights, x: Tensor): Tensor => {
    const mask = causalMask(x.shape[1] as number);
    const masked = blocks.map(
      (block): Layer =>
        (w, x) =>
          block(w, x, mask),
    );
    return sequence([...masked, norm])(w, x);
  };
  const key = `clip text ${JSON.stringify(config)}`;
  return (w, ids) => {
    const [batch, length] = ids.shape as [number, number];
    const words = reshape(gather(tokens(w), reshape(ids, [batch * length])), [batch, length, width]);
    const x = add(words, slice(positions(w), [0, 0], [length, width]));
    const weights = variablesOf(w, names);
    return asWholeGraph({ key, f: (x) => encoded(w, x as Tensor), inputs: [x], weights }) as Tensor3D;
  };
}

/** transformers' CLIPEncoderLayer: self-attention and feed-forward, each after a norm and beside a residual. */
export function declareClipLayer(
  at: Layers,
  config: ClipLayerConfig,
): (weights: Weights, x: Tensor, mask?: Tensor) => Tensor {
  const { width, feedForwardWidth, heads, normEps } = config;
  const self = at.at("self_attn");
  const [k, v, q, out] = ["k_proj", "v_proj", "q_proj", "out_proj"].map(
    (name): Layer => self.linear(name, width, width),
  ) as [Layer, Layer, Layer, Layer];
  const norm1 = at.layerNorm("layer_norm1", width, normEps);
  const widen = at.linear("mlp.fc1", width, feedForwardWidth);
  const narrow = at.linear("mlp.fc2", feedForwardWidth, width);
  const norm2 = at.layerNorm("layer_norm2", width, normEps);
  const activate = config.activation === "gelu" ? gelu : quickGelu;
  return (w, x, mask) => {
    const normed = norm1(w, x);
    const h = add(x, out(w, attention(q(w, normed), k(w, normed), v(w, normed), { heads, mask })));
    return add(h, narrow(w, activate(widen(w, norm2(w, h)))));
  };
}

/** 0 where token j may be seen by token i, that is j ≤ i; elsewhere so low that its weight is exactly 0. */
function causalMask(length: number): Tensor {
  return tabulate([length, length], (i, j) => (j <= i ? 0 : -1e30));
}
