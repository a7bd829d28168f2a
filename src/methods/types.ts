import type { Scalar, Tensor, Tensor1D } from "@tensorflow/tfjs-core";
import type { Timesteps } from "../core/per-sample";
import type { RandomStream } from "../core/random";
import type { FakeScoreWeight } from "../losses/fake-score";
import type { LossReduction } from "../losses/reduce";
import type { GeneratorModel, ScoreModel } from "../models/types";
import type { NoiseLevel } from "../predict/level";
import type { NoiseSchedule } from "../schedules/types";

/**
 * A distillation method: plain data and pure functions that `distill` carries out. It owns no tensor and no state, so one
 * object may serve many runs.
 *
 * `Q` are the names of what it asks the networks.
 */
export interface Method<Q extends string = string> {
  /** Its name in the literature; checkpoints compare it. */
  readonly name: string;
  /** Every option with its default filled in, as plain data: checkpoints compare it, logs print it. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** The update of the generator. */
  readonly generator: GeneratorUpdate<Q> | DataUpdate;
  /**
   * The update of the fake score.
   * @defaultValue none: the method has no fake score
   */
  readonly fakeScore?: FakeScoreUpdate | undefined;
  /**
   * How many of the generator's passes an iteration takes: all, or a number that is drawn anew for each iteration,
   * uniform on `1 … steps` and the same in both updates.
   * @defaultValue `"all"`
   */
  readonly steps?: "all" | "random" | undefined;
  /**
   * How x_t is made: from the generator's sample, or within the interval of times of the generator's last pass, from
   * where the deterministic sampler arrives at its end. There the fake score's target is noisier than x_g, and each
   * sample's error is weighted by the inverse of that variance as well.
   * @defaultValue `"sample"`
   */
  readonly noising?: "sample" | "interval" | undefined;
  /**
   * The optimisers' settings where the run does not say otherwise.
   * @defaultValue those of SiD-LSG
   */
  readonly recipe?: Recipe | undefined;
  /** What is doubtful about the chosen options; told once at the start. */
  readonly warnings?: readonly string[] | undefined;
}

/** A method whose generator learns from what networks say of its noisy samples: all of them but consistency distillation. */
export type ScoreMethod<Q extends string = string> = Method<Q> & {
  /** The update of the generator. */
  readonly generator: GeneratorUpdate<Q>;
};

/** A method whose generator learns from noisy real images: consistency distillation. */
export type DataMethod = Method & {
  /** The update of the generator. */
  readonly generator: DataUpdate;
};

/** Settings of both optimisers; what is absent is Adam's `(0, 0.999)`, `1e-8` at 1e-6 without decay and clipping. */
export interface Recipe {
  /** The generator's step size. */
  readonly learningRate?: number | undefined;
  /** The fake score's step size; that of the generator where absent. */
  readonly fakeLearningRate?: number | undefined;
  /** Decay of the first moment. */
  readonly beta1?: number | undefined;
  /** Decay of the second moment. */
  readonly beta2?: number | undefined;
  /** AdamW's decay of the weights. */
  readonly weightDecay?: number | undefined;
  /** Longest gradient of the generator. */
  readonly clipNorm?: number | undefined;
  /** Longest gradient of the fake score; that of the generator where absent. */
  readonly fakeClipNorm?: number | undefined;
  /** Largest element of the fake score's gradient. */
  readonly fakeClipValue?: number | undefined;
}

/** Where a run stands when an update begins. */
export interface Moment {
  /** The schedule that all score models share. */
  readonly schedule: NoiseSchedule;
  /** Images seen by the generator's updates so far. */
  readonly nimg: number;
  /** Updates of the generator so far, those included in which it waited. */
  readonly iteration: number;
  /** The times between which the generator's last pass leads, if the generator tells: where it is asked, where it arrives. */
  readonly interval?: TimeInterval | undefined;
}

/** Two times of a schedule, the noisier one first. */
export interface TimeInterval {
  /** Where the generator's network is asked. */
  readonly from: number;
  /** Where its answer leads. */
  readonly to: number;
}

/** Draws one time per sample. Every `TimestepLaw` is one; a method's own may depend on where the run stands. */
export type MethodTimesteps = (stream: RandomStream, count: number, moment: Moment) => number[];

/** A network's answer that an update wants: the prediction of x0 at x_t, or a discriminator's logit. */
export interface Question {
  /** Who is asked. */
  readonly of: "teacher" | "fakeScore" | "discriminator";
  /**
   * κ of the prediction: 1 with the condition, 0 without it, else both in one pass. A discriminator always sees the condition.
   * @defaultValue `1`
   */
  readonly guidanceScale?: number | undefined;
  /**
   * Where: at the x_t of the update, or at another one with noise and times of its own (`otherTimesteps`).
   * @defaultValue `"xt"`
   */
  readonly at?: "xt" | "other" | undefined;
  /**
   * Whether the gradient flows through the network's input. If not, the answer costs no backward pass.
   * @defaultValue `false`
   */
  readonly gradient?: boolean | undefined;
  /**
   * Images seen before it is asked for the first time; until then the answer is absent.
   * @defaultValue `0`
   */
  readonly startsAt?: number | undefined;
}

