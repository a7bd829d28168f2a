import { type Settled, settingsOf } from "./options";
import { type TeacherOnlyOptions, teacherOnlyDefaults, teacherOnlyOptions } from "./sds";
import { settleOptions, stoppedGradientMethod } from "./stopped-gradient";
import { uniformTimes } from "./times";
import type { ScoreMethod } from "./types";

/** Options of {@link csd}; there is no κ, for the direction is that of guidance alone. */
export type CsdOptions = TeacherOnlyOptions;

/**
 * Classifier score distillation: what guidance adds to the teacher, and nothing else.
 *
 *     g = ω(f_∅ − f_c)
 *
 * f_∅ stands for f_ψ and f_c for f_φ. It pulls towards the text and descends no divergence. An iteration costs the
 * generator's passes and the teacher with and without the text.
 *
 * The official code's other form, `s²(ε_c + u·ε_neg + n·ε_∅)` with u from −1 to −0.5 and n from 0 to −0.5 over 10k steps,
 * wants a third text. Of it there is here the beginning, u = −1 and n = 0: give the negative prompt as the run's empty
 * condition.
 *
 * | | default | |
 * |---|---|---|
 * | ω | a·s | official code |
 * | t | uniform on 20 … 500 of 1000 (the refinement's range) | official code |
 * | | `ve`: the same part of EDM's ladder; `flow`: [0.02, 0.5] | ours |
 * | over a sample | sum | official code |
 *
 * Source: Yu et al., arXiv:2310.19415; CSD@ffa4f53 stable_diffusion_triple_guidance.py.
 *
 * @param options - what differs from the defaults.
 * @returns the method, for `distill` without a fake score.
 * @throws SidError `invalid-argument`, `out-of-range` or `not-finite` for options that make no sense.
 *
 * @example
 * ```ts
 * import { csd, ddpmSchedule } from "sid-lsg";
 * import { tensor1d, tensor2d } from "@tensorflow/tfjs-core";
 *
 * const tensors = {
 *   generated: tensor2d([[1]]),
 *   conditional: tensor2d([[0.75]]),
 *   unconditional: tensor2d([[0.25]]),
 * };
 * const { generated } = csd().generator.cotangents(tensors, {
 *   level: { alpha: [0.8], sigma: [0.6] },
 *   t: [300],
 *   moment: { schedule: ddpmSchedule(), nimg: 0, iteration: 0 },
 *   valid: tensor1d([1]),
 * });
 * console.log(generated?.dataSync()[0]); // 0.8·0.6·(0.25 − 0.75) = -0.24
 * ```
 */
export function csd(options: CsdOptions = {}): ScoreMethod<"conditional" | "unconditional"> {
  const defaults: Settled<CsdOptions> = {
    ...teacherOnlyDefaults(),
    timesteps: uniformTimes({ low: 0.02, high: 0.5 }),
  };
  const settled = settleOptions("csd", options, teacherOnlyOptions, defaults);
  return stoppedGradientMethod({
    name: "csd",
    settings: settingsOf(settled, defaults),
    settled,
    asks: {
      conditional: { of: "teacher", guidanceScale: 1 },
      unconditional: { of: "teacher", guidanceScale: 0 },
    },
    compare: ({ conditional, unconditional }) => ({ teacher: conditional, fake: unconditional }),
  });
}
