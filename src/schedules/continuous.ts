import { checkFinite, checkObject, checkRange } from "../core/checks";
import { SidError } from "../core/errors";
import { checkTime } from "./time";
import type { NoiseSchedule } from "./types";

/** Options of {@link edmSchedule}. */
export interface EdmScheduleOptions {
  /**
   * Smallest σ, in the sample's own units; 0 or more.
   * @defaultValue `0.002`
   */
  readonly sigmaMin?: number | undefined;
  /**
   * Largest σ, in the sample's own units.
   * @defaultValue `80`
   */
  readonly sigmaMax?: number | undefined;
}

/**
 * The variance-exploding process of EDM: `x_σ = x0 + σ·ε`. The time is σ itself.
 *
 * Source: Karras et al., arXiv:2206.00364, table 1.
 *
 * @param options - the range of σ.
 * @returns a continuous schedule with `alpha = 1`, `sigma(t) = t`.
 * @throws SidError `out-of-range` or `not-finite` unless `0 ≤ sigmaMin < sigmaMax`.
 *
 * @example
 * ```ts
 * import { edmSchedule } from "sid-lsg";
 *
 * console.log(edmSchedule().sigma(2.5)); // 2.5
 * ```
 */
export function edmSchedule(options: EdmScheduleOptions = {}): NoiseSchedule {
  const { sigmaMin = 0.002, sigmaMax = 80 } = checkObject("edmSchedule", "options", options, {
    sigmaMin: 1,
    sigmaMax: 1,
  });
  checkSigmas("edmSchedule", sigmaMin, sigmaMax);
  const range = { discrete: false, tMin: sigmaMin, tMax: sigmaMax };
  return {
    kind: "ve",
    ...range,
    alpha(t) {
      checkTime("edmSchedule.alpha", range, t);
      return 1;
    },
    sigma: (t) => checkTime("edmSchedule.sigma", range, t),
  };
}

/**
 * Rectified flow: `x_t = (1 − t)·x0 + t·ε` with t from 0 (data) to 1 (noise).
 *
 * Source: Liu et al., arXiv:2209.03003; the direction of t is that of Stable Diffusion 3,
 * arXiv:2403.03206.
 *
 * @returns a continuous schedule with `alpha(t) = 1 − t`, `sigma(t) = t`, which throw SidError
 *   `out-of-range`, `not-finite` or `invalid-argument` unless `t` is a number in `[0, 1]`.
 *
 * @example
 * ```ts
 * import { flowSchedule } from "sid-lsg";
 *
 * console.log(flowSchedule().alpha(0.25)); // 0.75
 * ```
 */
export function flowSchedule(): NoiseSchedule {
  const range = { discrete: false, tMin: 0, tMax: 1 };
  return {
    kind: "flow",
    ...range,
    alpha: (t) => 1 - checkTime("flowSchedule.alpha", range, t),
    sigma: (t) => checkTime("flowSchedule.sigma", range, t),
  };
}

/** Throws unless `0 ≤ sigmaMin < sigmaMax`, both finite. */
export function checkSigmas(where: string, sigmaMin: number, sigmaMax: number): void {
  checkRange(where, "sigmaMin", sigmaMin, 0, Number.MAX_VALUE);
  checkFinite(where, "sigmaMax", sigmaMax);
  if (sigmaMax <= sigmaMin)
    throw new SidError("out-of-range", `${where}: sigmaMax must exceed sigmaMin ${sigmaMin}, got ${sigmaMax}.`);
}
