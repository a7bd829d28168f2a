import {
  add,
  clipByValue,
  exp,
  mul,
  slice,
  sub,
  type Tensor,
  type Tensor4D,
  tidy,
  type Variable,
} from "@tensorflow/tfjs-core";
import { checkArray, checkInteger, checkObject, checkText, showShape } from "../../core/checks";
import { SidError } from "../../core/errors";
import { checkBatch } from "../../core/tensor-checks";
import { checkFields } from "../config/check-fields";
import { checkLive, checkSource } from "../weights/check-weights";
import { createParameters } from "../weights/parameters";
import type { InitialWeights, ParameterSpec } from "../weights/types";
import type { VaeConfig } from "./vae-config";
import { describeVae } from "./vae-network";

/** Options of {@link vae}. */
export interface VaeOptions {
  /** Prefix of the variables' names; no two live networks may share one. */
  readonly name: string;
  /** Its weights in diffusers' names and PyTorch's layouts, a stream to draw PyTorch's default start from, or `loadParameters`. */
  readonly weights: InitialWeights;
}

/** Brings images to latents and back. Both ways are synchronous, pure and differentiable; the caller owns the result. */
export interface Vae {
  /** Prefix of every variable's name. */
  readonly name: string;
  /** The architecture it was made from. */
  readonly config: VaeConfig;
  /** All weights, in a fixed order. */
  readonly variables: readonly Variable[];
  /**
   * Images to latents: `z = (m − shift)·scaling` with m the mean of the encoder's normal law, or a sample of it where
   * noise is given: mean + deviation·noise.
   *
   * @param images - `[B, H, W, inChannels]`, values in `[−1, 1]`; H and W from `2^(levels − 1)`, 8 in Stable Diffusion.
   * @param noise - standard normal, of the latents' shape.
   * @returns `[B, ⌊H/8⌋, ⌊W/8⌋, latentChannels]`, of about variance 1: what the U-Net takes.
   * @throws SidError `shape-mismatch` or `invalid-argument` for tensors that do not fit.
   */
  encode(images: Tensor, noise?: Tensor): Tensor4D;
  /**
   * Latents to images: the decoder at `z/scaling + shift`.
   *
   * @param latents - `[B, h, w, latentChannels]`, as {@link Vae.encode} gives them.
   * @returns `[B, 8·h, 8·w, outChannels]`, values around `[−1, 1]`, not clipped.
   * @throws SidError `shape-mismatch` or `invalid-argument` for tensors that do not fit.
   */
  decode(latents: Tensor): Tensor4D;
  /** Frees the variables. */
  dispose(): void;
}

/**
 * The autoencoder of Stable Diffusion: diffusers' AutoencoderKL, channels last.
 *
 * Off a tape, memory is that of the largest few feature maps and grows with the batch: with the autoencoder of Stable
 * Diffusion, whose weights take 335 MB, another 671 MB to decode one image of 512 × 512 pixels. The attention's scores
 * exist for some of the pixels at a time.
 *
 * Source: Rombach et al., arXiv:2112.10752, section 3.1; Kingma & Welling, arXiv:1312.6114; diffusers 0.42
 * models/autoencoders/autoencoder_kl.py and vae.py.
 *
 * @param config - from `parseVaeConfig`.
 * @param options - name and weights.
 * @returns the autoencoder; the caller disposes of it.
 * @throws SidError `missing-weight`, `surplus-weight` or `shape-mismatch` naming the tensor;
 *   `invalid-argument` when a network of this name lives already. No variable is left behind.
 *
 * @example
 * ```ts
 * import { randomStream } from "sid-lsg";
 * import { parseVaeConfig, vae } from "sid-lsg/models/sd";
 *
 * const config = parseVaeConfig({
 *   block_out_channels: [8, 16], norm_num_groups: 4,
 *   down_block_types: ["DownEncoderBlock2D", "DownEncoderBlock2D"],
 *   up_block_types: ["UpDecoderBlock2D", "UpDecoderBlock2D"],
 * });
 * const stream = randomStream(0);
 * const autoencoder = vae(config, { name: "vae", weights: stream });
 * const latents = autoencoder.encode(stream.normal([1, 6, 8, 3]));
 * console.log(latents.shape); // [1, 3, 4, 4]
 * console.log(autoencoder.decode(latents).shape); // [1, 6, 8, 3]
 * autoencoder.dispose();
 * ```
 */
