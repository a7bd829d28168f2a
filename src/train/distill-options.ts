import type { Tensor } from "@tensorflow/tfjs-core";
import type { Reducer } from "../distributed/types";
import type { WritableFolder } from "../io/writable-folder";
import type { Method } from "../methods/types";
import type { Discriminator, GeneratorModel, ScoreModel } from "../models/types";
import type { AdamOptions } from "./adam";
import type { ConditionSource } from "./conditions";
import type { Divergence } from "./gauge/gauge";
import type { ImageSource } from "./images";
import type { LearningRateSchedule } from "./learning-rate";

/** The networks, the recipe and the surroundings of a {@link distill} run. The defaults are the method's. */
export interface DistillOptions {
  /** The score of the data; frozen. */
  readonly teacher: ScoreModel;
  /**
   * The score of the generator's samples; trains. Starts as a copy of the teacher.
   * @defaultValue none: for methods without one
   */
  readonly fakeScore?: ScoreModel | undefined;
  /** Trains. Starts as a copy of the teacher. */
  readonly generator: GeneratorModel;
  /** Shape of one sample, without the batch axis: `[H, W, C]` of an image or latent. */
  readonly sampleShape: readonly number[];
  /**
   * The method: its losses, guidance scales, laws of t, updates of the fake score per update of the generator.
   * @defaultValue `sid()`
   */
  readonly method?: Method | undefined;
  /** Iterations in all, those before a resume included. One is the method's fake-score updates and a generator update. */
  readonly iterations: number;
  /**
   * Where conditions come from.
   * @defaultValue none: the networks are unconditional
   */
  readonly conditions?: ConditionSource | undefined;
  /**
   * Real images and their conditions, for methods that learn from them.
   * @defaultValue none
   */
  readonly images?: ImageSource | undefined;
  /**
   * Tells real from generated samples, for methods that use one; trains with the fake score's optimiser.
   * @defaultValue none
   */
  readonly discriminator?: Discriminator | undefined;
  /**
   * How the generator's gradient is computed; see {@link generatorGradients}.
   * @defaultValue `"staged"`
   */
  readonly backward?: "staged" | "joint" | undefined;
  /**
   * Images per step.
   * @defaultValue `512`
   */
  readonly batch?: number | undefined;
  /**
   * Equal parts that a batch is computed in; memory is that of one part. The result is the same but where a method takes
   * means over a batch for its weights: those of `fDistill` and of `sida`'s adversarial term are each part's own.
   * @defaultValue `1`
   */
  readonly accumulationRounds?: number | undefined;
  /**
   * The generator's step size: a number, or a schedule such as `warmupRate` and `cosineRate` make.
   * @defaultValue the method's, else `1e-6`
   */
  readonly learningRate?: number | LearningRateSchedule | undefined;
  /**
   * The fake score's step size.
   * @defaultValue `learningRate` where that is given, else the method's
   */
  readonly fakeLearningRate?: number | LearningRateSchedule | undefined;
  /**
   * What else both optimisers are told: decays, ε, AdamW's decay, bounds of the gradient.
   * @defaultValue the method's, else Adam's `(0, 0.999)`
   */
  readonly adam?: DistillAdam | undefined;
  /**
   * What the fake score's optimiser is told differently.
   * @defaultValue as `adam`
   */
  readonly fakeAdam?: DistillAdam | undefined;
  /**
   * Keeps a moving average of the generator's weights.
   * @defaultValue none
   */
  readonly ema?: DistillEma | undefined;
  /**
   * Names the run's random stream: an integer in `[0, 2^53)`.
   * @defaultValue `0`
   */
  readonly seed?: number | undefined;
  /**
   * Samples after which an old one counts half in {@link DistillMetrics.divergence}.
   * @defaultValue `2048`
   */
  readonly gaugeHalfLife?: number | undefined;
  /**
   * Sees each iteration's figures, as soon as there are any: before its checkpoint and its snapshot are made and
   * before the iterator yields them. Awaited.
   */
  readonly onIteration?: ((metrics: DistillMetrics) => void | Promise<void>) | undefined;
  /**
   * Is told at the call what is doubtful about the options (see `guidanceWarnings`), and later of a damaged
   * checkpoint that the run goes back behind, and of the first batch of which nothing was finite.
   * @defaultValue `console.warn`
   */
  readonly onWarning?: ((warning: string) => void) | undefined;
  /** Sees, and may replace, the accumulated gradients of each step, as {@link GradientHook} does. */
  readonly onGradients?:
    | ((event: GradientEvent) => readonly Tensor[] | undefined | Promise<readonly Tensor[] | undefined>)
    | undefined;
  /** Looks at the generator now and then. */
  readonly snapshots?: DistillSnapshots | undefined;
  /** Saves the run, and goes on from where it was saved. */
  readonly checkpoint?: DistillCheckpoint | undefined;
  /**
   * Ends the run after the current iteration, with a checkpoint. A run that has nothing to save yet, since no
   * iteration is done, throws `aborted` instead. Leaving the loop with `break` saves nothing.
   */
  readonly signal?: AbortSignal | undefined;
  /**
   * The other ranks of a data-parallel run, as `mpi()` of `sid-lsg/distributed` makes it; the caller closes it. All ranks
   * call `distill` with the same options: `batch` is that of all, each computes its share, and losses, gradients and
   * weights are those of one rank with the whole batch, but for rounding. Rank 0 alone writes checkpoints, makes snapshots
   * and warns; a signal on any rank ends all. What fails on one rank is told there and ends the programs of all.
   * @defaultValue none: this program trains alone
   */
  readonly distributed?: Reducer | undefined;
  /**
   * Iterations after which the ranks compare checksums of all that they train, which must be equal bit for bit. It costs
   * reading the weights.
   * @defaultValue `100`
   */
  readonly checkRanks?: number | undefined;
  /**
   * Whether each rank keeps Adam's moments of its part of the weights only, updates that part and gives it to the others:
   * `1/ranks` of the moments' memory for one more exchange in each update. The numbers stay the same bit for bit, and so do
   * checkpoints, which runs with and without go on from, on any number of ranks. The weights, the gradients and the moving
   * average's weights stay whole on every rank. Without other ranks it changes nothing.
   *
   * Source: Rajbhandari et al., arXiv:1910.02054, stage 1.
   * @defaultValue `false`
   */
  readonly shardOptimizer?: boolean | undefined;
  /**
   * Refuses a teacher whose output, at the ends of the timestep law, is not what it declares to predict.
   * @defaultValue `true`
   */
  readonly checkTeacher?: boolean | undefined;
}

