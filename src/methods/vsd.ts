import {
  distributionMatching,
  matchingDefaults,
  type StoppedGradientMethodOptions,
  settleOptions,
  stoppedGradientOptions,
} from "./stopped-gradient";
import { uniformTimes } from "./times";
import type { ScoreMethod } from "./types";

/** Of 1000 times 20 … 980, and from the 5001st update on 20 … 500. */
const annealed = () => uniformTimes(({ iteration }) => ({ low: 0.02, high: iteration > 5000 ? 0.5 : 0.98 }));

/**
 * Variational score distillation (ProlificDreamer).
 *
 *     g = ω(f_ψ − f_φ,κ)        = w(ε_φ,κ − ε_ψ) with w = ω·s/a
 *
 * | | default | |
 * |---|---|---|
 * | ω | a·s, which is `w = s²` | official code |
 * | κ of φ, of ψ | 7.5, 1 | official code |
 * | t of G | uniform on 20 … 980 of 1000, on 20 … 500 after 5000 updates | official code |
 * | over a sample | sum in G's loss, mean in ψ's; `reduction` changes both | official code |
 * | ψ | a LoRA of the teacher, error of its own prediction, t uniform on 0 … 999 | official code |
 * | ψ per G | 1, G first | official code; the order: paper |
 * | Adam | (0.9, 0.99), ψ at 1e-4; G's rate is that of what it is made of | official code |
 *
 * On other schedules the same shares of EDM's ladder or of `[0, 1]` (ours). An iteration costs no backward pass of the
 * teacher, and of ψ only its own update's.
 *
 * Source: Wang et al., arXiv:2305.16213; threestudio@28d9d80 stable_diffusion_vsd_guidance.py L512-604.
 *
 * @param options - what differs from the defaults.
 * @returns the method, for `distill`.
 * @throws SidError `invalid-argument`, `out-of-range` or `not-finite` for options that make no sense.
 *
 * @example
 * ```ts
 * import { ddpmSchedule, vsd } from "sid-lsg";
 * import { tensor1d, tensor2d } from "@tensorflow/tfjs-core";
 *
 * const tensors = { generated: tensor2d([[1]]), teacher: tensor2d([[0.5]]), fake: tensor2d([[0.75]]) };
 * const { generated } = vsd().generator.cotangents(tensors, {
 *   level: { alpha: [0.8], sigma: [0.6] },
 *   t: [500],
 *   moment: { schedule: ddpmSchedule(), nimg: 0, iteration: 0 },
 *   valid: tensor1d([1]),
 * });
 * console.log(generated?.dataSync()[0]); // 0.8·0.6·(0.75 − 0.5) = 0.12
 * ```
 */
export function vsd(options: StoppedGradientMethodOptions = {}): ScoreMethod<"teacher" | "fake"> {
  const defaults = {
    ...matchingDefaults(),
    ...({ guidanceScale: 7.5, weight: "alpha-sigma", reduction: "sum", timesteps: annealed() } as const),
    fakeWeight: "none" as const,
  };
  const settled = settleOptions("vsd", options, stoppedGradientOptions, defaults);
  const recipe = { fakeLearningRate: 1e-4, beta1: 0.9, beta2: 0.99 };
  const fakeScore = { reduction: options.reduction ?? "mean", first: "generator" } as const;
  return distributionMatching("vsd", settled, defaults, recipe, { fakeScore });
}
