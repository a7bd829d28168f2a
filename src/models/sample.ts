import { add, clipByValue, mul, type Tensor, tidy } from "@tensorflow/tfjs-core";
import {
  checkBoolean,
  checkFinite,
  checkMethods,
  checkObject,
  checkPerSample,
  checkPositive,
  checkRange,
  describe,
  type KeysOf,
} from "../core/checks";
import { SidError } from "../core/errors";
import type { Timesteps } from "../core/per-sample";
import { checkBatch, checkSameShape } from "../core/tensor-checks";
import { guidedPrediction } from "../guidance";
import { convertPrediction, noiseLevel } from "../predict";
import { ddimTimesteps, type TimestepSpacing } from "../schedules/ddim-timesteps";
import { checkSchedule, levelAt } from "../schedules/time";
import type { NoiseSchedule } from "../schedules/types";
import type { ScoreModel } from "./types";

/** Options of {@link ddimSample}. */
export interface DdimSampleOptions {
  /** Standard normal noise `[B, ...]`, where sampling starts; scaled to the first σ unless the schedule is VP. */
  readonly noise: Tensor;
  /** The condition, batch axis first; absent for an unconditional model. */
  readonly cond?: Tensor | undefined;
  /** What stands for "no condition", `[1, ...]`; needed unless `guidanceScale` is 1. */
  readonly uncond?: Tensor | undefined;
  /**
   * Number of steps.
   * @defaultValue `50`
   */
  readonly steps?: number | undefined;
  /**
   * Guidance κ in `f_∅ + κ·(f_c − f_∅)`; diffusers' `guidance_scale`.
   * @defaultValue `1`
   */
  readonly guidanceScale?: number | undefined;
  /**
   * How the timesteps lie in the schedule; diffusers' `timestep_spacing`. See `ddimTimesteps`.
   * @defaultValue `"leading"`
   */
  readonly spacing?: TimestepSpacing | undefined;
  /**
   * Added to every timestep of "leading"; diffusers' `steps_offset` (1 for Stable Diffusion).
   * @defaultValue `0`
   */
  readonly stepsOffset?: number | undefined;
  /**
   * Whether the last step goes to α = 1, σ = 0; else to the level of timestep 0. diffusers'
   * `set_alpha_to_one` (false for Stable Diffusion).
   * @defaultValue `true`
   */
  readonly setAlphaToOne?: boolean | undefined;
  /**
   * Bound of |x̂0|, in its own units; ε̂ stays as predicted. diffusers' `clip_sample_range` where `clip_sample` is true.
   * @defaultValue none
   */
  readonly clip?: number | undefined;
  /**
   * How random the steps are, from 0 (DDIM) to 1 (DDPM).
   * @defaultValue `0`
   */
  readonly eta?: number | undefined;
  /** Standard normal noise of the steps, one tensor like `noise` for each; needed unless `eta` is 0. */
  readonly stepNoises?: readonly Tensor[] | undefined;
  /**
   * The times to visit, strictly decreasing; replaces `steps`, `spacing` and `stepsOffset`. Needed for a schedule of
   * continuous time.
   * @defaultValue those of `ddimTimesteps`
   */
  readonly times?: readonly number[] | undefined;
}

/**
 * Sampling with DDIM, one guided network pass per step.
 *
 *     x_{t'} = α'·x̂0(x_t) + √(σ'² − s²)·ε̂(x_t) + s·z,   s = η·σ'/σ·√(σ² − (α/α')²·σ'²)
 *
 * Timesteps and levels are those of diffusers' DDIMScheduler: from a timestep t a step arrives at the level of
 * `t' = t − ⌊T/steps⌋`, although with "trailing" and "linspace" the network may be asked next at a time beside it.
 * The model may predict anything. Memory stays that of one step.
 *
 * Source: Song et al., arXiv:2010.02502 eq. 12 and 16; diffusers 0.42 `schedulers/scheduling_ddim.py`.
 *
 * @param model - a score model.
 * @param options - noise, conditions, and the grid of times; `scheduleFromConfig(json).sampling` fits in.
 * @returns samples `[B, ...]` like `noise`, in the units of the clean sample; the caller owns it.
 * @throws SidError `shape-mismatch`, `invalid-argument`, `out-of-range` or `not-finite` for options that
 *   do not fit.
 *
 * @example
 * ```ts
 * import { ddimSample, ddpmSchedule, gaussianModel, randomStream } from "sid-lsg";
 *
 * const model = gaussianModel({ mean: [1, 2], variance: 0.25, schedule: ddpmSchedule(), predicts: "eps" });
 * const samples = ddimSample(model, { noise: randomStream(0).normal([8, 2]), steps: 25 });
 * samples.print(); // about N((1, 2), 0.25)
 * ```
 */
