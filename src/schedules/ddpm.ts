import {
  checkBoolean,
  checkFinite,
  checkInteger,
  checkObject,
  checkOneOf,
  describe,
  type KeysOf,
} from "../core/checks";
import { SidError } from "../core/errors";
import { checkTime } from "./time";
import type { NoiseSchedule } from "./types";

/** How the betas of a DDPM schedule run: see {@link ddpmSchedule}. */
export type BetaSchedule = "linear" | "scaled_linear" | "squaredcos_cap_v2";

/** Options of {@link ddpmSchedule}. */
export interface DdpmScheduleOptions {
  /**
   * Number of timesteps, at most a million.
   * @defaultValue `1000`, or the length of `betas`
   */
  readonly numTimesteps?: number | undefined;
  /**
   * The law of the betas; without effect when `betas` are given.
   * @defaultValue `"linear"`
   */
  readonly betaSchedule?: BetaSchedule | undefined;
  /**
   * Beta at `t = 0`, in `[0, 1)`; without effect on `squaredcos_cap_v2`.
   * @defaultValue `1e-4`
   */
  readonly betaStart?: number | undefined;
  /**
   * Beta at the last t, in `[0, 1)`; without effect on `squaredcos_cap_v2`.
   * @defaultValue `0.02`
   */
  readonly betaEnd?: number | undefined;
  /** Betas of one's own, each in `[0, 1)`, one per timestep. */
  readonly betas?: readonly number[] | undefined;
  /**
   * Shifts and scales `√ᾱ` so that the last timestep is pure noise and the first stays.
   * @defaultValue `false`
   */
  readonly zeroTerminalSnr?: boolean | undefined;
}

/** A discrete variance-preserving schedule: its tables, and {@link NoiseSchedule} on top of them. */
export interface DdpmSchedule extends NoiseSchedule {
  /** Variance preserving: `alpha² + sigma² = 1`. */
  readonly kind: "vp";
  /** Number of timesteps; `t` runs over `0 .. numTimesteps − 1`. */
  readonly numTimesteps: number;
  /** `β_t`, the variance that step t adds; in `[0, 1]`. */
  readonly betas: readonly number[];
  /** `ᾱ_t = Π (1 − β)` up to and including t; in `[0, 1]`. */
  readonly alphasCumprod: readonly number[];
}

/**
 * The discrete forward process of DDPM: `x_t = √ᾱ_t·x0 + √(1 − ᾱ_t)·ε`.
 *
 * - `linear`: β from `betaStart` to `betaEnd` in equal steps;
 * - `scaled_linear`: `√β` in equal steps (latent diffusion, Stable Diffusion);
 * - `squaredcos_cap_v2`: `ᾱ(u) = cos²((u + 0.008)/1.008 · π/2)` with β at most 0.999.
 *
 * The tables agree with those of diffusers, which computes them in float32, here in float64.
 *
 * Source: Ho et al., arXiv:2006.11239; Nichol & Dhariwal, arXiv:2102.09672 (cosine);
 * Lin et al., arXiv:2305.08891, algorithm 1 (zero terminal SNR).
 *
 * @param options - as documented on each field; the defaults are those of diffusers.
 * @returns the schedule with its tables.
 * @throws SidError `invalid-argument`, `out-of-range` or `not-finite` for options outside their
 *   range, and where zero terminal SNR has nothing to scale (a signal that never falls).
 *
 * @example
 * ```ts
 * import { ddpmSchedule } from "sid-lsg";
 *
 * // Stable Diffusion 1.5:
 * const schedule = ddpmSchedule({ betaSchedule: "scaled_linear", betaStart: 0.00085, betaEnd: 0.012 });
 * console.log(schedule.alphasCumprod[625]); // 0.13777
 * ```
 */
