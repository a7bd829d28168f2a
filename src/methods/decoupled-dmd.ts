import { add, mul, sub } from "@tensorflow/tfjs-core";
import { dmd2Defaults, dmd2Recipe } from "./dmd2";
import { fakeScoreOf, settingsOf } from "./options";
import {
  distributionMatching,
  type StoppedGradientMethodOptions,
  settleOptions,
  stoppedGradientMethod,
  stoppedGradientOptions,
} from "./stopped-gradient";
import { uniformTimes } from "./times";
import type { ScoreMethod } from "./types";

/** t′: only at levels that are cleaner than what the trained pass was given. */
const cleaner = () => uniformTimes(({ interval }) => ({ low: 0.02, high: 0.98, before: interval?.from }));

/**
 * Decoupled DMD: DMD2's gradient in its two parts, the matching of distributions and the pull of guidance, each at an x_t
 * of its own.
 *
 *     g = ω·[(f_ψ − f_c at t) + (κ − 1)·(f_∅ − f_c at t′)]
 *
 * At t′ = t with the same noise it is DMD2, sample by sample. It is computed as `f_ψ − f̃` with
 * `f̃ = f_c + (κ − 1)(f_c − f_∅ at t′)` for the teacher, and M = mean |x_g − f̃|, which is DMD2's M at t′ = t.
 *
 * | | default | |
 * |---|---|---|
 * | ω | 1/M; which normaliser the paper takes is not known here | not verified |
 * | κ | as DMD2, 1.75; the paper has 8 | paper |
 * | t | all levels: uniform on 20 … 980 of 1000 | paper; the range as DMD2 |
 * | t′ | the same, but only levels cleaner than the input of the generator's last pass, where the generator tells its times | paper |
 * | all else | as {@link dmd2} without a discriminator | paper |
 *
 * An iteration costs one pass of the teacher at t and one with both texts at t′; at κ = 1 there is no pull, and it is DMD2.
 *
 * Source: Liu et al., arXiv:2511.22677 (decoupled DMD); there is no official code.
 *
 * @param options - what differs from the defaults.
 * @returns the method, for `distill`.
 * @throws SidError `invalid-argument`, `out-of-range` or `not-finite` for options that make no sense.
 *
 * @example
 * ```ts
 * import { ddpmSchedule, decoupledDmd } from "sid-lsg";
 * import { tensor1d, tensor2d } from "@tensorflow/tfjs-core";
 *
 * const method = decoupledDmd({ guidanceScale: 3, weight: "none" });
 * const tensors = {
 *   generated: tensor2d([[1]]),
 *   teacher: tensor2d([[0.5]]),
 *   fake: tensor2d([[0.75]]),
 *   conditional: tensor2d([[0.5]]),
 *   unconditional: tensor2d([[0.25]]),
 * };
 * const { generated } = method.generator.cotangents(tensors, {
 *   level: { alpha: [0.8], sigma: [0.6] },
 *   t: [500],
 *   moment: { schedule: ddpmSchedule(), nimg: 0, iteration: 0 },
 *   valid: tensor1d([1]),
 * });
 * console.log(generated?.dataSync()[0]); // (0.75 − 0.5) + 2·(0.25 − 0.5) = -0.25
 * ```
 */
export function decoupledDmd(options: StoppedGradientMethodOptions = {}): ScoreMethod {
  const defaults = dmd2Defaults();
  const settled = settleOptions("decoupledDmd", options, stoppedGradientOptions, defaults);
  const pull = settled.guidanceScale - 1;
  const fakeScore = { first: "generator" } as const;
  if (pull === 0) return distributionMatching("decoupledDmd", settled, defaults, dmd2Recipe, { fakeScore });
  return stoppedGradientMethod({
    name: "decoupledDmd",
    settings: settingsOf(settled, defaults),
    settled,
    asks: {
      teacher: { of: "teacher", guidanceScale: 1 },
      fake: { of: "fakeScore", guidanceScale: 1 },
      conditional: { of: "teacher", guidanceScale: 1, at: "other" },
      unconditional: { of: "teacher", guidanceScale: 0, at: "other" },
    },
    otherTimesteps: cleaner(),
    compare: ({ teacher, fake, conditional, unconditional }) => ({
      teacher: add(teacher, mul(sub(conditional, unconditional), pull)),
      fake,
    }),
    more: { fakeScore: { ...fakeScoreOf(settled), ...fakeScore }, recipe: dmd2Recipe },
  });
}
