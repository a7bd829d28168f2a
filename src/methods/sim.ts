import { checkObject, checkOneOf, checkRange, type KeysOf } from "../core/checks";
import { type SimDistance, simCotangents, simLoss } from "../losses/sim";
import { noiseOrEdm, type Settled, settingsOf, settle } from "./options";
import { type GuidedMethodOptions, guidedDefaults, guidedMethodOptions, throughNetworks } from "./through-networks";
import type { ScoreMethod } from "./types";

/** Options of {@link sim}. */
export interface SimOptions extends GuidedMethodOptions {
  /**
   * The distance between the two score fields.
   * @defaultValue `"squared"`
   */
  readonly distance?: SimDistance | undefined;
}

const simOptions: KeysOf<SimOptions> = { ...guidedMethodOptions, distance: 1 };

/**
 * Score implicit matching: a distance of one's choice between the score fields.
 *
 *     L = −1/B Σ ω · Σ d′(y) ⊙ (f_ψ − x_g),   y = f_ψ − f_φ
 *
 * At the fake score's optimum its gradient is `E_π[d′(y)·∂_θ f_ψ(x_t)]` with the sampling law π held, which is not the
 * gradient of the expected distance. With `d = ‖y‖²`, the default, it is exactly twice SiD at α = 1. The paper prefers the
 * pseudo-Huber distance, `distance: { huber: c }` with `d′ = y/√(‖y‖² + c²)` over a sample; its c could not be verified, so
 * it has no default.
 *
 * | | default | |
 * |---|---|---|
 * | d | `‖y‖²` | paper |
 * | ω | 1 in units of x0; score units would be `(a/s²)²` | not verified |
 * | t, ψ, Adam | as `sid`, scale of L 1 | not verified |
 *
 * Source: Luo et al., arXiv:2410.16794; of the official repository, SIM@6535530, only inference is public.
 *
 * @param options - what differs from the defaults.
 * @returns the method, for `distill`.
 * @throws SidError `invalid-argument`, `out-of-range` or `not-finite` for options that make no sense.
 *
 * @example
 * ```ts
 * import { edmSchedule, sim } from "sid-lsg";
 * import { tensor1d, tensor2d } from "@tensorflow/tfjs-core";
 *
 * const tensors = { generated: tensor2d([[0]]), teacher: tensor2d([[3]]), fake: tensor2d([[1]]) };
 * const { loss } = sim().generator.cotangents(tensors, {
 *   level: { alpha: [1], sigma: [2] },
 *   t: [2],
 *   moment: { schedule: edmSchedule(), nimg: 0, iteration: 0 },
 *   valid: tensor1d([1]),
 * });
 * console.log(loss.dataSync()[0]); // −2·(1 − 3)·(1 − 0) = 4
 * ```
 */
export function sim(options: SimOptions = {}): ScoreMethod<"teacher" | "fake"> {
  const name = "sim";
  const defaults: Settled<SimOptions> = {
    ...guidedDefaults(),
    weight: "none",
    distance: "squared",
    fakeWeight: noiseOrEdm,
  };
  const settled = settle(checkObject(name, "options", options, simOptions), defaults);
  const { distance, weight, reduction } = settled;
  if (typeof distance === "string") checkOneOf(name, "distance", distance, ["squared"]);
  else if (typeof distance !== "function")
    checkRange(
      name,
      "distance.huber",
      checkObject(name, "distance", distance, { huber: 1 }).huber,
      0,
      Number.MAX_VALUE,
    );
  return throughNetworks({
    name,
    settings: settingsOf(settled, defaults),
    settled,
    recipe: { learningRate: 1e-5, beta1: 0, beta2: 0.999 },
    cotangents(inputs, { level, valid }) {
      const how = { distance, weight, reduction, level, valid };
      return { loss: simLoss(inputs, how), ...simCotangents(inputs, how) };
    },
  });
}