export function ddpmSchedule(options: DdpmScheduleOptions = {}): DdpmSchedule {
  const { zeroTerminalSnr = false } = checkObject(where, "options", options, known);
  checkBoolean(where, "zeroTerminalSnr", zeroTerminalSnr);
  const given = options.betas === undefined ? namedBetas(options) : ownBetas(options.betas, options.numTimesteps);
  const cumulative = cumulativeProduct(given);
  const alphasCumprod = zeroTerminalSnr ? withoutTerminalSignal(cumulative) : cumulative;
  const betas = zeroTerminalSnr ? betasOf(alphasCumprod) : given;
  const range = { discrete: true, tMin: 0, tMax: betas.length - 1 };
  const at = (where: string, t: number) => alphasCumprod[checkTime(where, range, t)] as number;
  return {
    kind: "vp",
    ...range,
    numTimesteps: betas.length,
    betas,
    alphasCumprod,
    alpha: (t) => Math.sqrt(at("ddpmSchedule.alpha", t)),
    sigma: (t) => Math.sqrt(1 - at("ddpmSchedule.sigma", t)),
  };
}

const where = "ddpmSchedule";
const known: KeysOf<DdpmScheduleOptions> = {
  numTimesteps: 1,
  betaSchedule: 1,
  betaStart: 1,
  betaEnd: 1,
  betas: 1,
  zeroTerminalSnr: 1,
};
const mostTimesteps = 1_000_000;

function namedBetas(options: DdpmScheduleOptions): number[] {
  const { numTimesteps = 1000, betaSchedule = "linear", betaStart = 1e-4, betaEnd = 0.02 } = options;
  checkInteger(where, "numTimesteps", numTimesteps, 1, mostTimesteps);
  checkOneOf(where, "betaSchedule", betaSchedule, ["linear", "scaled_linear", "squaredcos_cap_v2"]);
  checkBeta("betaStart", betaStart);
  checkBeta("betaEnd", betaEnd);
  const steps = Array.from({ length: numTimesteps }, (_, i) => i);
  if (betaSchedule === "squaredcos_cap_v2") {
    const signal = (u: number) => Math.cos((((u + 0.008) / 1.008) * Math.PI) / 2) ** 2;
    return steps.map((i) => Math.min(1 - signal((i + 1) / numTimesteps) / signal(i / numTimesteps), 0.999));
  }
  const power = betaSchedule === "linear" ? 1 : 2;
  const first = betaStart ** (1 / power);
  const last = betaEnd ** (1 / power);
  return steps.map((i) => (first + ((last - first) * i) / Math.max(numTimesteps - 1, 1)) ** power);
}

function ownBetas(betas: readonly number[], numTimesteps: number | undefined): number[] {
  if (!Array.isArray(betas) || betas.length === 0)
    throw new SidError("invalid-argument", `${where}: betas must be a non-empty array, got ${describe(betas)}.`);
  if (numTimesteps !== undefined && numTimesteps !== betas.length)
    throw new SidError(
      "invalid-argument",
      `${where}: numTimesteps is ${describe(numTimesteps)}, but there are ${betas.length} betas.`,
    );
  return Array.from(betas, (beta, i) => checkBeta(`betas[${i}]`, beta));
}

function checkBeta(name: string, beta: number): number {
  checkFinite(where, name, beta);
  if (beta < 0 || beta >= 1) throw new SidError("out-of-range", `${where}: ${name} must lie in [0, 1), got ${beta}.`);
  return beta;
}

function cumulativeProduct(betas: readonly number[]): number[] {
  let product = 1;
  return betas.map((beta) => {
    product *= 1 - beta;
    return product;
  });
}

/** `√ᾱ` shifted to 0 at the end and scaled back to where it began. */
function withoutTerminalSignal(alphasCumprod: readonly number[]): number[] {
  const signal = alphasCumprod.map(Math.sqrt);
  const first = signal[0] as number;
  const last = signal[signal.length - 1] as number;
  if (first <= last)
    throw new SidError("out-of-range", `${where}: zeroTerminalSnr needs a signal that falls, got ${first} to ${last}.`);
  return signal.map((s) => (((s - last) * first) / (first - last)) ** 2);
}

function betasOf(alphasCumprod: readonly number[]): number[] {
  return alphasCumprod.map((value, i) => 1 - value / (i === 0 ? 1 : (alphasCumprod[i - 1] as number)));
}
