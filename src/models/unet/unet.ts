import { type Tensor, tidy } from "@tensorflow/tfjs-core";
import {
  checkArray,
  checkBoolean,
  checkInteger,
  checkObject,
  checkPerSample,
  describe,
  showShape,
} from "../../core/checks";
import { SidError } from "../../core/errors";
import type { Timesteps } from "../../core/per-sample";
import type { PredictionName } from "../../core/prediction-type";
import { checkBatch } from "../../core/tensor-checks";
import { checkTime } from "../../schedules/time";
import type { NoiseSchedule } from "../../schedules/types";
import { checkDeclaration, declared } from "../adapters";
import { checkFields } from "../config/check-fields";
import type { Adapter, Weights } from "../nn/layers";
import type { PredictionWithFeatures, ScoreModel } from "../types";
import { checkLive, checkSource } from "../weights/check-weights";
import { createParameters } from "../weights/parameters";
import type { InitialWeights, ParameterSpec } from "../weights/types";
import type { UnetConfig } from "./config";
import { describeUnet, type UnetMemoryOptions, unetMemoryKeys } from "./network";

/** Options of {@link unet}. */
export interface UnetOptions extends UnetMemoryOptions {
  /** Prefix of the variables' names; no two live networks may share one. */
  readonly name: string;
  /** The forward process that the network was, or will be, trained for. */
  readonly schedule: NoiseSchedule;
  /** What it predicts. */
  readonly predicts: PredictionName;
  /** Its weights in diffusers' names and PyTorch's layouts, a stream to draw PyTorch's default start from, or `loadParameters`. */
  readonly weights: InitialWeights;
}

/** A U-Net with its architecture. */
export interface Unet extends ScoreModel {
  /** The architecture it was made from. */
  readonly config: UnetConfig;
  /**
   * As {@link ScoreModel.predict}; with changes of low rank to its linear layers, if there are any.
   *
   * @param adapter - the changes, as `lora` makes them; their variables get gradients too.
   */
  predict(xt: Tensor, t: Timesteps, cond?: Tensor, adapter?: Adapter): Tensor;
  /**
   * The output of the mid block, `[B, h, w, C]`, as {@link ScoreModel.features}; the way up is not computed.
   *
   * @param adapter - as for {@link Unet.predict}.
   */
  features(xt: Tensor, t: Timesteps, cond?: Tensor, adapter?: Adapter): Tensor;
  /**
   * As {@link ScoreModel.predictWithFeatures}.
   *
   * @param adapter - as for {@link Unet.predict}.
   */
  predictWithFeatures(xt: Tensor, t: Timesteps, cond?: Tensor, adapter?: Adapter): PredictionWithFeatures;
}

/**
 * Lists a U-Net's parameters in diffusers' names and PyTorch's shapes, without allocating anything.
 *
 * @param config - from `parseUnetConfig`, which has checked it.
 * @returns one spec per tensor, in the order in which random weights are drawn.
 *
 * @example
 * ```ts
 * import { parseUnetConfig, unetParameterSpecs } from "sid-lsg/models";
 *
 * const specs = unetParameterSpecs(parseUnetConfig({ cross_attention_dim: 768 })); // Stable Diffusion 1.5
 * const size = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
 * console.log(specs.reduce((sum, { shape }) => sum + size(shape), 0)); // 859520964
 * ```
 */
export function unetParameterSpecs(config: UnetConfig): readonly ParameterSpec[] {
  checkConfig("unetParameterSpecs", config);
  return describeUnet(config).specs;
}

/**
 * The U-Net of Stable Diffusion: diffusers' UNet2DConditionModel, channels last.
 *
 * `predict(xt, t, cond)` takes images `[B, H, W, inChannels]`, one time per sample, and the
 * condition `[B, tokens, crossAttentionDim]`, and returns `[B, H, W, outChannels]`. Height and width
 * may be any numbers of pixels, as in diffusers. Differentiable in `xt`, `cond` and every variable.
 *
 * Source: Ronneberger et al., arXiv:1505.04597; Rombach et al., arXiv:2112.10752; diffusers 0.42
 * models/unets/unet_2d_condition.py and unet_2d_blocks.py.
 *
 * @param config - from `parseUnetConfig`.
 * @param options - name, schedule, what it predicts, and its weights.
 * @returns the network; the caller disposes of it.
 * @throws SidError `missing-weight`, `surplus-weight` or `shape-mismatch` naming the tensor;
 *   `invalid-argument` when a network of this name lives already. No variable is left behind.
 *
 * @example
 * ```ts
 * import { randomStream } from "sid-lsg";
 * import { parseUnetConfig, unet } from "sid-lsg/models";
 * import { ddpmSchedule } from "sid-lsg/schedules";
 *
 * const config = parseUnetConfig({
 *   in_channels: 3, out_channels: 3, block_out_channels: [8, 16], layers_per_block: 1,
 *   down_block_types: ["DownBlock2D", "CrossAttnDownBlock2D"], up_block_types: ["CrossAttnUpBlock2D", "UpBlock2D"],
 *   norm_num_groups: 4, attention_head_dim: 2, cross_attention_dim: 6,
 * });
 * const stream = randomStream(0);
 * const model = unet(config, { name: "tiny", schedule: ddpmSchedule(), predicts: "eps", weights: stream });
 * const eps = model.predict(stream.normal([2, 8, 8, 3]), [10, 900], stream.normal([2, 5, 6]));
 * console.log(eps.shape); // [2, 8, 8, 3]
 * model.dispose();
 * ```
 */
