import { checkFinite, checkRange } from "../core/checks";
import {
  distributionMatching,
  matchingDefaults,
  type StoppedGradientMethodOptions,
  settleOptions,
  stoppedGradientOptions,
} from "./stopped-gradient";
import type { ScoreMethod } from "./types";

/** Options of {@link swiftBrush}. */
export interface SwiftBrushOptions extends StoppedGradientMethodOptions {
  /**
   * κ of the fake score in the generator's loss.
   * @defaultValue that of the teacher
   */
  readonly fakeGuidanceScale?: number | undefined;
  /**
   * Share of the conditions that become the empty one in the fake score's update.
   * @defaultValue `0.1`
   */
  readonly contextDropout?: number | undefined;
}

/** a² times the error of the noise, as a weight of the error of x0. */
const signalTimesNoise = (alpha: number, sigma: number) => alpha ** 4 / sigma ** 2;

/**
 * SwiftBrush: variational score distillation of a one-step generator, with both networks guided.
 *
 *     g = ω(f_ψ,κ − f_φ,κ)
 *
 * | | default | |
 * |---|---|---|
 * | ω | a·s | official code |
 * | κ of φ and of ψ in G's loss | 4.5 | paper; the code's default is 7.5 |
 * | t of G | uniform on 20 … 980 of 1000 | official code |
 * | ψ | a LoRA of rank 64 and γ = 128 of the teacher, a² times the error of the noise, t uniform on 0 … 999 | official code |
 * | text "" in ψ's update | 10 % | official code |
 * | over a sample | mean in both losses | official code |
 * | ψ per G | 1, G first | official code |
 * | Adam | (0.9, 0.999), G at 1e-6, ψ at 1e-3, gradients clipped to norm 1 | paper; betas and norm: code |
 *
 * The official generator is `(z − s_T·ε_θ(z, 999))/a_T` with `a_T² = 0.0047`. On other schedules the same shares of EDM's
 * ladder or of `[0, 1]` (ours).
 *
 * Source: Nguyen & Tran, arXiv:2312.05239; VinAIResearch/SwiftBrush@05f9202 train_swiftbrush.py.
 *
 * @param options - what differs from the defaults.
 * @returns the method, for `distill`.
 * @throws SidError `invalid-argument`, `out-of-range` or `not-finite` for options that make no sense.
 *
 * @example
 * ```ts
 * import { swiftBrush } from "sid-lsg";
 *
 * const { generator, fakeScore } = swiftBrush();
 * console.log(generator.asks.fake.guidanceScale, fakeScore?.contextDropout); // 4.5, 0.1
 * ```
 */
export function swiftBrush(options: SwiftBrushOptions = {}): ScoreMethod<"teacher" | "fake"> {
  const defaults = {
    ...matchingDefaults(),
    ...({ guidanceScale: 4.5, weight: "alpha-sigma", fakeWeight: signalTimesNoise } as const),
    ...{ fakeGuidanceScale: options?.guidanceScale ?? 4.5, contextDropout: 0.1 },
  };
  const keys = { ...stoppedGradientOptions, fakeGuidanceScale: 1, contextDropout: 1 } as const;
  const settled = settleOptions("swiftBrush", options, keys, defaults);
  const { fakeGuidanceScale, contextDropout } = settled;
  checkFinite("swiftBrush", "fakeGuidanceScale", fakeGuidanceScale);
  checkRange("swiftBrush", "contextDropout", contextDropout, 0, 1);
  const recipe = { learningRate: 1e-6, fakeLearningRate: 1e-3, beta1: 0.9, beta2: 0.999, clipNorm: 1 };
  const fakeScore = { contextDropout, first: "generator" } as const;
  return distributionMatching("swiftBrush", settled, defaults, recipe, { fakeGuidanceScale, fakeScore });
}