/** What an update was computed at, beside the tensors that it compares. */
export interface Circumstances {
  /** Signal and noise of x_t, one pair per sample. */
  readonly level: NoiseLevel;
  /** One time per sample. */
  readonly t: Timesteps;
  /** Where the run stands. */
  readonly moment: Moment;
  /** 1 for samples that count; what the others hold must reach neither loss nor gradient, see `LossOptions`. */
  readonly valid: Tensor1D;
  /** The condition, batch axis first. */
  readonly cond?: Tensor | undefined;
  /**
   * Where the samples are one rank's share of a batch: the sum over ranks of a few numbers, constants for the gradient.
   * For methods that take means over the batch other than the loss itself, which is averaged over ranks anyway. All ranks
   * call it alike.
   * @defaultValue none: the samples are the batch
   */
  readonly sumOverRanks?: ((values: Tensor1D) => Tensor1D) | undefined;
}

/** `∂L/∂` of the samples and of each answer that lets the gradient through; what is absent is 0. */
export type Cotangents<Q extends string = string> = {
  /** The loss, for the log. */
  readonly loss: Scalar;
  /** `∂L/∂x_g` as far as it does not go through an answer. */
  readonly generated?: Tensor | undefined;
} & { readonly [K in Q]?: Tensor | undefined };

/** The update of the generator, from what networks say of its noisy samples. */
export interface GeneratorUpdate<Q extends string = string> {
  /** The law of t. */
  readonly timesteps: MethodTimesteps;
  /** The law of the other time, for questions at the `other` x_t; its noise is drawn afresh. */
  readonly otherTimesteps?: MethodTimesteps | undefined;
  /** What is asked, by the names that {@link GeneratorUpdate.cotangents} uses. */
  readonly asks: Readonly<Record<Q, Question>>;
  /**
   * The method's equation: the gradient of its loss in the generator's samples and in the answers.
   *
   * @param tensors - the samples `generated` and each answer by its name, `[B, ...]`; borrowed.
   * @param circumstances - level, times, condition, which samples count.
   * @returns the loss and its gradients, means over the batch; the caller owns them.
   */
  cotangents(tensors: Readonly<Record<Q | "generated", Tensor>>, circumstances: Circumstances): Cotangents<Q>;
  /**
   * Factor of the loss and its gradients.
   * @defaultValue `1`
   */
  readonly lossScale?: number | undefined;
  /**
   * Images seen before the generator's first update; until then it waits.
   * @defaultValue `0`
   */
  readonly startsAt?: number | undefined;
}

/** What a {@link DataUpdate} computes its loss from; all tensors are borrowed. */
export interface DataInputs {
  /** Trains; its `network` can be asked at any time. */
  readonly generator: GeneratorModel;
  /** Frozen. */
  readonly teacher: ScoreModel;
  /** The generator's moving average; frozen. */
  readonly average: GeneratorModel;
  /** Real images or latents, `[B, ...]`. */
  readonly images: Tensor;
  /** Standard normal noise of the same shape. */
  readonly noise: Tensor;
  /** One time per sample. */
  readonly t: Timesteps;
  /** A number in `[0, 1)` per sample, for what else is drawn. */
  readonly uniforms: readonly number[];
  /** 1 for images that count; zeros stand for the others, which must reach neither loss nor gradient. */
  readonly valid: Tensor1D;
  /** The condition, batch axis first. */
  readonly cond?: Tensor | undefined;
  /** The empty condition, `[1, ...]`; there where the update is `guided`. */
  readonly uncond?: Tensor | undefined;
}

/** The update of a generator that learns from noisy real images: a loss on one tape. */
export interface DataUpdate {
  /** The law of t. */
  readonly timesteps: MethodTimesteps;
  /** Whether it guides the teacher, and so needs conditions and the empty one. */
  readonly guided: boolean;
  /** A scalar, differentiable in the generator's variables. */
  loss(inputs: DataInputs): Scalar;
  /**
   * Factor of the loss and its gradients.
   * @defaultValue `1`
   */
  readonly lossScale?: number | undefined;
}

/** The update of the fake score: denoising score matching on the generator's samples. */
export interface FakeScoreUpdate {
  /** The law of t. */
  readonly timesteps: MethodTimesteps;
  /**
   * κ of the prediction that regresses.
   * @defaultValue `1`
   */
  readonly guidanceScale?: number | undefined;
  /**
   * The weight of each sample's error.
   * @defaultValue `"eps"`
   */
  readonly weight?: FakeScoreWeight | undefined;
  /**
   * Over each sample's elements.
   * @defaultValue `"sum"`
   */
  readonly reduction?: LossReduction | undefined;
  /**
   * Factor of the loss and its gradients.
   * @defaultValue `1`
   */
  readonly lossScale?: number | undefined;
  /**
   * Share of the conditions that become the empty one, before the images are generated; with a discriminator those of
   * the real images in the same places.
   * @defaultValue `0`
   */
  readonly contextDropout?: number | undefined;
  /**
   * Updates of the fake score per update of the generator.
   * @defaultValue `1`
   */
  readonly updates?: number | undefined;
  /**
   * Which of both updates comes first in an iteration.
   * @defaultValue `"fakeScore"`
   */
  readonly first?: "fakeScore" | "generator" | undefined;
  /**
   * The discriminator that trains along with the fake score.
   * @defaultValue none
   */
  readonly discriminator?: DiscriminatorUpdate | undefined;
}

/** The loss of a discriminator, which is added to the fake score's; its real images share noise and times with the samples. */
export interface DiscriminatorUpdate {
  /**
   * Draws times and noise of its own, instead of those of the fake score's update.
   * @defaultValue none
   */
  readonly timesteps?: MethodTimesteps | undefined;
  /**
   * @param logits - on noisy samples and on noisy real images, `[B, ...]`.
   * @param circumstances - level, times, which samples count.
   * @returns a scalar, differentiable in both.
   */
  loss(logits: { readonly generated: Tensor; readonly real: Tensor }, circumstances: Circumstances): Scalar;
}