export function unet(config: UnetConfig, options: UnetOptions): Unet {
  checkConfig("unet", config);
  checkObject("unet", "options", options, { ...declared, ...unetMemoryKeys, weights: 1 });
  const predicts = checkDeclaration("unet", options);
  const { name, schedule, weights: source } = options;
  checkSource("unet", source);
  checkMemoryOptions(options);
  const network = describeUnet(config, options);
  const parameters = createParameters(name, network.specs, source);
  /** The weights for a call, of which everything has been checked. */
  const ready = (called: string, xt: Tensor, t: Timesteps, cond?: Tensor, adapter?: Adapter): Weights => {
    const where = `${name}.${called}`;
    checkLive(where, model);
    checkInputs(where, config, xt, cond);
    checkPerSample(where, "t", t, xt.shape[0] as number);
    for (const time of t) checkTime(where, schedule, time);
    return Object.assign((name: string) => parameters.get(name), { adapter });
  };
  const model: Unet = {
    name,
    schedule,
    predicts,
    config,
    variables: parameters.list,
    predict(xt, t, cond, adapter) {
      const weights = ready("predict", xt, t, cond, adapter);
      return tidy(() => network.forward(weights, xt, t, cond as Tensor));
    },
    features(xt, t, cond, adapter) {
      const weights = ready("features", xt, t, cond, adapter);
      return tidy(() => network.features(weights, xt, t, cond as Tensor));
    },
    predictWithFeatures(xt, t, cond, adapter) {
      const weights = ready("predictWithFeatures", xt, t, cond, adapter);
      return tidy(() => network.forwardWithFeatures(weights, xt, t, cond as Tensor));
    },
    dispose: parameters.dispose,
  };
  return model;
}

function checkConfig(where: string, config: UnetConfig): void {
  checkFields(where, "config", config, {
    integers: [
      "inChannels",
      "outChannels",
      "crossAttentionDim",
      "timeDim",
      "normGroups",
      "convInKernel",
      "convOutKernel",
    ],
    numbers: ["normEps", "freqShift", "downsamplePadding", "midScale"],
    flags: ["linearProjection", "flipSinToCos", "centreInput"],
  });
  if (checkArray(where, "config.levels", config.levels).length === 0)
    throw new SidError("invalid-argument", `${where}: config.levels must hold at least one level, got none.`);
  for (const [i, level] of config.levels.entries())
    checkFields(where, `config.levels[${i}]`, level, {
      integers: ["channels", "layers", "heads", "depth"],
      flags: ["downAttention", "upAttention"],
    });
}

function checkMemoryOptions({ gradientCheckpointing = false, attentionSlice = 1 }: UnetMemoryOptions): void {
  checkBoolean("unet", "gradientCheckpointing", gradientCheckpointing);
  checkInteger("unet", "attentionSlice", attentionSlice, 1);
}

/** Throws before a tape records anything of a call that cannot work. */
function checkInputs(where: string, config: UnetConfig, xt: Tensor, cond?: Tensor): void {
  checkBatch(where, "xt", xt);
  if (xt.rank !== 4 || xt.shape[3] !== config.inChannels)
    throw new SidError(
      "shape-mismatch",
      `${where}: xt must be images [B, H, W, ${config.inChannels}], got ${showShape(xt)}.`,
    );
  const batch = xt.shape[0];
  if (cond === undefined)
    throw new SidError("invalid-argument", `${where}: a U-Net needs a condition, got ${describe(cond)}.`);
  checkBatch(where, "cond", cond);
  if (cond.rank !== 3 || cond.shape[0] !== batch || cond.shape[2] !== config.crossAttentionDim)
    throw new SidError(
      "shape-mismatch",
      `${where}: cond must be [${batch}, tokens, ${config.crossAttentionDim}], got ${showShape(cond)}.`,
    );
}
