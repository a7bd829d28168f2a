import { checkInteger, checkObject, checkOneOf } from "../core/checks";
import { SidError } from "../core/errors";

/** How the timesteps of a sampler lie in the schedule: see {@link ddimTimesteps}. */
export type TimestepSpacing = "leading" | "trailing" | "linspace";

/** All spacings, as diffusers' `timestep_spacing` names them. */
export const timestepSpacings: readonly TimestepSpacing[] = ["leading", "trailing", "linspace"];

/** Options of {@link ddimTimesteps}. */
export interface DdimTimestepsOptions {
  /**
   * Timesteps T of the schedule.
   * @defaultValue `1000`
   */
  readonly numTimesteps?: number | undefined;
  /**
   * Timesteps n to sample at, at most T.
   * @defaultValue `50`
   */
  readonly steps?: number | undefined;
  /**
   * How they are spread.
   * @defaultValue `"leading"`
   */
  readonly spacing?: TimestepSpacing | undefined;
  /**
   * Added to every timestep of "leading"; without effect on the others.
   * @defaultValue `0`
   */
  readonly stepsOffset?: number | undefined;
}

/**
 * The timesteps at which diffusers' DDIMScheduler samples, from noise to data. For i from 0 to n − 1:
 *
 * - `leading`: `(n − 1 − i)·⌊T/n⌋ + stepsOffset`;
 * - `trailing`: `T − i·T/n − 1`;
 * - `linspace`: `(T − 1)·(n − 1 − i)/(n − 1)`, and 0 for n = 1;
 *
 * rounded to integers, halves to even ones, with the rounding errors of NumPy's `arange` and `linspace`, which
 * decide some of the halves. Where `arange` overshoots (n = 61 of 1000) diffusers appends a timestep −1, which no
 * schedule has; it is left out.
 *
 * Source: Lin et al., arXiv:2305.08891, table 2; diffusers 0.42 `schedulers/scheduling_ddim.py`, `set_timesteps`.
 *
 * @param options - as documented on each field.
 * @returns n decreasing integers in `[0, T)`.
 * @throws SidError `out-of-range`, `not-finite` or `invalid-argument` for options outside their range, and
 *   for an offset that leads beyond the schedule.
 *
 * @example
 * ```ts
 * import { ddimTimesteps } from "sid-lsg";
 *
 * console.log(ddimTimesteps({ steps: 4, stepsOffset: 1 })); // [751, 501, 251, 1]
 * console.log(ddimTimesteps({ steps: 4, spacing: "trailing" })); // [999, 749, 499, 249]
 * ```
 */
export function ddimTimesteps(options: DdimTimestepsOptions = {}): number[] {
  const {
    numTimesteps = 1000,
    steps = 50,
    spacing = "leading",
    stepsOffset = 0,
  } = checkObject(where, "options", options, { numTimesteps: 1, steps: 1, spacing: 1, stepsOffset: 1 });
  checkInteger(where, "numTimesteps", numTimesteps, 1, 1_000_000);
  checkInteger(where, "steps", steps, 1, numTimesteps);
  checkOneOf(where, "spacing", spacing, timestepSpacings);
  checkInteger(where, "stepsOffset", stepsOffset, 0, numTimesteps - 1);
  const timesteps = Array.from({ length: steps }, (_, i) => at(spacing, numTimesteps, steps, i));
  if (spacing !== "leading") return timesteps;
  const shifted = timesteps.map((t) => t + stepsOffset);
  if ((shifted[0] as number) >= numTimesteps)
    throw new SidError(
      "out-of-range",
      `${where}: stepsOffset ${stepsOffset} leads to the timestep ${shifted[0]} at ${steps} steps, beyond the last one, ${numTimesteps - 1}.`,
    );
  return shifted;
}

const where = "ddimTimesteps";

/** Timestep i of n, before the offset. The order of operations is NumPy's. */
function at(spacing: TimestepSpacing, total: number, n: number, i: number): number {
  if (spacing === "leading") return (n - 1 - i) * Math.floor(total / n);
  // arange's increment is the difference of its first two elements.
  if (spacing === "trailing") return toEven(total + i * (total - total / n - total)) - 1;
  return toEven((n - 1 - i) * ((total - 1) / Math.max(n - 1, 1)));
}

/** The nearest integer, the even one of two. */
function toEven(x: number): number {
  const down = Math.floor(x);
  const rest = x - down;
  if (rest === 0.5) return down + (down % 2);
  return rest < 0.5 ? down : down + 1;
}
