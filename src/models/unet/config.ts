import { checkFinite, checkInteger, checkPositive } from "../../core/checks";
import { SidError } from "../../core/errors";
import {
  blockTypes,
  type Config,
  type ConfigOptions,
  checkSampleSize,
  diffusersVersion,
  flag,
  groupedChannels,
  integer,
  odd,
  perLevel,
  readConfig,
} from "../config/config-values";

/** One resolution of a U-Net. */
export interface UnetLevel {
  /** Width of its feature maps. */
  readonly channels: number;
  /** Residual blocks on the way down; one more on the way up. */
  readonly layers: number;
  /** Attention heads of its transformers. */
  readonly heads: number;
  /** Blocks per transformer. */
  readonly depth: number;
  /** Transformers on the way down. */
  readonly downAttention: boolean;
  /** Transformers on the way up. */
  readonly upAttention: boolean;
}

/** A U-Net's architecture, complete and checked; made by {@link parseUnetConfig}. */
export interface UnetConfig {
  /** Channels of x_t. */
  readonly inChannels: number;
  /** Channels of the prediction. */
  readonly outChannels: number;
  /** From the finest resolution to the coarsest; each after the first is half as wide and high. */
  readonly levels: readonly UnetLevel[];
  /** Width of the condition `[B, tokens, dim]`. */
  readonly crossAttentionDim: number;
  /** Width of the time embedding. */
  readonly timeDim: number;
  /** Groups of every group normalisation. */
  readonly normGroups: number;
  /** Added to the variance in the residual blocks' normalisations. */
  readonly normEps: number;
  /** Linear layers around the transformers instead of 1×1 convolutions. */
  readonly linearProjection: boolean;
  /** Cosines before sines in the time features. */
  readonly flipSinToCos: boolean;
  /** Frequency shift δ of the time features. */
  readonly freqShift: number;
  /** Zeros around the image before a downsampling convolution, in pixels. */
  readonly downsamplePadding: number;
  /** The middle's residual blocks divide their output by this. */
  readonly midScale: number;
  /** Maps x_t to `2·x_t − 1` first. */
  readonly centreInput: boolean;
  /** Window of the first convolution, in pixels, odd. */
  readonly convInKernel: number;
  /** Window of the last convolution, in pixels, odd. */
  readonly convOutKernel: number;
}

/** diffusers' defaults of the keys that are read. */
const defaults = {
  sample_size: null,
  in_channels: 4,
  out_channels: 4,
  center_input_sample: false,
  flip_sin_to_cos: true,
  freq_shift: 0,
  down_block_types: ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
  up_block_types: ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
  block_out_channels: [320, 640, 1280, 1280],
  layers_per_block: 2,
  downsample_padding: 1,
  mid_block_scale_factor: 1,
  norm_num_groups: 32,
  norm_eps: 1e-5,
  cross_attention_dim: 1280,
  transformer_layers_per_block: 1,
  attention_head_dim: 8,
  use_linear_projection: false,
  time_embedding_dim: null,
  conv_in_kernel: 3,
  conv_out_kernel: 3,
} as const;

/** Keys of which only these values are implemented; the first is diffusers' default. */
const fixed: Readonly<Record<string, readonly unknown[]>> = {
  mid_block_type: ["UNetMidBlock2DCrossAttn"],
  only_cross_attention: [false],
  mid_block_only_cross_attention: [null, false],
  dropout: [0, null],
  act_fn: ["silu", "swish"],
  num_attention_heads: [null],
  // Attention in float32 is what this library computes anyway.
  upcast_attention: [false, true],
  dual_cross_attention: [false],
  attention_type: ["default", null],
  cross_attention_norm: [null],
  reverse_transformer_layers_per_block: [null],
  resnet_time_scale_shift: ["default"],
  resnet_skip_time_act: [false],
  resnet_out_scale_factor: [1],
  time_embedding_type: ["positional"],
  time_embedding_act_fn: [null],
  timestep_post_act: [null],
  time_cond_proj_dim: [null],
  encoder_hid_dim: [null],
  encoder_hid_dim_type: [null],
  class_embed_type: [null],
  num_class_embeds: [null],
  class_embeddings_concat: [false],
  projection_class_embeddings_input_dim: [null],
  addition_embed_type: [null],
  addition_embed_type_num_heads: [64, null],
  addition_time_embed_dim: [null],
  quantization_config: [null],
};

