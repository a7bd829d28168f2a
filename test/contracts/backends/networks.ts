import type { Tensor } from "@tensorflow/tfjs-core";
import { ddpmSchedule, pullback, randomStream, vjp } from "sid-lsg";
import {
  clipTextEncoder,
  ddimSample,
  type HasVariables,
  mlp,
  parseClipTextConfig,
  parseUnetConfig,
  type UnetOptions,
  unet,
} from "sid-lsg/models";
import { lora, parseVaeConfig, vae } from "sid-lsg/models/sd";
import { casesOf, joined } from "./contract-case";

/** A U-Net with every kind of block, and small enough for a GPU that a processor plays. */
export const config = parseUnetConfig({
  sample_size: 8,
  in_channels: 4,
  out_channels: 4,
  block_out_channels: [8, 16],
  layers_per_block: 1,
  down_block_types: ["CrossAttnDownBlock2D", "DownBlock2D"],
  up_block_types: ["UpBlock2D", "CrossAttnUpBlock2D"],
  norm_num_groups: 4,
  attention_head_dim: 2,
  cross_attention_dim: 6,
});
const schedule = ddpmSchedule({ betaSchedule: "scaled_linear", betaStart: 0.00085, betaEnd: 0.012 });
const t = [30, 700];

/** A U-Net from seeded weights. */
export function makeUnet(name: string, seed: number, options: Pick<UnetOptions, "gradientCheckpointing"> = {}) {
  return unet(config, { name: `contract/${name}`, schedule, predicts: "eps", weights: randomStream(seed), ...options });
}

/** Runs `f` with something that has variables, and frees them. */
export function using<M extends HasVariables & { dispose(): void }, R>(model: M, f: (model: M) => R): R {
  try {
    return f(model);
  } finally {
    model.dispose();
  }
}

function inputs() {
  const stream = randomStream(21);
  return {
    xt: stream.normal([2, 8, 8, 4]),
    cond: stream.normal([2, 5, 6]),
    cotangent: stream.normal([2, 8, 8, 4]),
  };
}

/** The prediction, its gradient in x_t and text, and in every weight. */
function unetCase(gradientCheckpointing: boolean): Tensor[] {
  return using(makeUnet("unet", 1, { gradientCheckpointing }), (model) => {
    const { xt, cond, cotangent } = inputs();
    const f = (x: Tensor, text: Tensor) => model.predict(x, t, text);
    return [
      f(xt, cond),
      ...vjp(f as never, [xt, cond], cotangent),
      joined(pullback(() => f(xt, cond), cotangent, model.variables)),
    ];
  });
}

const clip = parseClipTextConfig({
  vocab_size: 30,
  hidden_size: 12,
  intermediate_size: 20,
  num_hidden_layers: 2,
  num_attention_heads: 3,
  max_position_embeddings: 8,
  hidden_act: "quick_gelu",
});

const autoencoder = parseVaeConfig({
  block_out_channels: [4, 8],
  norm_num_groups: 2,
  down_block_types: ["DownEncoderBlock2D", "DownEncoderBlock2D"],
  up_block_types: ["UpDecoderBlock2D", "UpDecoderBlock2D"],
});

/** Layers of each kind: linear, and convolutions with and without a window or a stride. */
const targets = ["to_q", "ff.net.0.proj", "conv1", "proj_in", "downsamplers.0.conv"];

export const networks = casesOf("networks", {
  "U-Net: prediction and all gradients": () => unetCase(false),
  "U-Net with gradientCheckpoint blocks": () => unetCase(true),
  "low-rank adapter: prediction and gradients": () =>
    using(makeUnet("base", 1), (base) =>
      using(lora(base, { name: "contract/lora", rank: 2, targets, weights: randomStream(2) }), (model) => {
        const { xt, cond, cotangent } = inputs();
        return [
          model.predict(xt, t, cond),
          joined(pullback(() => model.predict(xt, t, cond), cotangent, model.variables)),
        ];
      }),
    ),
  "text encoder: states and all gradients": () =>
    using(clipTextEncoder(clip, { name: "contract/clip", weights: randomStream(3) }), (model) => {
      const encode = () =>
        model.encode([
          [1, 5, 9, 29],
          [0, 5, 2, 7],
        ]);
      const states = encode();
      return [states, joined(pullback(encode, randomStream(4).normal(states.shape), model.variables))];
    }),
  "autoencoder: both ways, and the decoder's gradient": () =>
    using(vae(autoencoder, { name: "contract/vae", weights: randomStream(5) }), (model) => {
      const stream = randomStream(6);
      const [images, latents] = [stream.normal([2, 8, 8, 3]), stream.normal([2, 4, 4, 4])];
      const decode = (z: Tensor) => model.decode(z);
      const decoded = decode(latents);
      return [model.encode(images), decoded, ...vjp(decode as never, [latents], stream.normal(decoded.shape))];
    }),
  "MLP: prediction and all gradients": () =>
    using(
      mlp({ dim: 2, hidden: 16 }, { name: "contract/mlp", schedule, predicts: "v", weights: randomStream(7) }),
      (model) => {
        const xt = randomStream(8).normal([2, 2]);
        const predict = () => model.predict(xt, t);
        return [predict(), joined(pullback(predict, randomStream(9).normal([2, 2]), model.variables))];
      },
    ),
  "five guided DDIM steps": () =>
    using(makeUnet("ddim", 1), (model) => {
      const { xt, cond } = inputs();
      const uncond = randomStream(10).normal([1, 5, 6]);
      return ddimSample(model, { noise: xt, cond, uncond, steps: 5, guidanceScale: 2 });
    }),
});
