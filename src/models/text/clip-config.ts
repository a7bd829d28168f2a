import { checkInteger, checkPositive, describe, isObject } from "../../core/checks";
import { SidError } from "../../core/errors";
import { type ConfigOptions, readConfig } from "../config/config-values";

/** The architecture of a CLIP text encoder, complete and checked; made by {@link parseClipTextConfig}. */
export interface ClipTextConfig {
  /** Number of token ids. */
  readonly vocabularySize: number;
  /** Width of the token states. */
  readonly width: number;
  /** Width between the two linear layers of a feed-forward part. */
  readonly feedForwardWidth: number;
  /** Number of transformer layers. */
  readonly layers: number;
  /** Attention heads; a divisor of `width`. */
  readonly heads: number;
  /** Longest sequence of tokens. */
  readonly maxLength: number;
  /** Activation of the feed-forward parts. */
  readonly activation: "quick_gelu" | "gelu";
  /** Added to the variance in the layer normalisations. */
  readonly normEps: number;
}

/** transformers' defaults of the keys that are read. */
const defaults = {
  vocab_size: 49408,
  hidden_size: 512,
  intermediate_size: 2048,
  num_hidden_layers: 12,
  num_attention_heads: 8,
  max_position_embeddings: 77,
  hidden_act: "quick_gelu",
  layer_norm_eps: 1e-5,
};

/** Keys of both of CLIP's towers of which only these values are implemented. */
export const fixedClipKeys = {
  attention_dropout: [0, null],
  dropout: [0, null],
  pruned_heads: [null],
  quantization_config: [null],
};

/** Keys without influence on the last hidden state of given weights; the second half is what transformers 4 wrote into every file. */
export const silentClipKeys: ReadonlySet<string> = new Set(
  (
    "architectures bos_token_id eos_token_id pad_token_id projection_dim initializer_factor initializer_range " +
    "torch_dtype dtype transformers_version return_dict output_hidden_states output_attentions problem_type " +
    "id2label label2id is_encoder_decoder chunk_size_feed_forward " +
    "add_cross_attention bad_words_ids begin_suppress_tokens cross_attention_hidden_size decoder_start_token_id " +
    "diversity_penalty do_sample early_stopping encoder_no_repeat_ngram_size exponential_decay_length_penalty " +
    "finetuning_task forced_bos_token_id forced_eos_token_id is_decoder length_penalty max_length min_length " +
    "no_repeat_ngram_size num_beam_groups num_beams num_return_sequences output_scores prefix " +
    "remove_invalid_values repetition_penalty return_dict_in_generate sep_token_id suppress_tokens " +
    "task_specific_params temperature tf_legacy_loss tie_encoder_decoder tie_word_embeddings tokenizer_class top_k " +
    "top_p torchscript typical_p use_bfloat16"
  ).split(" "),
);

/** The version of transformers all of whose keys are known. */
export const clipVersion = { key: "transformers_version", known: "5.24" };

const fixed = { ...fixedClipKeys, model_type: ["clip_text_model"] };
const known = { defaults, fixed, silent: silentClipKeys, version: clipVersion };

/** More layers than this are a mistake in the file. */
export const maxClipLayers = 1000;

/**
 * Reads a transformers `text_encoder/config.json` (class CLIPTextModel). Only keys that differ from
 * transformers' defaults need be there; keys that begin with `_` are ignored. The text encoders of
 * Stable Diffusion 1.x and 2.x are accepted as they are. Keys without influence that are no key of transformers' are
 * passed over with a warning.
 *
 * Source: transformers 5.24 models/clip/configuration_clip.py, CLIPTextConfig.
 *
 * @param json - the parsed file.
 * @param options - who is warned.
 * @returns the architecture.
 * @throws SidError `unsupported` naming the key and value that are not implemented;
 *   `invalid-argument`, `out-of-range` or `not-finite` for values that make no sense.
 *
 * @example
 * ```ts
 * import { parseClipTextConfig } from "sid-lsg/models";
 *
 * const config = parseClipTextConfig({ hidden_size: 768, intermediate_size: 3072, num_attention_heads: 12 });
 * console.log(config.maxLength); // 77: Stable Diffusion 1.5
 * ```
 */
export function parseClipTextConfig(json: unknown, options: ConfigOptions = {}): ClipTextConfig {
  const where = "parseClipTextConfig";
  if (isObject(json) && Object.hasOwn(json, "text_config"))
    throw new SidError(
      "unsupported",
      `${where}: the key "text_config" is not supported: the file is that of a whole CLIP; wanted its text encoder's.`,
    );
  return readClipTextConfig(where, json, options);
}

/** {@link parseClipTextConfig} on behalf of the function that messages name. */
export function readClipTextConfig(where: string, json: unknown, options: ConfigOptions): ClipTextConfig {
  const { values: raw } = readConfig(where, json, known, options);
  const size = (key: keyof typeof defaults) => checkInteger(where, key, raw[key] as number, 1);
  const width = size("hidden_size");
  const heads = checkHeads(where, size("num_attention_heads"), width);
  return {
    vocabularySize: size("vocab_size"),
    width,
    feedForwardWidth: size("intermediate_size"),
    layers: checkInteger(where, "num_hidden_layers", raw.num_hidden_layers as number, 1, maxClipLayers),
    heads,
    maxLength: size("max_position_embeddings"),
    activation: readActivation(where, raw.hidden_act),
    normEps: checkPositive(where, "layer_norm_eps", raw.layer_norm_eps as number),
  };
}

/** Throws unless the heads divide the width; returns their number. */
export function checkHeads(where: string, heads: number, width: number): number {
  if (width % heads !== 0)
    throw new SidError(
      "invalid-argument",
      `${where}: num_attention_heads must divide hidden_size, got ${heads} and ${width}.`,
    );
  return heads;
}

/** An activation that is implemented. */
export function readActivation(where: string, value: unknown): ClipTextConfig["activation"] {
  if (value !== "quick_gelu" && value !== "gelu")
    throw new SidError(
      "unsupported",
      `${where}: hidden_act = ${describe(value)} is not supported, only "quick_gelu" or "gelu".`,
    );
  return value;
}
