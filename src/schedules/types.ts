/**
 * A forward process `x_t = alpha(t)·x0 + sigma(t)·ε` in plain float64 numbers: nothing to dispose.
 *
 * - `vp`: variance preserving, `alpha² + sigma² = 1`; `t` is an integer timestep.
 * - `ve`: variance exploding (EDM), `alpha = 1`; `t` is σ itself.
 * - `flow`: rectified flow, `alpha = 1 − t`, `sigma = t`, `t` in `[0, 1]`.
 */
export interface NoiseSchedule {
  /** The family of coordinates. */
  readonly kind: "vp" | "ve" | "flow";
  /** True when `t` must be an integer. */
  readonly discrete: boolean;
  /** Smallest valid `t`, inclusive. */
  readonly tMin: number;
  /** Largest valid `t`, inclusive. */
  readonly tMax: number;
  /** Signal scale at `t`; unitless. Throws SidError `out-of-range` outside `[tMin, tMax]`. */
  alpha(t: number): number;
  /** Noise standard deviation at `t`, in the sample's own units. Throws like {@link NoiseSchedule.alpha}. */
  sigma(t: number): number;
}
