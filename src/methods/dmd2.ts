import { type AdversarialOptions, adversarialTerm, checkAdversarial, discriminatorUpdate } from "./non-saturating";
import type { Settled } from "./options";
import {
  distributionMatching,
  matchingDefaults,
  type StoppedGradientMethodOptions,
  settleOptions,
  stoppedGradientOptions,
} from "./stopped-gradient";
import { uniformTimes } from "./times";
import type { Recipe, ScoreMethod } from "./types";

/** Options of {@link dmd2}. */
export interface Dmd2Options extends StoppedGradientMethodOptions, AdversarialOptions {}

/** The defaults that decoupled DMD shares. */
export function dmd2Defaults(): Settled<StoppedGradientMethodOptions> {
  return { ...matchingDefaults(), guidanceScale: 1.75, fakeUpdates: 10, steps: "random" };
}

/** The optimisers' settings that decoupled DMD shares. */
export const dmd2Recipe: Recipe = {
  learningRate: 1e-5,
  beta1: 0.9,
  beta2: 0.999,
  weightDecay: 0.01,
  clipNorm: 10,
};

/**
 * DMD2: distribution matching distillation without pairs of images, with more updates of the fake score and, if wanted, a
 * discriminator on real images.
 *
 *     g = (f_ψ − f_φ,κ)/M,   M = mean |x_g − f_φ,κ|,     and  + weight·mean softplus(−D(x_t′))  at another x_t′
 *
 * | | default | |
 * |---|---|---|
 * | ω | 1/M; the code has no floor and makes NaN 0, here M is at least 1e-5 | official code |
 * | κ | 1.75 (SD1.5); SDXL: 8; EDM: no guidance, 1 | official code |
 * | t of G | uniform on 20 … 980 of 1000; `ve`: the same steps of EDM's ladder of 1000 σ, 0.002 to 80 | official code |
 * | ψ | a copy of the teacher, the error of the noise (EDM: λ), t uniform on 0 … 999 | official code |
 * | over a sample | mean in both losses | official code |
 * | ψ per G | 10 (SD1.5); else 5; G first | official code |
 * | steps | a random number of passes, "backward simulation"; the gradient of the last (`gradientThrough: "last"` of `generatorFrom`) | official code |
 * | AdamW | (0.9, 0.999), decay 0.01, 1e-5, with a discriminator 5e-7, gradients clipped to norm 10 | official code |
 * | `adversarialWeight` | 0: none; SD1.5: 1e-3 for the last 2k of 41k iterations; SDXL: 5e-3; ImageNet: 3e-3 | official code |
 * | `discriminatorWeight` | 1e-2, at t uniform on 0 … 999 of its own | official code |
 *
 * `flow`: [0.02, 0.98] and [0.001, 0.999] (ours). The official discriminator is a small head on the middle of ψ, whose
 * encoder learns with it. Logits are not clipped. Each adversarial term adds the backward pass of a trunk to x_t′.
 *
 * Source: Yin et al., arXiv:2405.14867; DMD2@8d8fa55 main/sd_guidance.py L87-323, L391, main/train_sd.py L191-402,
 * main/edm/edm_guidance.py L61-161.
 *
 * @param options - what differs from the defaults.
 * @returns the method, for `distill`; with a discriminator it needs real images.
 * @throws SidError `invalid-argument`, `out-of-range` or `not-finite` for options that make no sense.
 *
 * @example
 * ```ts
 * import { ddpmSchedule, dmd2 } from "sid-lsg";
 * import { tensor1d, tensor2d } from "@tensorflow/tfjs-core";
 *
 * const method = dmd2({ guidanceScale: 8, fakeUpdates: 5 });
 * const tensors = { generated: tensor2d([[1]]), teacher: tensor2d([[0.5]]), fake: tensor2d([[0.75]]) };
 * const { generated } = method.generator.cotangents(tensors, {
 *   level: { alpha: [0.8], sigma: [0.6] },
 *   t: [500],
 *   moment: { schedule: ddpmSchedule(), nimg: 0, iteration: 0 },
 *   valid: tensor1d([1]),
 * });
 * console.log(generated?.dataSync()[0]); // (0.75 − 0.5)/0.5 = 0.5
 * console.log(dmd2({ adversarialWeight: 1e-3 }).generator.asks); // as well: the discriminator, at another x_t
 * ```
 */
export function dmd2(options: Dmd2Options = {}): ScoreMethod {
  const defaults: Settled<Dmd2Options> = { ...dmd2Defaults(), adversarialWeight: 0, discriminatorWeight: 1e-2 };
  const keys = { ...stoppedGradientOptions, adversarialWeight: 1, discriminatorWeight: 1 } as const;
  const settled = settleOptions("dmd2", options, keys, defaults);
  checkAdversarial("dmd2", settled);
  const { adversarialWeight, discriminatorWeight } = settled;
  if (adversarialWeight === 0)
    return distributionMatching("dmd2", settled, defaults, dmd2Recipe, { fakeScore: { first: "generator" } });
  const allTimes = uniformTimes({ low: 0, high: 1 });
  const recipe = { ...dmd2Recipe, learningRate: 5e-7 };
  return distributionMatching<"logit">("dmd2", settled, defaults, recipe, {
    fakeScore: { first: "generator", discriminator: discriminatorUpdate(discriminatorWeight, allTimes) },
    asks: { logit: { of: "discriminator", at: "other", gradient: true } },
    parts: {
      otherTimesteps: allTimes,
      term: ({ logit }, { valid }) => adversarialTerm(logit, valid, adversarialWeight),
    },
  });
}
