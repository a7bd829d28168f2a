import { checkInteger, checkPositive, describe, isObject } from "../../../core/checks";
import { SidError } from "../../../core/errors";
import { type ConfigOptions, readConfig } from "../../config/config-values";
import {
  type ClipTextConfig,
  checkHeads,
  clipVersion,
  fixedClipKeys,
  maxClipLayers,
  readActivation,
  readClipTextConfig,
  silentClipKeys,
} from "../../text/clip-config";

/** The architecture of CLIP's image tower: a vision transformer. */
export interface ClipVisionConfig {
  /** Height and width of the pictures that it sees, in pixels. */
  readonly imageSize: number;
  /** Height and width of a patch, in pixels. */
  readonly patchSize: number;
  /** Width of the patches' states. */
  readonly width: number;
  /** Width between the two linear layers of a feed-forward part. */
  readonly feedForwardWidth: number;
  /** Number of transformer layers. */
  readonly layers: number;
  /** Attention heads; a divisor of `width`. */
  readonly heads: number;
  /** Activation of the feed-forward parts. */
  readonly activation: "quick_gelu" | "gelu";
  /** Added to the variance in the layer normalisations. */
  readonly normEps: number;
}

/** The architecture of a whole CLIP, complete and checked; made by {@link parseClipConfig} or {@link parseOpenClipConfig}. */
export interface ClipConfig {
  /** The text tower. */
  readonly text: ClipTextConfig;
  /** The image tower. */
  readonly vision: ClipVisionConfig;
  /** Length of the embeddings that both towers project to. */
  readonly dimension: number;
  /**
   * Where a text's state is taken: at the first token of this id, or at the first of its highest id, which is the end in
   * CLIP's own vocabulary.
   */
  readonly endToken: number | "highest";
}

const where = "parseClipConfig";

/** transformers' defaults of the keys that are read. */
const defaults = {
  hidden_size: 768,
  intermediate_size: 3072,
  num_hidden_layers: 12,
  num_attention_heads: 12,
  image_size: 224,
  patch_size: 32,
  hidden_act: "quick_gelu",
  layer_norm_eps: 1e-5,
};

const visionKeys = {
  defaults,
  fixed: { ...fixedClipKeys, model_type: ["clip_vision_model"], num_channels: [3] },
  silent: silentClipKeys,
  version: clipVersion,
};

const wholeKeys = {
  defaults: {
    text_config: {},
    vision_config: {},
    text_config_dict: null,
    vision_config_dict: null,
    projection_dim: 512,
  },
  fixed: { model_type: ["clip"], quantization_config: [null] },
  silent: new Set([...silentClipKeys, "logit_scale_init_value"]),
  version: clipVersion,
};

/** The id that transformers takes for the end where the file gives none. */
const endOfText = 49407;

/** Above it an image is a mistake in the file. */
const mostPixels = 4096;

/**
 * Reads the `config.json` of transformers' CLIPModel, such as that of `openai/clip-vit-base-patch32`. Only keys that differ
 * from transformers' defaults need be there.
 *
 * Source: transformers 5.24 models/clip/configuration_clip.py, CLIPConfig; modeling_clip.py, CLIPTextModel.forward.
 *
 * @param json - the parsed file.
 * @param options - who is warned.
 * @returns the architecture.
 * @throws SidError `unsupported` naming the key and value that are not implemented, or for the file of a text encoder
 *   alone; `invalid-argument`, `out-of-range` or `not-finite` for values that make no sense.
 *
 * @example
 * ```ts
 * import { parseClipConfig } from "sid-lsg/models/features";
 *
 * const config = parseClipConfig({ model_type: "clip", vision_config: {}, text_config: {} });
 * console.log(config.vision.patchSize, config.dimension); // 32 512: ViT-B/32
 * ```
 */
export function parseClipConfig(json: unknown, options: ConfigOptions = {}): ClipConfig {
  if (isObject(json)) checkWhole(json);
  const { values } = readConfig(where, json, wholeKeys, options);
  const version = isObject(json) ? json["transformers_version"] : undefined;
  const part = (key: "text_config" | "vision_config") => {
    // transformers lets the second, which its first versions wrote, override the first.
    const given = values[`${key}_dict`] ?? values[key] ?? {};
    if (!isObject(given))
      throw new SidError("invalid-argument", `${where}: ${key} must be an object, got ${describe(given)}.`);
    return version === undefined ? given : { transformers_version: version, ...given };
  };
  const text = part("text_config");
  return {
    text: readClipTextConfig(`${where}: text_config`, text, options),
    vision: readVision(`${where}: vision_config`, part("vision_config"), options),
    dimension: checkInteger(where, "projection_dim", values.projection_dim as number, 1),
    endToken: readEnd(text["eos_token_id"]),
  };
}

/** Throws for the file of one tower: a tower alone has no embedding that pictures and texts share. */
function checkWhole(json: Readonly<Record<string, unknown>>): void {
  const type = json["model_type"];
  if (type !== "clip_text_model" && type !== "clip_vision_model") return;
  const [kind, other] = type === "clip_text_model" ? ["text encoder", "image"] : ["image encoder", "text"];
  throw new SidError(
    "unsupported",
    `${where}: the file is that of a CLIP ${kind} alone, as in a model of Stable Diffusion; wanted a whole CLIP, whose ` +
      `config.json has model_type "clip" and its ${other} tower too, such as openai/clip-vit-base-patch32.`,
  );
}

function readVision(where: string, json: unknown, options: ConfigOptions): ClipVisionConfig {
  const { values } = readConfig(where, json, visionKeys, options);
  const width = checkInteger(where, "hidden_size", values.hidden_size as number, 1);
  return checkPatches(where, {
    imageSize: checkInteger(where, "image_size", values.image_size as number, 1, mostPixels),
    patchSize: checkInteger(where, "patch_size", values.patch_size as number, 1, mostPixels),
    width,
    feedForwardWidth: checkInteger(where, "intermediate_size", values.intermediate_size as number, 1),
    layers: checkInteger(where, "num_hidden_layers", values.num_hidden_layers as number, 1, maxClipLayers),
    heads: checkHeads(
      where,
      checkInteger(where, "num_attention_heads", values.num_attention_heads as number, 1),
      width,
    ),
    activation: readActivation(where, values.hidden_act),
    normEps: checkPositive(where, "layer_norm_eps", values.layer_norm_eps as number),
  });
}

/** Throws unless a picture holds a patch; returns the configuration. */
export function checkPatches(where: string, config: ClipVisionConfig): ClipVisionConfig {
  const { imageSize, patchSize } = config;
  if (patchSize > imageSize)
    throw new SidError(
      "out-of-range",
      `${where}: patch_size must be at most image_size, got ${patchSize} and ${imageSize}.`,
    );
  return config;
}

/** transformers pools at the highest id where the file says 2, which was its default once and is nowhere the end. */
function readEnd(id: unknown = endOfText): ClipConfig["endToken"] {
  return id === 2 || id === null ? "highest" : checkInteger(`${where}: text_config`, "eos_token_id", id as number, 0);
}
