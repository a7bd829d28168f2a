import { checkFinite, checkInteger, checkObject, checkPositive, checkRange } from "../core/checks";
import type { RandomStream } from "../core/random";
import { checkStream } from "../core/random";
import { checkSigmas } from "./continuous";

/** Draws `count` times from a seeded stream; what a training step calls for its batch. */
export type TimestepLaw = (stream: RandomStream, count: number) => number[];

/** Options of {@link uniformTimesteps}. */
export interface UniformTimestepsOptions {
  /**
   * Smallest timestep, inclusive; an integer of 0 or more.
   * @defaultValue `20`
   */
  readonly min?: number | undefined;
  /**
   * End of the range, exclusive; an integer above `min`.
   * @defaultValue `980`
   */
  readonly max?: number | undefined;
}

/**
 * Integers, uniform on `[min, max)`: the law of SiD-LSG for both updates.
 *
 * Source: SiD-LSG@709fc22 training/sid_training_loop.py L413, L484.
 *
 * @param options - the range.
 * @returns a law for discrete schedules.
 * @throws SidError `invalid-argument`, `out-of-range` or `not-finite` for a range that is empty or
 *   not of integers.
 *
 * @example
 * ```ts
 * import { randomStream, uniformTimesteps } from "sid-lsg";
 *
 * console.log(uniformTimesteps()(randomStream(1), 4)); // four integers in [20, 980)
 * ```
 */
export function uniformTimesteps(options: UniformTimestepsOptions = {}): TimestepLaw {
  const { min = 20, max = 980 } = checkObject("uniformTimesteps", "options", options, { min: 1, max: 1 });
  checkInteger("uniformTimesteps", "min", min, 0);
  checkInteger("uniformTimesteps", "max", max, min + 1);
  return (stream, count) => checkStream("uniformTimesteps", "stream", stream).integers(count, min, max);
}

/** Options of {@link logNormalSigmas}. */
export interface LogNormalSigmasOptions {
  /**
   * Mean of `ln σ`.
   * @defaultValue `-1.2`
   */
  readonly mean?: number | undefined;
  /**
   * Standard deviation of `ln σ`, 0 or more.
   * @defaultValue `1.2`
   */
  readonly std?: number | undefined;
  /**
   * Smaller draws become this σ, so that every draw is a time of {@link edmSchedule}.
   * @defaultValue `0.002`
   */
  readonly sigmaMin?: number | undefined;
  /**
   * Larger draws become this σ.
   * @defaultValue `80`
   */
  readonly sigmaMax?: number | undefined;
}

/**
 * `σ = exp(mean + std·n)`, n standard normal: EDM's training law. Clamped to the schedule's range,
 * which with the defaults concerns about one draw in 60,000.
 *
 * Source: Karras et al., arXiv:2206.00364, table 1; SiD@01fbb13 training/sid_loss.py L59-60.
 *
 * @param options - the normal law of `ln σ` and the range.
 * @returns a law for `ve` schedules.
 * @throws SidError `out-of-range` or `not-finite` for options outside their range.
 *
 * @example
 * ```ts
 * import { logNormalSigmas, randomStream } from "sid-lsg";
 *
 * console.log(logNormalSigmas()(randomStream(1), 2)); // two σ around exp(−1.2) = 0.3
 * ```
 */
export function logNormalSigmas(options: LogNormalSigmasOptions = {}): TimestepLaw {
  const {
    mean = -1.2,
    std = 1.2,
    sigmaMin = 0.002,
    sigmaMax = 80,
  } = checkObject("logNormalSigmas", "options", options, { mean: 1, std: 1, sigmaMin: 1, sigmaMax: 1 });
  checkNormal("logNormalSigmas", mean, std);
  checkSigmas("logNormalSigmas", sigmaMin, sigmaMax);
  const clamp = (sigma: number) => Math.min(Math.max(sigma, sigmaMin), sigmaMax);
  return (stream, count) =>
    Array.from(checkStream("logNormalSigmas", "stream", stream).normals(count), (n) => clamp(Math.exp(mean + std * n)));
}

