import { type PictureFormat, sampleShape } from "./picture-format";

/** In what two miniatures of Stable Diffusion differ. */
export interface Miniature {
  readonly pictures: PictureFormat;
  readonly words: readonly string[];
  /** Channels at the two resolutions. */
  readonly channels: readonly [number, number];
  readonly textWidth: number;
  readonly textHeads: number;
  /** Tokens of a caption, start and end included. */
  readonly tokens: number;
  readonly predictionType: "epsilon" | "v_prediction";
}

/** Configurations of diffusers and transformers: a U-Net of two resolutions with attention to the text at the lower one. */
export function miniature({ pictures, words, channels, textWidth, textHeads, tokens, predictionType }: Miniature) {
  const [grid, , depth] = sampleShape(pictures);
  return {
    unetConfig: {
      _class_name: "UNet2DConditionModel",
      sample_size: grid,
      in_channels: depth,
      out_channels: depth,
      block_out_channels: [...channels],
      layers_per_block: 1,
      down_block_types: ["DownBlock2D", "CrossAttnDownBlock2D"],
      up_block_types: ["CrossAttnUpBlock2D", "UpBlock2D"],
      norm_num_groups: 8,
      attention_head_dim: 4, // diffusers' name for the number of heads
      cross_attention_dim: textWidth,
    },
    /** One layer of CLIP's text encoder. */
    textConfig: {
      architectures: ["CLIPTextModel"],
      vocab_size: words.length + 4, // and pad, start, end, unknown
      max_position_embeddings: tokens,
      hidden_size: textWidth,
      intermediate_size: 2 * textWidth,
      num_hidden_layers: 1,
      num_attention_heads: textHeads,
    },
    /** Stable Diffusion's forward process. */
    schedulerConfig: {
      _class_name: "DDIMScheduler",
      num_train_timesteps: 1000,
      beta_schedule: "scaled_linear",
      beta_start: 0.00085,
      beta_end: 0.012,
      prediction_type: predictionType,
      clip_sample: false,
    },
  };
}
