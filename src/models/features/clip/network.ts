import { add, concat, gather, reshape, slice, type Tensor, type Tensor2D, tensor1d, tile } from "@tensorflow/tfjs-core";
import { declareLayers, type Layer, type Layers, sequence, type Weights } from "../../nn/layers";
import { conv2d } from "../../nn/linear";
import { declareClipLayer, declareClipText } from "../../text/clip-network";
import type { ParameterSpec } from "../../weights/types";
import type { ClipConfig, ClipVisionConfig } from "./config";

/** Both towers with their projections. */
export interface ClipNetwork {
  /** Names of transformers' CLIPModel. */
  readonly specs: readonly ParameterSpec[];
  /** `[B, size, size, 3]`, standardised, to `[B, dimension]`, not normalised. */
  images(weights: Weights, x: Tensor): Tensor2D;
  /** Ids `[B, tokens]` and the place of each text's state to `[B, dimension]`, not normalised. */
  texts(weights: Weights, ids: Tensor, ends: readonly number[]): Tensor2D;
}

/** The name of the only parameter that no tower has: the logarithm of the logits' scale. */
export const logitScaleName = "logit_scale";

/** What open_clip and transformers start the logits' scale at. */
const firstLogitScale = Math.log(1 / 0.07);

/** Declares a whole CLIP. */
export function declareClip(config: ClipConfig): ClipNetwork {
  const { text, vision, dimension } = config;
  const at = declareLayers();
  const encodeText = declareClipText(at.at("text_model"), text);
  const encodeImage = declareVision(at.at("vision_model"), vision);
  const projectText = at.linear("text_projection", text.width, dimension, { bias: false });
  const projectImage = at.linear("visual_projection", vision.width, dimension, { bias: false });
  at.parameter(logitScaleName, [], "as-is", { constant: firstLogitScale });
  return {
    specs: at.specs,
    images: sequence([encodeImage, projectImage]) as ClipNetwork["images"],
    texts(weights, ids, ends) {
      const states = encodeText(weights, ids);
      const [batch, length, width] = states.shape;
      const rows = tensor1d(
        Int32Array.from(ends, (end, i) => i * length + end),
        "int32",
      );
      return projectText(weights, gather(reshape(states, [batch * length, width]), rows)) as Tensor2D;
    },
  };
}

/**
 * transformers' CLIPVisionModel up to its `pooler_output`:
 *
 *     x = norm([class, patches·W] + position),   the layers,   norm(x[0])
 */
function declareVision(at: Layers, config: ClipVisionConfig): Layer {
  const { imageSize, patchSize, width, layers, normEps } = config;
  const patches = Math.floor(imageSize / patchSize) ** 2;
  const cls = at.parameter("embeddings.class_embedding", [width], "as-is", { normal: 0.02 });
  const filter = at.parameter("embeddings.patch_embedding.weight", [width, 3, patchSize, patchSize], "conv", {
    normal: 0.02,
  });
  const positions = at.parameter("embeddings.position_embedding.weight", [patches + 1, width], "as-is", {
    normal: 0.02,
  });
  const embed: Layer = (w, x) => {
    const batch = x.shape[0] as number;
    const tokens = reshape(conv2d(x, filter(w), undefined, { stride: patchSize }), [batch, patches, width]);
    const first = tile(reshape(cls(w), [1, 1, width]), [batch, 1, 1]);
    return add(concat([first, tokens], 1), positions(w));
  };
  // The name has lost a letter in transformers.
  const before = at.layerNorm("pre_layrnorm", width, normEps);
  const blocks = Array.from({ length: layers }, (_, i) => declareClipLayer(at.at(`encoder.layers.${i}`), config));
  const pool: Layer = (_, x) => reshape(slice(x, [0, 0, 0], [-1, 1, -1]), [x.shape[0] as number, width]);
  const after = at.layerNorm("post_layernorm", width, normEps);
  return sequence([
    embed,
    before,
    ...blocks.map(
      (block): Layer =>
        (w, x) =>
          block(w, x),
    ),
    pool,
    after,
  ]);
}