/** Options of {@link sidSigmas}. */
export interface SidSigmasOptions {
  /**
   * Warp of the ladder: larger values put more draws at small σ.
   * @defaultValue `7`
   */
  readonly rho?: number | undefined;
  /**
   * σ at the bottom of the ladder; above 0.
   * @defaultValue `0.002`
   */
  readonly sigmaMin?: number | undefined;
  /**
   * σ at the top of the ladder.
   * @defaultValue `80`
   */
  readonly sigmaMax?: number | undefined;
  /**
   * Share of the ladder that is used, from the bottom; in `(0, 1]`. The official `tmax / 1000`.
   * @defaultValue `0.8`
   */
  readonly portion?: number | undefined;
}

/**
 * SiD's law for the generator's loss: uniform on the lower part of EDM's ladder,
 *
 *     σ = (σ_min^(1/ρ) + u·(σ_max^(1/ρ) − σ_min^(1/ρ)))^ρ,   u uniform on [0, portion)
 *
 * Source: Zhou et al., arXiv:2404.04057; SiD@01fbb13 training/sid_loss.py L27-33 with tmax = 800.
 *
 * @param options - the ladder and the part of it that is used.
 * @returns a law for `ve` schedules.
 * @throws SidError `out-of-range` or `not-finite` for options outside their range.
 *
 * @example
 * ```ts
 * import { randomStream, sidSigmas } from "sid-lsg";
 *
 * console.log(sidSigmas()(randomStream(1), 2)); // two σ in [0.002, 24.4)
 * ```
 */
export function sidSigmas(options: SidSigmasOptions = {}): TimestepLaw {
  const {
    rho = 7,
    sigmaMin = 0.002,
    sigmaMax = 80,
    portion = 0.8,
  } = checkObject("sidSigmas", "options", options, { rho: 1, sigmaMin: 1, sigmaMax: 1, portion: 1 });
  checkPositive("sidSigmas", "rho", rho);
  checkSigmas("sidSigmas", sigmaMin, sigmaMax);
  checkPositive("sidSigmas", "sigmaMin", sigmaMin);
  checkRange("sidSigmas", "portion", checkPositive("sidSigmas", "portion", portion), 0, 1);
  const bottom = sigmaMin ** (1 / rho);
  const height = sigmaMax ** (1 / rho) - bottom;
  const clamp = (sigma: number) => Math.min(Math.max(sigma, sigmaMin), sigmaMax);
  const sigma = (u: number) => clamp((bottom + portion * u * height) ** rho);
  return (stream, count) => checkStream("sidSigmas", "stream", stream).uniform(count).map(sigma);
}

/** Options of {@link logitNormalTimes}. */
export interface LogitNormalTimesOptions {
  /**
   * Mean of the logit; above 0 puts more draws near noise.
   * @defaultValue `0`
   */
  readonly mean?: number | undefined;
  /**
   * Standard deviation of the logit, 0 or more.
   * @defaultValue `1`
   */
  readonly std?: number | undefined;
}

/**
 * `t = 1/(1 + exp(−(mean + std·n)))`, n standard normal: times in `[0, 1]` for rectified flow,
 * most of them in the middle.
 *
 * Source: Esser et al., arXiv:2403.03206, section 3.1.
 *
 * @param options - the normal law of the logit.
 * @returns a law for `flow` schedules.
 * @throws SidError `out-of-range` or `not-finite` for options outside their range.
 *
 * @example
 * ```ts
 * import { logitNormalTimes, randomStream } from "sid-lsg";
 *
 * console.log(logitNormalTimes()(randomStream(1), 2)); // two times around 0.5
 * ```
 */
export function logitNormalTimes(options: LogitNormalTimesOptions = {}): TimestepLaw {
  const { mean = 0, std = 1 } = checkObject("logitNormalTimes", "options", options, { mean: 1, std: 1 });
  checkNormal("logitNormalTimes", mean, std);
  const time = (n: number) => 1 / (1 + Math.exp(-(mean + std * n)));
  return (stream, count) => Array.from(checkStream("logitNormalTimes", "stream", stream).normals(count), time);
}

function checkNormal(where: string, mean: number, std: number): void {
  checkFinite(where, "mean", mean);
  checkRange(where, "std", std, 0, Number.MAX_VALUE);
}
