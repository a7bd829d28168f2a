import { checkInteger, checkObject, checkPositive } from "../core/checks";
import { SidError } from "../core/errors";

/** A learning rate by the number of steps taken before: 0 at the first step. Pure, so that a resumed run goes on with it. */
export type LearningRateSchedule = (step: number) => number;

/** Options of {@link warmupRate}. */
export interface WarmupRateOptions {
  /** Steps until the full rate. At least 0. */
  readonly warmupSteps: number;
}

/** Options of {@link cosineRate}. */
export interface CosineRateOptions {
  /** Steps in all, after which the rate stays 0. At least 1. */
  readonly totalSteps: number;
  /**
   * Steps until the full rate, of those in all.
   * @defaultValue `0`
   */
  readonly warmupSteps?: number | undefined;
}

/**
 * A rate that grows from 0 along a line and then stays.
 *
 *     rate(k) = peak·min(1, k/warmupSteps)
 *
 * Source: diffusers' `constant_with_warmup`, which it equals: at the first step the rate is 0.
 *
 * @param peak - the rate after the warm-up, above 0.
 * @param options - how long the warm-up takes.
 * @returns the schedule, for the `learningRate` of `adam`.
 * @throws SidError `out-of-range`, `invalid-argument` or `not-finite` for other numbers.
 *
 * @example
 * ```ts
 * import { warmupRate } from "sid-lsg/train";
 *
 * const rate = warmupRate(1e-3, { warmupSteps: 100 });
 * console.log(rate(0), rate(50), rate(100), rate(1000)); // 0, 0.0005, 0.001, 0.001
 * ```
 */
export function warmupRate(peak: number, options: WarmupRateOptions): LearningRateSchedule {
  const { warmupSteps } = checkObject("warmupRate", "options", options, { warmupSteps: 1 });
  checkPositive("warmupRate", "peak", peak);
  checkInteger("warmupRate", "warmupSteps", warmupSteps, 0);
  return (step) => peak * warmed(step, warmupSteps);
}

/**
 * A rate that grows from 0 along a line, and falls to 0 along half a cosine.
 *
 *     rate(k) = peak·k/warmupSteps                                   until warmupSteps
 *     rate(k) = peak·½(1 + cos(π·(k − warmupSteps)/(totalSteps − warmupSteps)))   after it
 *
 * Source: diffusers' `cosine` with half a cycle; Loshchilov & Hutter, arXiv:1608.03983.
 *
 * @param peak - the largest rate, above 0.
 * @param options - how many steps there are, and how long the warm-up takes.
 * @returns the schedule, for the `learningRate` of `adam`.
 * @throws SidError `out-of-range`, `invalid-argument` or `not-finite` for other numbers.
 *
 * @example
 * ```ts
 * import { cosineRate } from "sid-lsg/train";
 *
 * const rate = cosineRate(1e-3, { warmupSteps: 100, totalSteps: 300 });
 * console.log(rate(50), rate(100), rate(200).toFixed(6), rate(300)); // 0.0005, 0.001, 0.000500, 0
 * ```
 */
export function cosineRate(peak: number, options: CosineRateOptions): LearningRateSchedule {
  const { warmupSteps = 0, totalSteps } = checkObject("cosineRate", "options", options, {
    warmupSteps: 1,
    totalSteps: 1,
  });
  checkPositive("cosineRate", "peak", peak);
  checkInteger("cosineRate", "totalSteps", totalSteps, 1);
  checkInteger("cosineRate", "warmupSteps", warmupSteps, 0, totalSteps);
  return (step) => {
    if (step < warmupSteps) return peak * warmed(step, warmupSteps);
    const progress = Math.min(1, (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps));
    return peak * 0.5 * (1 + Math.cos(Math.PI * progress));
  };
}

function warmed(step: number, warmupSteps: number): number {
  return step < warmupSteps ? step / warmupSteps : 1;
}

/** The rate at a step; throws unless it is a finite number of at least 0. */
export function rateAt(where: string, learningRate: number | LearningRateSchedule, step: number): number {
  const rate = typeof learningRate === "function" ? learningRate(step) : learningRate;
  if (typeof rate !== "number" || !(rate >= 0) || !Number.isFinite(rate))
    throw new SidError("out-of-range", `${where}: the learning rate of step ${step} must be 0 or more, got ${rate}.`);
  return rate;
}
