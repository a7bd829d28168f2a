import { logNormalSigmas } from "../schedules/timestep-laws";
import {
  distributionMatching,
  matchingDefaults,
  type StoppedGradientMethodOptions,
  settleOptions,
  stoppedGradientOptions,
} from "./stopped-gradient";
import { timesOfSigmas } from "./times";
import type { ScoreMethod } from "./types";

/**
 * Diff-Instruct: the gradient of the integral Kullback–Leibler divergence.
 *
 *     g = f_ψ − f_φ,   E[g·∂_θ x_g] = (s²/a²)·∇_θ KL(p_θ,t ‖ p_data,t) at a perfect fake score
 *
 * | | default | |
 * |---|---|---|
 * | ω | 1 | official code |
 * | κ | 1 | official code |
 * | t of both updates | σ = exp N(−1.2, 1.2²) | official code |
 * | | other schedules: the time where s/a is nearest to σ | ours |
 * | ψ | a copy of the teacher, EDM's weight; other schedules: the error of the noise | official code; ours |
 * | over a sample | sum | official code |
 * | ψ per G | 1, ψ first | official code |
 * | Adam | (0, 0.999) at 1e-5 | official code |
 *
 * The official generator is asked at σ = 1.
 *
 * Source: Luo et al., arXiv:2305.18455; Diff-Instruct@0c37389 di_loss.py L35-68.
 *
 * @param options - what differs from the defaults.
 * @returns the method, for `distill`.
 * @throws SidError `invalid-argument`, `out-of-range` or `not-finite` for options that make no sense.
 *
 * @example
 * ```ts
 * import { diffInstruct, edmSchedule } from "sid-lsg";
 * import { tensor1d, tensor2d } from "@tensorflow/tfjs-core";
 *
 * const tensors = { generated: tensor2d([[1]]), teacher: tensor2d([[0.5]]), fake: tensor2d([[0.75]]) };
 * const { generated } = diffInstruct().generator.cotangents(tensors, {
 *   level: { alpha: [1], sigma: [2] },
 *   t: [2],
 *   moment: { schedule: edmSchedule(), nimg: 0, iteration: 0 },
 *   valid: tensor1d([1]),
 * });
 * console.log(generated?.dataSync()[0]); // 0.75 − 0.5 = 0.25
 * ```
 */
export function diffInstruct(options: StoppedGradientMethodOptions = {}): ScoreMethod<"teacher" | "fake"> {
  const edmLaw = timesOfSigmas(logNormalSigmas());
  const defaults = {
    ...matchingDefaults(),
    ...({ weight: "none", reduction: "sum", timesteps: edmLaw, fakeTimesteps: edmLaw } as const),
  };
  const settled = settleOptions("diffInstruct", options, stoppedGradientOptions, defaults);
  return distributionMatching("diffInstruct", settled, defaults, { learningRate: 1e-5, beta1: 0, beta2: 0.999 });
}
