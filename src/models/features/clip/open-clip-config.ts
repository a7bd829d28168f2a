import { checkFinite, checkInteger, checkOneOf, describe, isObject } from "../../../core/checks";
import { SidError } from "../../../core/errors";
import { type Config, type ConfigOptions, flag, integer, readConfig } from "../../config/config-values";
import { checkHeads, maxClipLayers } from "../../text/clip-config";
import { type ClipConfig, checkPatches } from "./config";

const where = "parseOpenClipConfig";

/** Files of open_clip tell no version: a key that is unknown is refused. */
const version = { key: "version", known: "0.0" };

/** Variants of open_clip's transformer, in both towers: all off. */
const block = {
  ls_init_value: [null],
  act_kwargs: [null],
  norm_kwargs: [null],
  block_type: [null, "default"],
  qk_norm: [false],
  scaled_cosine_attn: [false],
  scale_heads: [false],
  scale_attn_inner: [false],
  scale_attn: [false],
  scale_fc: [false],
};

const wholeKeys = {
  defaults: { embed_dim: 0, vision_cfg: {}, text_cfg: {}, quick_gelu: false },
  fixed: { init_logit_bias: [null], multimodal_cfg: [null], audio_cfg: [null] },
  silent: new Set(["init_logit_scale", "nonscalar_logit_scale", "custom_text", "cast_dtype", "output_dict"]),
  version,
};

const visionKeys = {
  defaults: { layers: 12, width: 768, head_width: 64, mlp_ratio: 4, patch_size: 16, image_size: 224 },
  fixed: {
    ...block,
    timm_model_name: [null],
    attentional_pool: [false],
    no_ln_pre: [false],
    pos_embed_type: ["learnable", "sin_cos_2d"],
    pool_type: ["tok"],
    // Of one token, the norm before pooling is the norm after it.
    final_ln_after_pool: [false, true],
  },
  silent: new Set(
    (
      "patch_dropout attn_pooler_queries attn_pooler_heads output_tokens timm_model_pretrained timm_pool timm_proj " +
      "timm_proj_bias timm_drop timm_drop_path"
    ).split(" "),
  ),
  version,
};

const textKeys = {
  defaults: {
    context_length: 77,
    vocab_size: 49408,
    width: 512,
    heads: 8,
    layers: 12,
    mlp_ratio: 4,
    pool_type: "argmax",
    eos_id: 2,
  },
  fixed: {
    ...block,
    hf_model_name: [null],
    embed_cls: [false],
    no_causal_mask: [false],
    proj_bias: [false],
    proj_type: ["linear"],
    final_ln_after_pool: [false, true],
  },
  // A causal tower never sees what pads a text behind its end.
  silent: new Set(
    (
      "pad_id output_tokens hf_tokenizer_name tokenizer_mode tokenizer_kwargs hf_model_pretrained hf_proj_type " +
      "hf_pooler_type"
    ).split(" "),
  ),
  version,
};

/**
 * Reads the `open_clip_config.json` of an OpenCLIP folder, or one of open_clip's own `model_configs/*.json`: ViT-B/32 to
 * ViT-bigG-14 and all others that are a plain vision transformer beside a plain causal text transformer.
 *
 * Source: open_clip 3.3 model.py, CLIPVisionCfg and CLIPTextCfg; Cherti et al., arXiv:2212.07143.
 *
 * @param json - the parsed file.
 * @param options - who is warned.
 * @returns the architecture.
 * @throws SidError `unsupported` naming the key and value that are not implemented, such as towers from timm, ResNets or
 *   SigLIP's bias; `invalid-argument`, `out-of-range` or `not-finite` for values that make no sense.
 *
 * @example
 * ```ts
 * import { parseOpenClipConfig } from "sid-lsg/models/features";
 *
 * const { vision, dimension } = parseOpenClipConfig({
 *   embed_dim: 1024,
 *   vision_cfg: { image_size: 224, layers: 40, width: 1408, head_width: 88, mlp_ratio: 4.3637, patch_size: 14 },
 *   text_cfg: { context_length: 77, vocab_size: 49408, width: 1024, heads: 16, layers: 24 },
 * });
 * console.log(vision.heads, vision.feedForwardWidth, dimension); // 16 6144 1024: ViT-g-14
 * ```
 */
export function parseOpenClipConfig(json: unknown, options: ConfigOptions = {}): ClipConfig {
  const model = isObject(json) && "model_cfg" in json ? json["model_cfg"] : json;
  const whole = readConfig(where, model, wholeKeys, options);
  const activation = flag(whole, "quick_gelu") ? "quick_gelu" : "gelu";
  const [at, textAt] = [`${where}: vision_cfg`, `${where}: text_cfg`];
  const vision = readConfig(at, towerOf(whole, "vision_cfg"), visionKeys, options);
  const text = readConfig(textAt, towerOf(whole, "text_cfg"), textKeys, options);
  if (Array.isArray(vision.values.layers))
    throw new SidError("unsupported", `${at}: layers is a list: a ResNet is not supported, only vision transformers.`);
  const [width, textWidth] = [integer(vision, "width"), integer(text, "width")];
  const shared = { activation, normEps: 1e-5 } as const;
  return {
    vision: checkPatches(at, {
      ...shared,
      imageSize: side(vision, "image_size"),
      patchSize: side(vision, "patch_size"),
      width,
      feedForwardWidth: widened(vision, width),
      layers: integer(vision, "layers", maxClipLayers),
      heads: checkHeads(at, Math.max(1, Math.floor(width / integer(vision, "head_width"))), width),
    }),
    text: {
      ...shared,
      vocabularySize: integer(text, "vocab_size"),
      width: textWidth,
      feedForwardWidth: widened(text, textWidth),
      layers: integer(text, "layers", maxClipLayers),
      heads: checkHeads(textAt, integer(text, "heads"), textWidth),
      maxLength: integer(text, "context_length"),
    },
    dimension: integer(whole, "embed_dim"),
    endToken:
      checkOneOf(textAt, "pool_type", text.values.pool_type as string, ["argmax", "eos"]) === "argmax"
        ? "highest"
        : checkInteger(textAt, "eos_id", text.values.eos_id as number, 0),
  };
}

function towerOf({ values }: Config<"vision_cfg" | "text_cfg">, key: "vision_cfg" | "text_cfg"): unknown {
  const given = values[key];
  if (!isObject(given))
    throw new SidError("invalid-argument", `${where}: ${key} must be an object, got ${describe(given)}.`);
  return given;
}

/** A length, or twice the same: only squares are implemented. */
function side<K extends string>(config: Config<K>, key: K): number {
  const value = config.values[key];
  if (!Array.isArray(value)) return integer(config, key, 4096);
  if (value.length !== 2 || value[0] !== value[1])
    throw new SidError("unsupported", `${config.where}: ${key} must be a square, got ${JSON.stringify(value)}.`);
  return checkInteger(config.where, key, value[0] as number, 1, 4096);
}

/** `⌊width · mlp_ratio⌋`, as open_clip computes it. */
function widened({ where, values }: Config<"mlp_ratio">, width: number): number {
  const ratio = checkFinite(where, "mlp_ratio", values.mlp_ratio as number);
  return checkInteger(where, "width · mlp_ratio", Math.trunc(width * ratio), 1);
}
