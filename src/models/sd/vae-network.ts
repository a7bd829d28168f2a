import { add, reshape, type Tensor4D } from "@tensorflow/tfjs-core";
import { attention } from "../nn/attention";
import { upsample2x } from "../nn/images";
import { declareLayers, type Layer, type Layers, sequence } from "../nn/layers";
import { residualBlock } from "../nn/residual-block";
import { downsample } from "../unet/blocks";
import type { ParameterSpec } from "../weights/types";
import type { VaeConfig } from "./vae-config";

/** A described autoencoder: its parameters and its two halves as pure functions of them. */
export interface VaeDescription {
  readonly specs: readonly ParameterSpec[];
  /** Images to the moments of the latents: means, then logarithms of variances, side by side. */
  readonly encode: Layer;
  /** Latents, neither scaled nor shifted, to images. */
  readonly decode: Layer;
}

/** Added to the variance in every normalisation. */
const eps = 1e-6;

/** Describes diffusers' AutoencoderKL for a configuration; allocates nothing. */
export function describeVae(config: VaeConfig): VaeDescription {
  const { latentChannels, quantConv, postQuantConv } = config;
  const at = declareLayers();
  const encode = encoder(at.at("encoder"), config);
  const decode = decoder(at.at("decoder"), config);
  const oneByOne = (name: string, channels: number) => at.conv(name, channels, channels, 1);
  const after = quantConv ? [oneByOne("quant_conv", 2 * latentChannels)] : [];
  const before = postQuantConv ? [oneByOne("post_quant_conv", latentChannels)] : [];
  return { specs: at.specs, encode: sequence([...encode, ...after]), decode: sequence([...before, ...decode]) };
}

function encoder(at: Layers, config: VaeConfig): Layer[] {
  const { channels, layers, inChannels, latentChannels } = config;
  const { first, last } = ends(channels);
  const into = at.conv("conv_in", inChannels, first, 3, { pad: 1 });
  const down = channels.flatMap((outputs, i) => {
    const block = at.at(`down_blocks.${i}`);
    const stages = resnets(block, channels[Math.max(i - 1, 0)] as number, outputs, layers, config);
    return i < channels.length - 1 ? [...stages, downsample(block, outputs, 0)] : stages;
  });
  return [into, ...down, ...middle(at, last, config), ...out(at, last, 2 * latentChannels, config)];
}

function decoder(at: Layers, config: VaeConfig): Layer[] {
  const { layers, outChannels, latentChannels } = config;
  const channels = [...config.channels].reverse();
  const { first, last } = ends(channels);
  const into = at.conv("conv_in", latentChannels, first, 3, { pad: 1 });
  const mid = middle(at, first, config);
  const up = channels.flatMap((outputs, i) => {
    const block = at.at(`up_blocks.${i}`);
    const stages = resnets(block, channels[Math.max(i - 1, 0)] as number, outputs, layers + 1, config);
    if (i === channels.length - 1) return stages;
    const double: Layer = (_, x) => upsample2x(x as Tensor4D);
    return [...stages, double, block.conv("upsamplers.0.conv", outputs, outputs, 3, { pad: 1 })];
  });
  return [into, ...mid, ...up, ...out(at, last, outChannels, config)];
}

function ends(channels: readonly number[]) {
  return { first: channels[0] as number, last: channels[channels.length - 1] as number };
}

function resnets(at: Layers, inputs: number, outputs: number, count: number, { normGroups: groups }: VaeConfig) {
  return Array.from({ length: count }, (_, j): Layer => {
    const block = residualBlock(at.at(`resnets.${j}`), { inputs: j === 0 ? inputs : outputs, outputs, groups, eps });
    return (w, x) => block(w, x);
  });
}

/** diffusers' UNetMidBlock2D: attention between two residual blocks. */
function middle(at: Layers, channels: number, config: VaeConfig): Layer[] {
  const block = at.at("mid_block");
  const attend = config.midAttention ? [pixelAttention(block.at("attentions.0"), channels, config.normGroups)] : [];
  const [before, after] = resnets(block, channels, channels, 2, config) as [Layer, Layer];
  return [before, ...attend, after];
}

/** Attention of one head between all pixels, beside a residual. */
function pixelAttention(at: Layers, channels: number, groups: number): Layer {
  const norm = at.groupNorm("group_norm", channels, groups, eps);
  const project = (name: string) => at.linear(name, channels, channels);
  const [toQ, toK, toV, toOut] = [project("to_q"), project("to_k"), project("to_v"), project("to_out.0")];
  return (w, x) => {
    const [batch, height, width] = x.shape as [number, number, number];
    const pixels = reshape(norm(w, x), [batch, height * width, channels]);
    const mixed = toOut(w, attention(toQ(w, pixels), toK(w, pixels), toV(w, pixels), { heads: 1 }));
    return add(reshape(mixed, x.shape), x);
  };
}

/** Norm, SiLU, convolution: the end of either half. */
function out(at: Layers, channels: number, outputs: number, { normGroups }: VaeConfig): Layer[] {
  return [
    at.groupNorm("conv_norm_out", channels, normGroups, eps, "silu"),
    at.conv("conv_out", channels, outputs, 3, { pad: 1 }),
  ];
}
