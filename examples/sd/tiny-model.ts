import { type RandomStream, randomStream } from "sid-lsg";
import { type ModelComponent, writeModelFolder } from "sid-lsg/io";
import {
  clipTextEncoder,
  type HasVariables,
  parseClipTextConfig,
  parseUnetConfig,
  readWeights,
  unet,
} from "sid-lsg/models";
import { parseVaeConfig, vae } from "sid-lsg/models/sd";
import { scheduleFromConfig } from "sid-lsg/schedules";
import { tinyTokenizer } from "./tiny-tokenizer";

const textWidth = 32;

const unetConfig = {
  _class_name: "UNet2DConditionModel",
  sample_size: 8,
  block_out_channels: [32, 64],
  layers_per_block: 1,
  down_block_types: ["CrossAttnDownBlock2D", "DownBlock2D"],
  up_block_types: ["UpBlock2D", "CrossAttnUpBlock2D"],
  norm_num_groups: 8,
  attention_head_dim: 4,
  cross_attention_dim: textWidth,
};

const vaeConfig = {
  _class_name: "AutoencoderKL",
  sample_size: 64,
  block_out_channels: [8, 16, 16, 16],
  layers_per_block: 1,
  down_block_types: Array(4).fill("DownEncoderBlock2D"),
  up_block_types: Array(4).fill("UpDecoderBlock2D"),
  norm_num_groups: 4,
};

const schedulerConfig = {
  _class_name: "DDIMScheduler",
  num_train_timesteps: 1000,
  beta_schedule: "scaled_linear",
  beta_start: 0.00085,
  beta_end: 0.012,
  prediction_type: "epsilon",
  clip_sample: false,
  set_alpha_to_one: false,
  steps_offset: 1,
};

/**
 * Writes a complete diffusers folder of Stable Diffusion's kinds of parts, in a few megabytes: random weights, but for a
 * path through the U-Net that makes ε̂ about x_t, as for standard normal data.
 */
export async function writeTinyModel(folder: string, seed: number): Promise<void> {
  const stream = randomStream(seed);
  const { texts, config: tokenizer, vocabularySize } = tinyTokenizer();
  const textConfig = {
    architectures: ["CLIPTextModel"],
    model_type: "clip_text_model",
    vocab_size: vocabularySize,
    max_position_embeddings: 77,
    hidden_size: textWidth,
    intermediate_size: 2 * textWidth,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    bos_token_id: vocabularySize - 2,
    eos_token_id: vocabularySize - 1,
    pad_token_id: vocabularySize - 1,
  };
  const { schedule, predicts } = scheduleFromConfig(schedulerConfig);
  const network = unet(parseUnetConfig(unetConfig), { name: "tiny-unet", schedule, predicts, weights: stream });
  const encoder = clipTextEncoder(parseClipTextConfig(textConfig), { name: "tiny-text", weights: stream });
  const autoencoder = vae(parseVaeConfig(vaeConfig), { name: "tiny-vae", weights: stream });
  await writeModelFolder(folder, {
    unet: withNoisePath(await component(unetConfig, network), stream),
    text_encoder: await component(textConfig, encoder),
    vae: await component(vaeConfig, autoencoder),
    scheduler: { config: schedulerConfig, weights: new Map() },
    tokenizer: { config: tokenizer, texts, weights: new Map() },
  });
}

async function component(config: object, network: HasVariables & { dispose(): void }): Promise<ModelComponent> {
  const weights = await readWeights(network);
  network.dispose();
  return { config: config as ModelComponent["config"], weights };
}

/**
 * Leads x_t past all blocks: each group of the last normalisation holds x_c, −x_c, x_c, −x_c, and the last convolution
 * takes silu(g) − silu(−g) = g of them, x_c in units of its own deviation. The blocks add a little to that.
 */
function withNoisePath({ config, weights }: ModelComponent, stream: RandomStream): ModelComponent {
  const fill = (name: string, value: (indices: number[], random: number) => number) => {
    const { shape, data } = weights.get(name) as { shape: readonly number[]; data: Float32Array };
    const random = stream.normals(data.length);
    data.forEach((_, i) => {
      let rest = i;
      const indices = [...shape].reverse().map((size) => {
        const index = rest % size;
        rest = (rest - index) / size;
        return index;
      });
      data[i] = value(indices.reverse(), random[i] as number);
    });
  };
  const centre = (row = 1, column = 1) => row === 1 && column === 1;
  const sign = (channel: number) => (channel % 2 === 0 ? 1 : -1);
  // Four of each eight groups have a latent channel, the others noise.
  const latent = (channel: number) => Math.floor(channel / 4);
  const last = "up_blocks.1.resnets.1";
  fill("conv_in.weight", ([o = 0, i, row, column], noise) =>
    latent(o) < 4 ? Number(latent(o) === i && centre(row, column)) * sign(o) : 0.1 * noise,
  );
  // The last block's input is what came before (32 channels) and what conv_in made (32 channels).
  fill(`${last}.conv_shortcut.weight`, ([o, i = 0]) => Number(i === (o as number) + 32));
  for (const name of ["conv_in.bias", `${last}.conv_shortcut.bias`, "conv_out.bias"]) fill(name, () => 0);
  fill(`${last}.conv2.weight`, (_, noise) => 0.01 * noise);
  fill("conv_out.weight", ([o, i = 0, row, column], noise) =>
    latent(i) === o && centre(row, column) ? sign(i) / 2 : 0.01 * noise,
  );
  return { config, weights };
}
