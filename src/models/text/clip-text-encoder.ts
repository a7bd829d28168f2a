import { type Tensor3D, tensor, tidy, type Variable } from "@tensorflow/tfjs-core";
import { checkInteger, checkObject, checkOneOf, checkText, describe } from "../../core/checks";
import { SidError } from "../../core/errors";
import type { WeightMap } from "../../core/host-tensor";
import { checkFields } from "../config/check-fields";
import { declareLayers } from "../nn/layers";
import { checkLive, checkSource } from "../weights/check-weights";
import { createParameters } from "../weights/parameters";
import type { InitialWeights, ParameterSpec } from "../weights/types";
import type { ClipTextConfig } from "./clip-config";
import { declareClipText } from "./clip-network";

/** Options of {@link clipTextEncoder}. */
export interface ClipTextEncoderOptions {
  /** Prefix of the variables' names; no two live networks may share one. */
  readonly name: string;
  /**
   * Its weights in transformers' names and PyTorch's layouts, a stream to draw a start from, or
   * `loadParameters`. In a map the prefix `text_model.`, which transformers 5 leaves away, and the buffer
   * `position_ids` of older files may be there or not.
   */
  readonly weights: InitialWeights;
}

/** Turns token ids into the states that a U-Net attends to. */
export interface ClipTextEncoder {
  /** Prefix of every variable's name. */
  readonly name: string;
  /** The architecture it was made from. */
  readonly config: ClipTextConfig;
  /** All weights, in a fixed order; names are `${name}/text_model.…`. */
  readonly variables: readonly Variable[];
  /**
   * transformers' `last_hidden_state`: `[B, tokens, width]`, after the final layer norm. Synchronous
   * and pure; differentiable in its variables; the caller owns the result.
   *
   * @param tokenIds - B sequences of one length, from 1 to `config.maxLength`.
   * @throws SidError `shape-mismatch` for sequences of different lengths, `out-of-range` for one that is empty or
   *   too long and for an id outside the vocabulary, `not-finite` or `invalid-argument` for anything else.
   */
  encode(tokenIds: readonly (readonly number[])[]): Tensor3D;
  /** Frees the variables. */
  dispose(): void;
}

/**
 * The text encoder of Stable Diffusion: transformers' CLIPTextModel up to its `last_hidden_state`.
 *
 *     x = token[id] + position,   x += attention(norm(x)),   x += W₂·act(W₁·norm(x)),   norm(x) at the end
 *
 * Each token attends to itself and those before it, padding included, as Stable Diffusion uses it.
 *
 * Source: Radford et al., arXiv:2103.00020; transformers 5.23 models/clip/modeling_clip.py, CLIPTextModel.
 *
 * @param config - from `parseClipTextConfig`.
 * @param options - name and weights. At random: linear layers as in PyTorch, embeddings normal with deviation 0.02.
 * @returns an encoder; `encode` throws SidError `shape-mismatch` or `out-of-range` for token ids that do not fit.
 * @throws SidError `missing-weight`, `surplus-weight` or `shape-mismatch` naming the tensor;
 *   `invalid-argument` when a network of this name lives already. No variable is left behind.
 *
 * @example
 * ```ts
 * import { randomStream } from "sid-lsg";
 * import { clipTextEncoder, parseClipTextConfig } from "sid-lsg/models";
 *
 * const config = parseClipTextConfig({
 *   vocab_size: 20, hidden_size: 8, intermediate_size: 16, num_hidden_layers: 1, num_attention_heads: 2,
 * });
 * const encoder = clipTextEncoder(config, { name: "text", weights: randomStream(0) });
 * console.log(encoder.encode([[1, 7, 9, 2], [1, 5, 2, 0]]).shape); // [2, 4, 8]
 * encoder.dispose();
 * ```
 */
export function clipTextEncoder(config: ClipTextConfig, options: ClipTextEncoderOptions): ClipTextEncoder {
  checkClipTextConfig("clipTextEncoder", "config", config);
  const { name, weights } = checkObject("clipTextEncoder", "options", options, { name: 1, weights: 1 });
  checkText("clipTextEncoder", "name", name);
  checkSource("clipTextEncoder", weights);
  const network = describeClip(config);
  const parameters = createParameters(name, network.specs, withPublishedNames(weights));
  return {
    name,
    config,
    variables: parameters.list,
    encode(tokenIds) {
      checkLive(`${name}.encode`, { name, variables: parameters.list });
      const length = checkTokens(`${name}.encode`, config, tokenIds);
      return tidy(() => {
        const ids = tensor(Int32Array.from(tokenIds.flat()), [tokenIds.length, length], "int32");
        return network.forward(parameters.get, ids);
      });
    },
    dispose: parameters.dispose,
  };
}

/**
 * Lists a text encoder's parameters in transformers' names and PyTorch's shapes, without allocating anything.
 *
 * @param config - from `parseClipTextConfig`, which has checked it.
 * @returns one spec per parameter, in the order of the encoder's variables.
 *
 * @example
 * ```ts
 * import { clipTextParameterSpecs, parseClipTextConfig } from "sid-lsg/models";
 *
 * const specs = clipTextParameterSpecs(parseClipTextConfig({}));
 * console.log(specs[0]); // text_model.embeddings.token_embedding.weight, [49408, 512]
 * ```
 */
export function clipTextParameterSpecs(config: ClipTextConfig): readonly ParameterSpec[] {
  checkClipTextConfig("clipTextParameterSpecs", "config", config);
  return describeClip(config).specs;
}

/** Throws unless a configuration is complete, as the parsers of this library make it. */
export function checkClipTextConfig(where: string, name: string, config: ClipTextConfig): void {
  checkFields(where, name, config, {
    integers: ["vocabularySize", "width", "feedForwardWidth", "layers", "heads", "maxLength"],
    numbers: ["normEps"],
  });
  checkOneOf(where, `${name}.activation`, config.activation, ["quick_gelu", "gelu"]);
}

function describeClip(config: ClipTextConfig) {
  const at = declareLayers().at("text_model");
  return { forward: declareClipText(at, config), specs: at.specs };
}

/** The names that published files have. */
function withPublishedNames(weights: InitialWeights): InitialWeights {
  if (!(weights instanceof Map) || [...weights.keys()].some((name) => name.startsWith("text_model."))) return weights;
  return new Map([...(weights as WeightMap)].map(([name, weight]) => [`text_model.${name}`, weight]));
}

/** The common length of the sequences; throws unless they can be encoded. */
export function checkTokens(where: string, config: ClipTextConfig, tokenIds: readonly (readonly number[])[]): number {
  if (!Array.isArray(tokenIds) || tokenIds.length === 0 || ![...tokenIds].every(Array.isArray))
    throw new SidError(
      "invalid-argument",
      `${where}: wanted one array of token ids per prompt, got ${describe(tokenIds)}.`,
    );
  const length = checkInteger(where, "number of tokens", (tokenIds[0] as number[]).length, 1, config.maxLength);
  tokenIds.forEach((ids, i) => {
    if (ids.length !== length)
      throw new SidError(
        "shape-mismatch",
        `${where}: all prompts need as many tokens, the first has ${length}, number ${i} has ${ids.length}.`,
      );
    for (const id of ids) checkInteger(where, "token id", id, 0, config.vocabularySize - 1);
  });
  return length;
}