export function ddimSample(model: ScoreModel, options: DdimSampleOptions): Tensor {
  checkMethods(where, "model", model, "a score model", ["predict"]);
  const {
    noise,
    cond,
    uncond,
    guidanceScale = 1,
    setAlphaToOne = true,
    clip,
  } = checkObject(where, "options", options, known);
  checkBatch(where, "noise", noise);
  checkFinite(where, "guidanceScale", guidanceScale);
  checkBoolean(where, "setAlphaToOne", setAlphaToOne);
  if (clip !== undefined) checkPositive(where, "clip", clip);
  const schedule = checkSchedule(where, model.schedule);
  const steps = stepsOf(schedule, options);
  const { eta, stepNoises } = randomness(options, steps.length);
  const batch = noise.shape[0] as number;
  const final = setAlphaToOne ? { alpha: 1, sigma: 0 } : levelAt(where, schedule, schedule.tMin);

  const predict = (xt: Tensor, t: Timesteps, c?: Tensor) => model.predict(xt, t, c);
  const step = (x: Tensor, { t, next }: Step, z: Tensor | undefined): Tensor => {
    const time = Array<number>(batch).fill(t);
    const level = noiseLevel(schedule, time);
    const prediction = guidedPrediction(predict, { xt: x, t: time, cond, uncond, guidanceScale });
    const free = convertPrediction({ prediction, xt: x, level, predicts: model.predicts, to: "x0" });
    const x0 = clip === undefined ? free : clipByValue(free, -clip, clip);
    const eps = convertPrediction({ prediction, xt: x, level, predicts: model.predicts, to: "eps" });
    const { alpha, sigma } = next === undefined ? final : levelAt(where, schedule, next);
    if (z === undefined) return add(mul(x0, alpha), mul(eps, sigma));
    const spread = eta * posteriorDeviation(levelAt(where, schedule, t), { alpha, sigma });
    const mean = add(mul(x0, alpha), mul(eps, Math.sqrt(Math.max(sigma ** 2 - spread ** 2, 0))));
    return add(mean, mul(z, spread));
  };
  // VP noise has deviation 1 at the start, as in diffusers; elsewhere that of the first time.
  let x = tidy(() => mul(noise, schedule.kind === "vp" ? 1 : schedule.sigma((steps[0] as Step).t)));
  for (const [i, at] of steps.entries()) {
    const before = x;
    try {
      x = tidy(() => step(before, at, stepNoises?.[i]));
    } finally {
      before.dispose();
    }
  }
  return x;
}

const where = "ddimSample";

const known: KeysOf<DdimSampleOptions> = {
  ...{ noise: 1, cond: 1, uncond: 1, steps: 1, guidanceScale: 1, spacing: 1, stepsOffset: 1, setAlphaToOne: 1 },
  ...{ clip: 1, eta: 1, stepNoises: 1, times: 1 },
};

/** One network pass, at `t`, and the time whose level it arrives at; undefined is the end. */
interface Step {
  readonly t: number;
  readonly next: number | undefined;
}

function stepsOf(schedule: NoiseSchedule, options: DdimSampleOptions): Step[] {
  const { steps = 50, stepsOffset = 0, spacing = "leading", times } = options;
  if (times !== undefined) {
    checkTimes(schedule, times);
    return [...times].map((t, i) => ({ t, next: times[i + 1] }));
  }
  if (!schedule.discrete)
    throw new SidError("invalid-argument", `${where}: a schedule of continuous time needs the option times.`);
  const numTimesteps = schedule.tMax + 1;
  const timesteps = ddimTimesteps({ numTimesteps, steps, spacing, stepsOffset });
  const stride = Math.floor(numTimesteps / steps);
  return timesteps.map((t) => ({ t, next: t >= stride ? t - stride : undefined }));
}

function checkTimes(schedule: NoiseSchedule, times: readonly number[]): void {
  checkPerSample(where, "times", times, Math.max(1, times?.length ?? 1));
  [...times].forEach((t, i) => {
    if (i > 0 && t >= (times[i - 1] as number))
      throw new SidError(
        "invalid-argument",
        `${where}: times must decrease, but times[${i - 1}] = ${times[i - 1]} is followed by ${t}.`,
      );
  });
  noiseLevel(schedule, times);
}

/** How random the steps are, and their noise. */
function randomness({ noise, eta = 0, stepNoises }: DdimSampleOptions, count: number) {
  checkRange(where, "eta", eta, 0, 1);
  if (eta === 0) return { eta };
  if (!Array.isArray(stepNoises) || stepNoises.length !== count)
    throw new SidError(
      "invalid-argument",
      `${where}: eta = ${eta} needs stepNoises, one tensor for each of ${count} steps, got ${describe(stepNoises)}.`,
    );
  const named = [...stepNoises].map((z: Tensor, i) => [`stepNoises[${i}]`, z] as const);
  checkSameShape(where, { noise, ...Object.fromEntries(named) });
  return { eta, stepNoises: stepNoises as readonly Tensor[] };
}

/** Standard deviation of the sample at `to`, given x0 and the sample at the noisier level `from`. */
function posteriorDeviation(from: Level, to: Level): number {
  if (to.sigma === 0) return 0;
  const added = from.sigma ** 2 - ((from.alpha / to.alpha) * to.sigma) ** 2;
  return (to.sigma / from.sigma) * Math.sqrt(Math.max(added, 0));
}

interface Level {
  readonly alpha: number;
  readonly sigma: number;
}
