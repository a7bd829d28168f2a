import { captionWords } from "./captions";
import { format } from "./digits";

/** Width of the text's states. */
const textWidth = 32;

/** A diffusers configuration: two resolutions, attention to the text at 4×4 and in the middle. */
export const unetConfig = {
  _class_name: "UNet2DConditionModel",
  sample_size: format.size,
  in_channels: 3,
  out_channels: 3,
  block_out_channels: [24, 32],
  layers_per_block: 1,
  down_block_types: ["DownBlock2D", "CrossAttnDownBlock2D"],
  up_block_types: ["CrossAttnUpBlock2D", "UpBlock2D"],
  norm_num_groups: 8,
  attention_head_dim: 4, // diffusers' name for the number of heads
  cross_attention_dim: textWidth,
};

/** A transformers configuration: one layer of CLIP's text encoder. */
export const textConfig = {
  architectures: ["CLIPTextModel"],
  vocab_size: captionWords.length + 4, // and pad, start, end, unknown
  max_position_embeddings: 8,
  hidden_size: textWidth,
  intermediate_size: 2 * textWidth,
  num_hidden_layers: 1,
  num_attention_heads: 2,
};

/** Stable Diffusion's forward process. */
export const schedulerConfig = {
  _class_name: "DDIMScheduler",
  num_train_timesteps: 1000,
  beta_schedule: "scaled_linear",
  beta_start: 0.00085,
  beta_end: 0.012,
  prediction_type: "epsilon",
  clip_sample: false,
};
