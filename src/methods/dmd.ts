import {
  distributionMatching,
  matchingDefaults,
  type StoppedGradientMethodOptions,
  settleOptions,
  stoppedGradientOptions,
} from "./stopped-gradient";
import type { ScoreMethod } from "./types";

/**
 * Distribution matching distillation, without its images: the paper's regression to pairs of noise and the teacher's image,
 * `0.25·LPIPS(G(z_ref), y_ref)` on 500k pairs of 50 steps, is not here; DMD2 does without it.
 *
 *     g = (a/M)·(f_ψ − f_φ,κ),   M = mean |x_g − f_φ,κ|
 *
 * | | default | |
 * |---|---|---|
 * | ω | a/M, equations 7 and 8; the paper's algorithm 2 has 1/M, the weight `l1` | paper |
 * | κ | 3; the paper has a model with 8 as well | paper |
 * | t of G | uniform on 20 … 980 of 1000 | paper |
 * | ψ | a copy of the teacher with the teacher's weight: the error of the noise, EDM's for EDM; t uniform on 0 … 999 | paper |
 * | over a sample | mean in both losses | paper |
 * | ψ per G | 1, G first | paper |
 * | AdamW | (0.9, 0.999), decay 0.01, 1e-5, gradients clipped to norm 10 | paper; betas and decay as DMD2 |
 *
 * On `ve` schedules the same part of EDM's ladder of 1000 σ, on `flow` of `[0, 1]` (ours). M is a constant for the
 * gradient that depends on x_g, so what is descended is not exactly the divergence.
 *
 * Source: Yin et al., arXiv:2311.18828.
 *
 * @param options - what differs from the defaults.
 * @returns the method, for `distill`.
 * @throws SidError `invalid-argument`, `out-of-range` or `not-finite` for options that make no sense.
 *
 * @example
 * ```ts
 * import { ddpmSchedule, dmd } from "sid-lsg";
 * import { tensor1d, tensor2d } from "@tensorflow/tfjs-core";
 *
 * const tensors = { generated: tensor2d([[1]]), teacher: tensor2d([[0.5]]), fake: tensor2d([[0.75]]) };
 * const { generated } = dmd().generator.cotangents(tensors, {
 *   level: { alpha: [0.8], sigma: [0.6] },
 *   t: [500],
 *   moment: { schedule: ddpmSchedule(), nimg: 0, iteration: 0 },
 *   valid: tensor1d([1]),
 * });
 * console.log(generated?.dataSync()[0]); // 0.8/0.5·(0.75 − 0.5) = 0.4
 * ```
 */
export function dmd(options: StoppedGradientMethodOptions = {}): ScoreMethod<"teacher" | "fake"> {
  const defaults = { ...matchingDefaults(), guidanceScale: 3, weight: "alpha-l1" as const };
  const settled = settleOptions("dmd", options, stoppedGradientOptions, defaults);
  const recipe = { learningRate: 1e-5, beta1: 0.9, beta2: 0.999, weightDecay: 0.01, clipNorm: 10 };
  return distributionMatching("dmd", settled, defaults, recipe, { fakeScore: { first: "generator" } });
}
