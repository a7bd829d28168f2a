import { add, concat, mul, reshape, split, type Tensor, tidy } from "@tensorflow/tfjs-core";
import type { KeysOf } from "../../core/checks";
import { gradientCheckpoint } from "../../core/gradient-checkpoint";
import type { Timesteps } from "../../core/per-sample";
import { asWholeGraph } from "../../core/whole-graph";
import { silu } from "../nn/activations";
import { changesOf, declareLayers, variablesOf, type Weights } from "../nn/layers";
import { timeEmbedding } from "../nn/time-embedding";
import type { ParameterSpec } from "../weights/types";
import { attentionStage, type BlockContext, downsample, resnet, type Stage, stage, upsample, withSkip } from "./blocks";
import type { UnetConfig, UnetLevel } from "./config";

/** A described U-Net: its parameters and its passes as pure functions of them. */
export interface UnetDescription {
  readonly specs: readonly ParameterSpec[];
  forward(weights: Weights, xt: Tensor, t: Timesteps, cond: Tensor): Tensor;
  /** The way down and the middle: what the mid block makes, `[B, h, w, C]`. */
  features(weights: Weights, xt: Tensor, t: Timesteps, cond: Tensor): Tensor;
  /** Both in one pass. */
  forwardWithFeatures(w: Weights, xt: Tensor, t: Timesteps, cond: Tensor): { prediction: Tensor; features: Tensor };
}

/** How much memory a U-Net's passes take, at what price in time; its numbers are the same. */
export interface UnetMemoryOptions {
  /**
   * Keeps no activations inside of a residual block and its transformer, but computes them again in the backward
   * pass; see {@link gradientCheckpoint}.
   * @defaultValue `false`
   */
  readonly gradientCheckpointing?: boolean | undefined;
  /**
   * Queries whose attention is computed at a time: the scores in memory are those of one slice, forward and
   * backward. The WASM backend's own kernel holds no more than a few scores in any case and needs no slices.
   * @defaultValue as many as keep the scores within 64 MB; if that is all of them, they are not computed twice
   */
  readonly attentionSlice?: number | undefined;
}

/** The keys of {@link UnetMemoryOptions}. */
export const unetMemoryKeys: KeysOf<UnetMemoryOptions> = { gradientCheckpointing: 1, attentionSlice: 1 };

