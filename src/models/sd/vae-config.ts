import { checkFinite, checkPositive } from "../../core/checks";
import {
  blockTypes,
  type ConfigOptions,
  checkSampleSize,
  diffusersVersion,
  flag,
  groupedChannels,
  integer,
  readConfig,
} from "../config/config-values";

/** An autoencoder's architecture, complete and checked; made by {@link parseVaeConfig}. */
export interface VaeConfig {
  /** Channels of the images that are encoded. */
  readonly inChannels: number;
  /** Channels of the images that are decoded. */
  readonly outChannels: number;
  /** Channels of the latents. */
  readonly latentChannels: number;
  /** Width of the feature maps from the finest resolution to the coarsest; each after the first is half as wide and high. */
  readonly channels: readonly number[];
  /** Residual blocks per resolution in the encoder; one more in the decoder. */
  readonly layers: number;
  /** Groups of every group normalisation. */
  readonly normGroups: number;
  /** What encoded latents are multiplied by: brings them to about variance 1. */
  readonly scalingFactor: number;
  /** What is subtracted from encoded latents before. */
  readonly shiftFactor: number;
  /** A 1×1 convolution at the end of the encoder. */
  readonly quantConv: boolean;
  /** A 1×1 convolution at the start of the decoder. */
  readonly postQuantConv: boolean;
  /** Attention between the pixels of the coarsest resolution. */
  readonly midAttention: boolean;
}

/** diffusers' defaults of the keys that are read. */
const defaults = {
  in_channels: 3,
  out_channels: 3,
  down_block_types: ["DownEncoderBlock2D"],
  up_block_types: ["UpDecoderBlock2D"],
  block_out_channels: [64],
  layers_per_block: 1,
  latent_channels: 4,
  norm_num_groups: 32,
  sample_size: 32,
  scaling_factor: 0.18215,
  shift_factor: null,
  use_quant_conv: true,
  use_post_quant_conv: true,
  mid_block_add_attention: true,
} as const;

/** Keys of which only these values are implemented; the first is diffusers' default. */
const fixed: Readonly<Record<string, readonly unknown[]>> = {
  act_fn: ["silu", "swish"],
  latents_mean: [null],
  latents_std: [null],
  // float32 is what this library computes in anyway.
  force_upcast: [true, false],
  quantization_config: [null],
};

/** More blocks than this per resolution are a mistake in the file. */
const maxLayers = 100;

const where = "parseVaeConfig";

/**
 * Reads a diffusers `vae/config.json` (class AutoencoderKL). Only keys that differ from diffusers' defaults need be
 * there; keys that begin with `_` are ignored, and a flag that is null is off. The autoencoders of Stable Diffusion 1.x,
 * 2.x and XL are accepted as they are. Keys without influence are passed over with a warning.
 *
 * Source: diffusers 0.42 models/autoencoders/autoencoder_kl.py, `AutoencoderKL.__init__`.
 *
 * @param json - the parsed file.
 * @param options - who is warned.
 * @returns the architecture.
 * @throws SidError `unsupported` naming the key and value that are not implemented;
 *   `invalid-argument`, `out-of-range` or `not-finite` for values that contradict each other or make no sense.
 *
 * @example
 * ```ts
 * import { parseVaeConfig } from "sid-lsg/models/sd";
 *
 * const config = parseVaeConfig({ block_out_channels: [64], scaling_factor: 0.13025 });
 * console.log(config.latentChannels, config.scalingFactor); // 4, 0.13025
 * ```
 */
export function parseVaeConfig(json: unknown, options: ConfigOptions = {}): VaeConfig {
  const config = readConfig(where, json, { defaults, fixed, version: diffusersVersion }, options);
  const { scaling_factor, shift_factor } = config.values;
  checkSampleSize(config);
  const { channels, normGroups } = groupedChannels(config);
  blockTypes(config, "down_block_types", channels.length, ["DownEncoderBlock2D"]);
  blockTypes(config, "up_block_types", channels.length, ["UpDecoderBlock2D"]);
  return {
    inChannels: integer(config, "in_channels"),
    outChannels: integer(config, "out_channels"),
    latentChannels: integer(config, "latent_channels"),
    channels,
    layers: integer(config, "layers_per_block", maxLayers),
    normGroups,
    scalingFactor: checkPositive(where, "scaling_factor", scaling_factor as number),
    shiftFactor: checkFinite(where, "shift_factor", (shift_factor ?? 0) as number),
    quantConv: flag(config, "use_quant_conv"),
    postQuantConv: flag(config, "use_post_quant_conv"),
    midAttention: flag(config, "mid_block_add_attention"),
  };
}
