import type { Tensor, Tensor3D, Variable } from "@tensorflow/tfjs-core";
import type { Timesteps } from "../core/per-sample";
import type { PredictionType } from "../core/prediction-type";
import type { NoiseSchedule } from "../schedules/types";

/**
 * A network that denoises: teacher or fake score. Structural: an adapter around any network
 * satisfies it (`functionModel`, `layersModel`), and so does any object of this shape. Whether it
 * trains is the caller's choice of variables, not a flag.
 *
 * @example
 * ```ts
 * import { ddpmSchedule, predictX0, type ScoreModel } from "sid-lsg";
 * import { mul, tensor2d } from "@tensorflow/tfjs-core";
 *
 * const schedule = ddpmSchedule();
 * const standardNormal: ScoreModel = {
 *   name: "standard-normal",
 *   predicts: "score",
 *   schedule,
 *   variables: [],
 *   predict: (xt) => mul(xt, -1),
 *   dispose: () => {},
 * };
 * predictX0(standardNormal, { xt: tensor2d([[2, 0]]), t: [625] }).print(); // α·x_t
 * ```
 */
export interface ScoreModel {
  /** Prefix of every variable's name: tfjs names are global, so three U-Nets need three. */
  readonly name: string;
  /** What {@link ScoreModel.predict} returns. */
  readonly predicts: PredictionType;
  /** The forward process it was trained for; `t` below is in its unit. */
  readonly schedule: NoiseSchedule;
  /** All weights that may train, in a fixed order; names are `${name}/${weight}`. */
  readonly variables: readonly Variable[];
  /**
   * The prediction at `(x_t, t, cond)`. Synchronous and pure: draws no noise, keeps nothing.
   *
   * @param xt - noisy samples `[B, ...]`; images are `[B, H, W, C]`.
   * @param t - one time per sample.
   * @param cond - what the sample is conditioned on, batch axis first (text: `[B, tokens, dim]`;
   *   class labels: int32 `[B]`); absent for an unconditional model.
   * @returns a tensor of the shape of `xt`; the caller owns it.
   */
  predict(xt: Tensor, t: Timesteps, cond?: Tensor): Tensor;
  /**
   * What its deepest layer knows of `(x_t, t, cond)`, `[B, ...]`, without computing the rest; for discriminators.
   * @defaultValue none: no discriminator can read it
   */
  features?(xt: Tensor, t: Timesteps, cond?: Tensor): Tensor;
  /** {@link ScoreModel.predict} and {@link ScoreModel.features} in one pass. */
  predictWithFeatures?(xt: Tensor, t: Timesteps, cond?: Tensor): PredictionWithFeatures;
  /** Frees the variables. */
  dispose(): void;
}

/** What {@link ScoreModel.predictWithFeatures} returns; the caller owns both. */
export interface PredictionWithFeatures {
  /** As `predict` returns it. */
  readonly prediction: Tensor;
  /** As `features` returns them. */
  readonly features: Tensor;
}

/**
 * Tells noisy real images from noisy samples, by the features of a score model or by itself. It trains along with the
 * fake score.
 */
export interface Discriminator {
  /** Prefix of its variables' names. */
  readonly name: string;
  /**
   * Whose features it reads.
   * @defaultValue none: it reads x_t itself
   */
  readonly reads?: "fakeScore" | "teacher" | undefined;
  /** Weights of its own, in a fixed order; none where it has nothing to learn but through the network that it reads. */
  readonly variables: readonly Variable[];
  /**
   * The logit, above 0 for real. Synchronous and pure.
   *
   * @param input - the features that it reads, or x_t, `[B, ...]`.
   * @param t - one time per sample.
   * @returns `[B, ...]`, one number per sample or a map of them; the caller owns it. Differentiable in `input` and its variables.
   */
  logit(input: Tensor, t: Timesteps): Tensor;
  /** Frees its variables. */
  dispose(): void;
}

/**
 * Turns noise and a condition into samples in a fixed, small number of network passes. Usually made
 * of a score model by `generatorFrom`, but any object of this shape will do.
 *
 * @example
 * ```ts
 * import { type GeneratorModel, randomStream } from "sid-lsg";
 * import { add, mul, type Tensor, tensor1d, variable } from "@tensorflow/tfjs-core";
 *
 * // x_g = μ + 0.5·z: a generator of a Gaussian, whose mean may train.
 * const mean = variable(tensor1d([1, 2]), true, "affine/mean");
 * const generator: GeneratorModel = {
 *   name: "affine",
 *   steps: 1,
 *   variables: [mean],
 *   generate: ([z]) => add(mean, mul(z as Tensor, 0.5)),
 *   dispose: () => mean.dispose(),
 * };
 * generator.generate([randomStream(0).normal([4, 2])]).print();
 * ```
 */
export interface GeneratorModel {
  /** Prefix of every variable's name. */
  readonly name: string;
  /** Network passes of one call, and tensors of noise it wants. */
  readonly steps: number;
  /**
   * How it asks its network, in words; a checkpoint is of another run where this differs.
   * @defaultValue nothing to tell
   */
  readonly settings?: string | undefined;
  /**
   * The network behind it, for methods that ask it at other times.
   * @defaultValue none
   */
  readonly network?: ScoreModel | undefined;
  /**
   * The times at which its passes ask the network, `steps` of them, decreasing.
   * @defaultValue not told
   */
  readonly times?: readonly number[] | undefined;
  /** All weights that may train, in a fixed order. */
  readonly variables: readonly Variable[];
  /**
   * Samples `x_g = G_θ(z, cond)`. Synchronous and pure; differentiable in its variables.
   *
   * @param noises - `steps` standard normal tensors `[B, ...]`; one that tells its `times` takes fewer as well, and ends
   *   after as many passes.
   * @param cond - batch axis first; absent for an unconditional generator.
   * @returns samples of the shape of one noise; the caller owns them.
   */
  generate(noises: readonly Tensor[], cond?: Tensor): Tensor;
  /** {@link GeneratorModel.generate}, with what the network was given in the last pass. */
  generateWithInput?(noises: readonly Tensor[], cond?: Tensor): GeneratedWithInput;
  /** Frees the variables. */
  dispose(): void;
}

/** What {@link GeneratorModel.generateWithInput} returns; the caller owns both. */
export interface GeneratedWithInput {
  /** The samples. */
  readonly generated: Tensor;
  /** The noisy samples at which the last pass asked the network. */
  readonly input: Tensor;
}

/** Turns prompts into what a score model is conditioned on; `textConditioner` makes one. */
export interface TextConditioner {
  /** `prompts → [B, tokens, dim]`; the caller owns it. The empty prompt `""` is the unconditional text. */
  encode(prompts: readonly string[]): Tensor3D;
}