export function vae(config: VaeConfig, options: VaeOptions): Vae {
  checkConfig("vae", config);
  const { name, weights } = checkObject("vae", "options", options, { name: 1, weights: 1 });
  checkText("vae", "name", name);
  checkSource("vae", weights);
  const network = describeVae(config);
  const parameters = createParameters(name, network.specs, weights);
  const { scalingFactor, shiftFactor, latentChannels } = config;
  const self: Vae = {
    name,
    config,
    variables: parameters.list,
    encode(images, noise) {
      const where = `${name}.encode`;
      checkLive(where, self);
      const latentShape = checkImages(where, config, images);
      if (noise !== undefined) checkNoise(where, noise, latentShape);
      return tidy(() => {
        const moments = network.encode(parameters.get, images);
        const part = (i: number) => slice(moments, [0, 0, 0, i * latentChannels], latentShape);
        const sample = noise === undefined ? part(0) : add(part(0), mul(deviation(part(1)), noise));
        return mul(sub(sample, shiftFactor), scalingFactor) as Tensor4D;
      });
    },
    decode(latents) {
      const where = `${name}.decode`;
      checkLive(where, self);
      checkMaps(where, "latents", latents, latentChannels);
      return tidy(() => network.decode(parameters.get, add(mul(latents, 1 / scalingFactor), shiftFactor)) as Tensor4D);
    },
    dispose: parameters.dispose,
  };
  return self;
}

/**
 * Lists an autoencoder's parameters in diffusers' names and PyTorch's shapes, without allocating anything.
 *
 * @param config - from `parseVaeConfig`, which has checked it.
 * @returns one spec per tensor, in the order in which random weights are drawn.
 *
 * @example
 * ```ts
 * import { parseVaeConfig, vaeParameterSpecs } from "sid-lsg/models/sd";
 *
 * const specs = vaeParameterSpecs(parseVaeConfig({}));
 * console.log(specs[0]); // encoder.conv_in.weight, [64, 3, 3, 3]
 * ```
 */
export function vaeParameterSpecs(config: VaeConfig): readonly ParameterSpec[] {
  checkConfig("vaeParameterSpecs", config);
  return describeVae(config).specs;
}

function checkConfig(where: string, config: VaeConfig): void {
  checkFields(where, "config", config, {
    integers: ["inChannels", "outChannels", "latentChannels", "layers", "normGroups"],
    numbers: ["scalingFactor", "shiftFactor"],
    flags: ["quantConv", "postQuantConv", "midAttention"],
  });
  if (checkArray(where, "config.channels", config.channels).length === 0)
    throw new SidError("invalid-argument", `${where}: config.channels must hold at least one level, got none.`);
  for (const [i, width] of config.channels.entries()) checkInteger(where, `config.channels[${i}]`, width, 1);
}

/** `exp(½·log σ²)`, the logarithm held in diffusers' bounds. */
function deviation(logVariance: Tensor): Tensor {
  return exp(mul(clipByValue(logVariance, -30, 20), 0.5));
}

/** Throws unless images can be encoded; the latents' shape. */
function checkImages(where: string, config: VaeConfig, images: Tensor): [number, number, number, number] {
  checkMaps(where, "images", images, config.inChannels);
  const factor = 2 ** (config.channels.length - 1);
  const [batch, height, width] = images.shape as [number, number, number];
  if (height < factor || width < factor)
    throw new SidError(
      "shape-mismatch",
      `${where}: images must be at least ${factor} pixels high and wide, got ${showShape(images)}.`,
    );
  return [batch, Math.floor(height / factor), Math.floor(width / factor), config.latentChannels];
}

function checkNoise(where: string, noise: Tensor, shape: readonly number[]): void {
  checkBatch(where, "noise", noise);
  if (noise.shape.join() !== shape.join())
    throw new SidError(
      "shape-mismatch",
      `${where}: noise must have the latents' shape [${shape.join(", ")}], got ${showShape(noise)}.`,
    );
}

function checkMaps(where: string, name: string, value: Tensor, channels: number): void {
  checkBatch(where, name, value);
  if (value.rank !== 4 || value.shape[3] !== channels)
    throw new SidError(
      "shape-mismatch",
      `${where}: ${name} must be [B, height, width, ${channels}], got ${showShape(value)}.`,
    );
}