/** The settings of an optimiser without its step size. */
export type DistillAdam = Omit<AdamOptions, "learningRate">;

/** The moving average of {@link DistillOptions.ema}. */
export interface DistillEma {
  /** Holds the averaged weights: a second instance of the generator. */
  readonly target: GeneratorModel;
  /**
   * Images after which an old weight counts half.
   * @defaultValue `50_000`
   */
  readonly halfLife?: number | undefined;
  /**
   * The half-life never exceeds this share of the images seen; `null` for no ramp.
   * @defaultValue `0.05`
   */
  readonly rampUp?: number | null | undefined;
}

/** What {@link DistillOptions.onGradients} is shown. */
export interface GradientEvent {
  /** Whose step it is. */
  readonly network: "fakeScore" | "generator";
  /** The iteration, from 1. */
  readonly iteration: number;
  /** One tensor per variable; borrowed. */
  readonly gradients: readonly Tensor[];
}

/** The hook of {@link DistillOptions.snapshots}. */
export interface DistillSnapshots {
  /** Iterations from one snapshot to the next; the last iteration always has one. */
  readonly every: number;
  /** Awaited; owns what it makes. */
  readonly run: (snapshot: DistillSnapshot) => void | Promise<void>;
}

/** What a snapshot sees. */
export interface DistillSnapshot {
  /** The averaged generator if there is one, else the generator; borrowed. */
  readonly generator: GeneratorModel;
  /** Iterations done. */
  readonly iteration: number;
  /** Images seen by each step so far. */
  readonly nimg: number;
}