/** More repetitions of a block than this are a mistake in the file. */
const maxRepeats = 100;

/**
 * Reads a diffusers `unet/config.json` (class UNet2DConditionModel). Only keys that differ from
 * diffusers' defaults need be there; keys that begin with `_` are ignored, and a flag that is null is off. Stable
 * Diffusion 1.x and 2.x are accepted as they are. Keys without influence, such as those that a moving average leaves
 * (`decay`, `power`), are passed over with a warning.
 *
 * As in diffusers, `attention_head_dim` is the *number of heads* per level, in spite of its name.
 *
 * Source: diffusers 0.42 models/unets/unet_2d_condition.py, `UNet2DConditionModel.__init__`.
 *
 * @param json - the parsed file.
 * @param options - who is warned.
 * @returns the architecture, one entry per resolution.
 * @throws SidError `unsupported` naming the key and value that are not implemented;
 *   `invalid-argument` or `out-of-range` for values that contradict each other or make no sense.
 *
 * @example
 * ```ts
 * import { parseUnetConfig } from "sid-lsg/models";
 *
 * const config = parseUnetConfig({ cross_attention_dim: 768 }); // Stable Diffusion 1.5
 * console.log(config.levels.map((level) => level.channels)); // [320, 640, 1280, 1280]
 * ```
 */
export function parseUnetConfig(json: unknown, options: ConfigOptions = {}): UnetConfig {
  const config = readConfig(where, json, { defaults, fixed, version: diffusersVersion }, options);
  const { values } = config;
  checkSampleSize(config);
  const { channels, normGroups } = groupedChannels(config);
  return {
    inChannels: integer(config, "in_channels"),
    outChannels: integer(config, "out_channels"),
    levels: levels(config, channels),
    crossAttentionDim: integer(config, "cross_attention_dim"),
    timeDim: values.time_embedding_dim === null ? 4 * (channels[0] as number) : integer(config, "time_embedding_dim"),
    normGroups,
    normEps: checkPositive(where, "norm_eps", values.norm_eps as number),
    linearProjection: flag(config, "use_linear_projection"),
    flipSinToCos: flag(config, "flip_sin_to_cos"),
    freqShift: frequencyShift(config, channels),
    downsamplePadding: checkInteger(where, "downsample_padding", values.downsample_padding as number, 0, 1),
    midScale: checkPositive(where, "mid_block_scale_factor", values.mid_block_scale_factor as number),
    centreInput: flag(config, "center_input_sample"),
    convInKernel: odd(config, "conv_in_kernel"),
    convOutKernel: odd(config, "conv_out_kernel"),
  };
}

const where = "parseUnetConfig";

type UnetKeys = Config<keyof typeof defaults>;

function levels(config: UnetKeys, channels: readonly number[]): UnetLevel[] {
  const count = channels.length;
  const layers = perLevel(config, "layers_per_block", count, maxRepeats);
  const heads = perLevel(config, "attention_head_dim", count);
  const depth = perLevel(config, "transformer_layers_per_block", count, maxRepeats);
  const down = blockTypes(config, "down_block_types", count, ["CrossAttnDownBlock2D", "DownBlock2D"]);
  const up = blockTypes(config, "up_block_types", count, ["CrossAttnUpBlock2D", "UpBlock2D"]).reverse();
  return channels.map((width, i) => {
    const level = {
      channels: width,
      layers: layers[i] as number,
      heads: heads[i] as number,
      depth: depth[i] as number,
      downAttention: down[i] === "CrossAttnDownBlock2D",
      upAttention: up[i] === "CrossAttnUpBlock2D",
    };
    const attends = level.downAttention || level.upAttention || i === count - 1;
    if (attends && width % level.heads !== 0)
      throw new SidError(
        "invalid-argument",
        `${where}: attention_head_dim (the number of heads) must divide the level's channels, got ${level.heads} and ${width}.`,
      );
    return level;
  });
}

/** The exponents of the time features are divided by `channels/2 − shift`. */
function frequencyShift({ values }: UnetKeys, channels: readonly number[]): number {
  const shift = checkFinite(where, "freq_shift", values.freq_shift as number);
  const half = Math.floor((channels[0] as number) / 2);
  if (shift >= half && half > 0)
    throw new SidError("out-of-range", `${where}: freq_shift must be below ${half} here, got ${shift}.`);
  return shift;
}