/** Describes diffusers' UNet2DConditionModel for a configuration; allocates nothing. */
export function describeUnet(config: UnetConfig, options: UnetMemoryOptions = {}): UnetDescription {
  const { levels, timeDim, normGroups: groups, normEps: eps } = config;
  const at = declareLayers();
  const context: BlockContext = {
    timeDim,
    condDim: config.crossAttentionDim,
    groups,
    eps,
    linearProjection: config.linearProjection,
    attentionSlice: options.attentionSlice,
  };
  /** A stage that leaves behind only what the tape keeps, on demand nothing. */
  const part = (declare: () => Stage): Stage => {
    const from = at.specs.length;
    const run = declare();
    if (!options.gradientCheckpointing) return (w, x, side) => tidy(() => run(w, x, side));
    const names = at.specs.slice(from).map(({ name }) => name);
    return (w, x, { time, cond }) => {
      const again = (x: Tensor, time: Tensor, cond: Tensor) => run(w, x, { time, cond });
      return gradientCheckpoint(again as (...inputs: Tensor[]) => Tensor, [x, time, cond], variablesOf(w, names));
    };
  };
  const first = (levels[0] as UnetLevel).channels;
  const last = levels[levels.length - 1] as UnetLevel;

  const convIn = at.conv("conv_in", config.inChannels, first, config.convInKernel, {
    pad: (config.convInKernel - 1) / 2,
  });
  const time1 = at.linear("time_embedding.linear_1", first, timeDim);
  const time2 = at.linear("time_embedding.linear_2", timeDim, timeDim);

  const down: Stage[][] = levels.map(({ channels, layers, heads, depth, downAttention }, i) => {
    const block = at.at(`down_blocks.${i}`);
    const below = (levels[Math.max(i - 1, 0)] as UnetLevel).channels;
    const stages: Stage[] = Array.from({ length: layers }, (_, j) =>
      part(() =>
        stage(
          block,
          j,
          { inputs: j === 0 ? below : channels, outputs: channels, heads: downAttention ? heads : undefined, depth },
          context,
        ),
      ),
    );
    return i < levels.length - 1 ? [...stages, downsample(block, channels, config.downsamplePadding)] : stages;
  });

  const middle = at.at("mid_block");
  const square = { inputs: last.channels, outputs: last.channels, scale: config.midScale };
  const before = part(() => resnet(middle.at("resnets.0"), square, context));
  const attend = part(() => attentionStage(middle, 0, last, context));
  const after = part(() => resnet(middle.at("resnets.1"), square, context));
  const trunk = at.specs.length;

  const up = levels.map((_, i) => {
    const block = at.at(`up_blocks.${i}`);
    const index = levels.length - 1 - i;
    const { channels, layers, heads, depth, upAttention } = levels[index] as UnetLevel;
    const coarser = (levels[Math.min(index + 1, levels.length - 1)] as UnetLevel).channels;
    const finer = (levels[Math.max(index - 1, 0)] as UnetLevel).channels;
    const stages: Stage[] = Array.from({ length: layers + 1 }, (_, j) => {
      const inputs = (j === 0 ? coarser : channels) + (j === layers ? finer : channels);
      const options = { inputs, outputs: channels, heads: upAttention ? heads : undefined, depth };
      return part(() => stage(block, j, options, context));
    });
    return { stages, double: index > 0 ? upsample(block, channels) : undefined };
  });

  const normOut = at.groupNorm("conv_norm_out", first, groups, eps, "silu");
  const convOut = at.conv("conv_out", first, config.outChannels, config.convOutKernel, {
    pad: (config.convOutKernel - 1) / 2,
  });

  /** The way down and through the middle. */
  const descend = (w: Weights, xt: Tensor, embedding: Tensor, cond: Tensor) => {
    // Every residual block begins with the SiLU of the embedding: computed once here.
    const side = { time: silu(time2(w, silu(time1(w, embedding)))), cond };
    let x: Tensor = convIn(w, config.centreInput ? add(mul(xt, 2), -1) : xt);
    const skips = [x];
    for (const run of down.flat()) {
      x = run(w, x, side);
      skips.push(x);
    }
    return { features: after(w, attend(w, before(w, x, side), side), side), skips, side };
  };
  /** The way up. */
  const ascend = (w: Weights, { features, skips, side }: ReturnType<typeof descend>): Tensor => {
    let x = features;
    for (const { stages, double } of up) {
      for (const run of stages) x = run(w, withSkip(x, skips.pop() as Tensor), side);
      if (double) x = double(w, x, (skips[skips.length - 1] as Tensor).shape.slice(1, 3));
    }
    return convOut(w, normOut(w, x));
  };
  const key = JSON.stringify([config, options.attentionSlice]);
  const names = at.specs.map(({ name }) => name);

  type Pass = (w: Weights, xt: Tensor, embedding: Tensor, cond: Tensor) => Tensor;
  /** A pass that a graph may do in one piece. */
  const pass =
    (kind: string, f: Pass, names: readonly string[]) =>
    (w: Weights, xt: Tensor, t: Timesteps, cond: Tensor): Tensor => {
      const embedding = timeEmbedding(t, {
        dim: first,
        flipSinToCos: config.flipSinToCos,
        freqShift: config.freqShift,
      });
      const inputs = [xt, embedding, cond] as const;
      return asWholeGraph({
        key: `${kind} ${key} ${changesOf(w, names)}`,
        f: (...[xt, embedding, cond]) => f(w, xt as Tensor, embedding as Tensor, cond as Tensor),
        inputs,
        weights: variablesOf(w, names),
        sparing: options.gradientCheckpointing,
      });
    };

  const features: Pass = (w, xt, embedding, cond) => descend(w, xt, embedding, cond).features;
  const forward: Pass = (w, xt, embedding, cond) => ascend(w, descend(w, xt, embedding, cond));
  /** A graph gives one tensor: each sample's prediction, and then its features. */
  const both: Pass = (w, xt, embedding, cond) => {
    const low = descend(w, xt, embedding, cond);
    const rows = [ascend(w, low), low.features].map((x) => reshape(x, [xt.shape[0] as number, -1]));
    return concat(rows, 1);
  };
  const passes = {
    forward: pass("unet", forward, names),
    features: pass("unet features", features, names.slice(0, trunk)),
    both: pass("unet both", both, names),
  };
  /** Pixels along an axis of the features, each level but the first having half of those above. */
  const halved = config.downsamplePadding === 0 ? Math.floor : Math.ceil;
  const bottom = (pixels: number) => levels.slice(1).reduce((n) => halved(n / 2), pixels);

  return {
    specs: at.specs,
    forward: passes.forward,
    features: passes.features,
    forwardWithFeatures(w, xt, t, cond) {
      const [batch, height, width] = xt.shape as [number, number, number, number];
      const rows = passes.both(w, xt, t, cond);
      const outputs = height * width * config.outChannels;
      const shapes = [
        [batch, height, width, config.outChannels],
        [batch, bottom(height), bottom(width), last.channels],
      ];
      const [prediction, features] = split(rows, [outputs, (rows.shape[1] as number) - outputs], 1).map((x, i) =>
        reshape(x, shapes[i] as number[]),
      ) as [Tensor, Tensor];
      return { prediction, features };
    },
  };
}