/** The file of {@link DistillOptions.checkpoint}. */
export interface DistillCheckpoint {
  /**
   * A safetensors file with checksums, written atomically; its folder must exist and be writable. Older checkpoints
   * lie beside it, as `path.1` (the one before), `path.2` and so on.
   */
  readonly path: string;
  /**
   * Where the file lies if not on the disk: in a browser `handleFolder` of `sid-lsg/io` makes one of the page's storage.
   * `path` is then the plain name of a file in it, else the call throws `invalid-argument`.
   * @defaultValue the disk; Node only
   */
  readonly folder?: WritableFolder | undefined;
  /**
   * Checkpoints to keep, the newest included. The disk needs room for one more, which is whole before the oldest goes.
   * @defaultValue `2`
   */
  readonly keep?: number | undefined;
  /**
   * Iterations from one checkpoint to the next; the last iteration always writes one.
   * @defaultValue only at the end or on abort
   */
  readonly every?: number | undefined;
  /**
   * Goes on from the file: `true` wants it to be there, `"if-present"` starts afresh where it is not. Where it is
   * damaged, the run goes back to the newest older one that is whole, with a warning.
   * @defaultValue `false`: starts afresh, and replaces the file when the first checkpoint is due
   */
  readonly resume?: boolean | "if-present" | undefined;
  /**
   * Whether a run that was computed with fused multiply-adds may go on without, or the other way round, which is not the
   * same run bit for bit: a warning says so. Otherwise such a checkpoint is refused; `useBackend("wasm", { fma })` has the
   * backend compute as before. The file tells which it was; one of a version that did not yet write it goes on.
   * @defaultValue `false`
   */
  readonly allowOtherArithmetic?: boolean | undefined;
}

/** The figures of one iteration. All but the seconds are the same in an interrupted and an uninterrupted run. */
export interface DistillMetrics {
  /** Iterations done, this one included. */
  readonly iteration: number;
  /** Images seen by the generator's updates so far. */
  readonly nimg: number;
  /** The fake score's loss, times its loss scale, a mean over its updates; 0 for methods without one. */
  readonly fakeLoss: number;
  /** The generator's loss, times its loss scale; no measure of progress. 0 while the generator waits. */
  readonly generatorLoss: number;
  /** Mean of `‖f_φ − f_ψ‖²` per sample: how far the two scores are apart; 0 for methods that do not ask both. */
  readonly deltaSquared: number;
  /**
   * How far the generator's law is from the teacher's, in nats: running estimates, by level of noise; see
   * {@link divergenceGauge}. Undefined before its updates have seen 8 samples, and where the method does not ask teacher and
   * fake score at one noisy sample (`sds`, `csd`, `lcm`, `tdm`).
   */
  readonly divergence?: Divergence | undefined;
  /** Norm of the fake score's cleaned gradient, a mean over its updates; 0 for methods without one. */
  readonly fakeGradientNorm: number;
  /** Norm of the generator's cleaned gradient; 0 while the generator waits. */
  readonly generatorGradientNorm: number;
  /** Samples of both steps that left the batch because they were not finite. */
  readonly droppedSamples: number;
  /** Elements of both gradients that were NaN or infinite. */
  readonly cleanedElements: number;
  /** Share of the old average that stayed; 0 without an average. */
  readonly emaBeta: number;
  /** Wall-clock seconds of this iteration, without checkpoint and snapshot. */
  readonly seconds: number;
  /** Those of them that this rank spent in exchange with the others, waiting for the slowest included; 0 without others. */
  readonly communicationSeconds: number;
}
