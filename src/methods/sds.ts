import type { KeysOf } from "../core/checks";
import { type MethodOptions, type Settled, settingsOf } from "./options";
import { matchingDefaults, settleOptions, stoppedGradientMethod } from "./stopped-gradient";
import type { ScoreMethod } from "./types";

/** What can be chosen of the methods that have no fake score, {@link sds} and {@link csd}. */
export type TeacherOnlyOptions = Pick<MethodOptions, "weight" | "timesteps" | "lossScale" | "reduction" | "steps">;

/** The keys of {@link TeacherOnlyOptions}. */
export const teacherOnlyOptions: KeysOf<TeacherOnlyOptions> = {
  ...{ weight: 1, timesteps: 1, lossScale: 1, reduction: 1, steps: 1 },
};

/** The defaults of both. */
export function teacherOnlyDefaults(): Settled<TeacherOnlyOptions> {
  const { timesteps, lossScale, steps } = matchingDefaults();
  return { weight: "alpha-sigma", timesteps, lossScale, reduction: "sum", steps };
}

/** Options of {@link sds}. */
export interface SdsOptions extends TeacherOnlyOptions {
  /**
   * κ of the teacher, in `f_∅ + κ(f_c − f_∅)`. A scale s of `f_c + s(f_c − f_∅)` is κ = 1 + s.
   * @defaultValue `101`
   */
  readonly guidanceScale?: number | undefined;
}

/**
 * Score distillation sampling: a teacher alone, no fake score.
 *
 *     g = ω(x_g − f_φ,κ)        = w(ε_φ,κ − ε) with w = ω·s/a
 *
 * x_g stands for f_ψ, so with exact scores and ω = 1 it descends `(s²/a²)·∇[KL(p_θ,t ‖ p_data,t) + I(x_g; x_t)]`: the
 * spread shrinks by design. An iteration costs the generator's passes and one of the teacher, guided.
 *
 * | | default | |
 * |---|---|---|
 * | ω | a·s, which is `w = s²`; `alpha-over-sigma` is w = 1, `alpha-squared-sigma` is w = a·s² | official code |
 * | κ | 101: threestudio's 100, which is `f_c + 100(f_c − f_∅)`; stable-dreamfusion's κ is 100 | official code |
 * | t | uniform on 20 … 980 of 1000 | official code |
 * | | `ve`: the same part of EDM's ladder; `flow`: [0.02, 0.98] | ours |
 * | over a sample | sum | official code |
 *
 * Source: Poole et al., arXiv:2209.14988; threestudio@28d9d80 stable_diffusion_guidance.py L250-277; stable-dreamfusion@5550b91
 * sd_utils.py L98-161.
 *
 * @param options - what differs from the defaults.
 * @returns the method, for `distill` without a fake score.
 * @throws SidError `invalid-argument`, `out-of-range` or `not-finite` for options that make no sense.
 *
 * @example
 * ```ts
 * import { ddpmSchedule, sds } from "sid-lsg";
 * import { tensor1d, tensor2d } from "@tensorflow/tfjs-core";
 *
 * const method = sds();
 * console.log(method.settings["guidanceScale"]); // 101
 * const tensors = { generated: tensor2d([[1]]), teacher: tensor2d([[0.5]]) };
 * const { generated } = method.generator.cotangents(tensors, {
 *   level: { alpha: [0.8], sigma: [0.6] },
 *   t: [500],
 *   moment: { schedule: ddpmSchedule(), nimg: 0, iteration: 0 },
 *   valid: tensor1d([1]),
 * });
 * console.log(generated?.dataSync()[0]); // 0.8·0.6·(1 − 0.5) = 0.24
 * ```
 */
export function sds(options: SdsOptions = {}): ScoreMethod<"teacher"> {
  const defaults: Settled<SdsOptions> = { ...teacherOnlyDefaults(), guidanceScale: 101 };
  const settled = settleOptions("sds", options, { ...teacherOnlyOptions, guidanceScale: 1 }, defaults);
  return stoppedGradientMethod({
    name: "sds",
    settings: settingsOf(settled, defaults),
    settled,
    asks: { teacher: { of: "teacher", guidanceScale: settled.guidanceScale } },
    compare: ({ generated, teacher }) => ({ teacher, fake: generated }),
  });
}
