import { add, mul, type Tensor, tidy } from "@tensorflow/tfjs-core";
import {
  checkBatch,
  checkBoolean,
  checkFinite,
  checkInteger,
  checkMethods,
  checkObject,
  checkPerSample,
} from "../core/checks";
import { SidError } from "../core/errors";
import type { Timesteps } from "../core/per-sample";
import { guidedPrediction } from "../guidance";
import { convertPrediction, noiseLevel } from "../predict";
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
  readonly steps?: number;
  /**
   * Guidance κ in `f_∅ + κ·(f_c − f_∅)`; diffusers' `guidance_scale`.
   * @defaultValue `1`
   */
  readonly guidanceScale?: number;
  /**
   * Added to every timestep; diffusers' `steps_offset` (1 for Stable Diffusion).
   * @defaultValue `0`
   */
  readonly stepsOffset?: number;
  /**
   * Whether the last step goes to α = 1, σ = 0; else to the level of timestep 0. diffusers'
   * `set_alpha_to_one` (false for Stable Diffusion).
   * @defaultValue `true`
   */
  readonly setAlphaToOne?: boolean;
  /**
   * The times to visit, strictly decreasing; replaces `steps` and `stepsOffset`. Needed for a schedule of
   * continuous time.
   * @defaultValue `(steps − 1 − i)·⌊T/steps⌋ + stepsOffset`: diffusers' "leading" spacing
   */
  readonly times?: readonly number[];
}

/**
 * Deterministic sampling with DDIM (η = 0), one guided network pass per step.
 *
 *     x_{t'} = α(t')·x̂0(x_t) + σ(t')·ε̂(x_t),   t' the next lower time
 *
 * Timesteps and the last step are those of diffusers' DDIMScheduler with `timestep_spacing`
 * "leading"; x̂0 is not clipped. The model may predict anything. Memory stays that of one step.
 *
 * Source: Song et al., arXiv:2010.02502 eq. 12.
 *
 * @param model - a score model.
 * @param options - noise, conditions, and the grid of times.
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
  const { noise, cond, uncond, guidanceScale = 1, setAlphaToOne = true } = checkObject(where, "options", options);
  checkBatch(where, "noise", noise);
  checkFinite(where, "guidanceScale", guidanceScale);
  checkBoolean(where, "setAlphaToOne", setAlphaToOne);
  const schedule = checkSchedule(where, model.schedule);
  const { times, last } = timeGrid(schedule, options);
  const batch = noise.shape[0] as number;
  const final = setAlphaToOne ? { alpha: 1, sigma: 0 } : levelAt(where, schedule, schedule.tMin);

  const predict = (xt: Tensor, t: Timesteps, c?: Tensor) => model.predict(xt, t, c);
  const step = (x: Tensor, t: number, next: number | undefined): Tensor => {
    const time = Array<number>(batch).fill(t);
    const level = noiseLevel(schedule, time);
    const prediction = guidedPrediction(predict, { xt: x, t: time, cond, uncond }, guidanceScale);
    const x0 = convertPrediction({ prediction, xt: x, level, from: model.predicts, to: "x0" });
    const eps = convertPrediction({ prediction, xt: x, level, from: model.predicts, to: "eps" });
    const { alpha, sigma } = next === undefined ? final : levelAt(where, schedule, next);
    return add(mul(x0, alpha), mul(eps, sigma));
  };
  // VP noise has deviation 1 at the start, as in diffusers; elsewhere that of the first time.
  let x = tidy(() => mul(noise, schedule.kind === "vp" ? 1 : schedule.sigma(times[0] as number)));
  for (const [i, t] of times.entries()) {
    const before = x;
    try {
      x = tidy(() => step(before, t, i + 1 < times.length ? times[i + 1] : last));
    } finally {
      before.dispose();
    }
  }
  return x;
}

const where = "ddimSample";

/** The times to visit and the one to arrive at; undefined is the clean sample. */
function timeGrid(schedule: NoiseSchedule, options: DdimSampleOptions): { times: number[]; last: number | undefined } {
  const { steps = 50, stepsOffset = 0 } = options;
  if (options.times !== undefined) {
    checkPerSample(where, "times", options.times, Math.max(1, options.times?.length ?? 1));
    const times = [...options.times];
    times.forEach((t, i) => {
      if (i > 0 && t >= (times[i - 1] as number))
        throw new SidError(
          "invalid-argument",
          `${where}: times must decrease, but times[${i - 1}] = ${times[i - 1]} is followed by ${t}.`,
        );
    });
    noiseLevel(schedule, times);
    return { times, last: undefined };
  }
  if (!schedule.discrete)
    throw new SidError("invalid-argument", `${where}: a schedule of continuous time needs the option times.`);
  const count = schedule.tMax + 1;
  checkInteger(where, "steps", steps, 1, count);
  checkInteger(where, "stepsOffset", stepsOffset, 0, count - 1);
  const stride = Math.floor(count / steps);
  const times = Array.from({ length: steps }, (_, i) => (steps - 1 - i) * stride + stepsOffset);
  noiseLevel(schedule, times);
  return { times, last: stepsOffset >= stride ? stepsOffset - stride : undefined };
}
