import { checkFinite, checkInteger, checkMethods, checkRange } from "../core/checks";
import type { NoiseSchedule } from "./types";

/** Throws unless `t` is a time of the schedule; returns it. */
export function checkTime(
  where: string,
  schedule: Pick<NoiseSchedule, "discrete" | "tMin" | "tMax">,
  t: number,
): number {
  const check = schedule.discrete ? checkInteger : checkRange;
  return check(where, "t", t, schedule.tMin, schedule.tMax);
}

/**
 * Signal-to-noise ratio `alpha²/sigma²` at `t`; unitless. 0 where there is no signal (zero terminal
 * SNR), infinite where there is no noise.
 *
 * Source: Kingma et al., arXiv:2107.00630, section 3.1.
 *
 * @param schedule - the forward process.
 * @param t - a time of the schedule.
 * @returns a number in `[0, ∞]`.
 * @throws SidError `out-of-range`, `not-finite` or `invalid-argument` for a time that the schedule
 *   does not have.
 *
 * @example
 * ```ts
 * import { edmSchedule, snr } from "sid-lsg";
 *
 * console.log(snr(edmSchedule(), 0.5)); // 4
 * ```
 */
export function snr(schedule: NoiseSchedule, t: number): number {
  const { alpha, sigma } = levelAt("snr", checkSchedule("snr", schedule), t);
  return (alpha / sigma) ** 2;
}

/**
 * Natural logarithm of {@link snr}: `2·(log alpha − log sigma)`.
 *
 * Source: Kingma et al., arXiv:2107.00630, section 3.1.
 *
 * @param schedule - the forward process.
 * @param t - a time of the schedule.
 * @returns a number in `[−∞, ∞]`.
 * @throws SidError like {@link snr}.
 *
 * @example
 * ```ts
 * import { flowSchedule, logSnr } from "sid-lsg";
 *
 * console.log(logSnr(flowSchedule(), 0.5)); // 0
 * ```
 */
export function logSnr(schedule: NoiseSchedule, t: number): number {
  const { alpha, sigma } = levelAt("logSnr", checkSchedule("logSnr", schedule), t);
  return 2 * (Math.log(alpha) - Math.log(sigma));
}

/** Throws unless `schedule` is a noise schedule; returns it. */
export function checkSchedule(where: string, schedule: NoiseSchedule): NoiseSchedule {
  return checkMethods(where, "schedule", schedule, "a noise schedule", ["alpha", "sigma"]);
}

/** What a schedule says of one time; throws unless that is two finite numbers. */
export function levelAt(where: string, schedule: NoiseSchedule, t: number): { alpha: number; sigma: number } {
  return {
    alpha: checkFinite(where, "the schedule's alpha", schedule.alpha(t)),
    sigma: checkFinite(where, "the schedule's sigma", schedule.sigma(t)),
  };
}

/** The time at which a schedule's log-SNR is that: the nearest one where it is discrete, its ends beyond them. */
export function timeAt(schedule: NoiseSchedule, wanted: number): number {
  const { discrete } = schedule;
  const at = (t: number) => {
    const { alpha, sigma } = levelAt("timeAt", schedule, t);
    return 2 * (Math.log(alpha) - Math.log(sigma));
  };
  let [clean, noisy] = [schedule.tMin, schedule.tMax];
  // log-SNR falls in t; 60 halvings are all that a float64 has.
  for (let i = 0; i < 60 && (discrete ? noisy - clean > 1 : noisy > clean); i++) {
    const middle = discrete ? Math.floor((clean + noisy) / 2) : (clean + noisy) / 2;
    if (at(middle) > wanted) clean = middle;
    else noisy = middle;
  }
  return Math.abs(at(clean) - wanted) < Math.abs(at(noisy) - wanted) ? clean : noisy;
}
