import { abs, add, div, mean, reshape, sub, type Tensor, type Tensor1D, tensor1d, tidy } from "@tensorflow/tfjs-core";
import { checkRunning } from "../core/check-backend";
import { checkInteger } from "../core/checks";
import { SidError } from "../core/errors";
import { sampleSize, sumPerSample } from "../core/per-sample";
import { checkFDivergence, type FDivergenceName, fDivergenceWeights } from "../losses/f-divergence";
import { onlyValid } from "../losses/reduce";
import type { LossInputs } from "../losses/weights";
import type { NoiseSchedule } from "../schedules/types";
import { type AdversarialOptions, adversarialTerm, checkAdversarial, discriminatorUpdate } from "./non-saturating";
import type { Settled } from "./options";
import {
  distributionMatching,
  matchingDefaults,
  type StoppedGradientMethodOptions,
  settleOptions,
  stoppedGradientOptions,
} from "./stopped-gradient";
import type { ScoreMethod } from "./types";

/** Options of {@link fDistill}. */
export interface FDistillOptions extends StoppedGradientMethodOptions, AdversarialOptions {
  /**
   * The divergence, by its name or by `h(r) = r²·f″(r)` at ratios `r = p_data/p_θ`, `[B]` to `[B]`. An h of your own is
   * evaluated once, when the method is made, on ratios from 1e-3 to 1e3, where it may nowhere be negative; the backend must
   * be ready by then. Where the backend cannot wait for values (WebGPU in Node), that is left unchecked, with a warning.
   * @defaultValue `"jensen-shannon"`
   */
  readonly divergence?: FDivergenceName | ((r: Tensor1D) => Tensor) | undefined;
  /**
   * The range that ratios are clipped to, and logits to ±10; `null` takes them as they are.
   * @defaultValue `[0.1, 20]`
   */
  readonly clip?: readonly [number, number] | null | undefined;
  /**
   * Bins of time within each of which a batch's ratios are divided by their mean; 0 divides nothing.
   * @defaultValue `10`
   */
  readonly bins?: number | undefined;
  /**
   * Whether h is divided by its mean over the batch.
   * @defaultValue `true`
   */
  readonly normalize?: boolean | undefined;
}

/**
 * f-distill: distribution matching by any f-divergence, its weight from a discriminator's logit.
 *
 *     g = ω·h̄(r)·(f_ψ − f_φ,κ),   h(r) = r²·f″(r),   r = exp(logit) = p_data,t/p_θ,t     and  + weight·mean softplus(−D)
 *
 * With ω = 1 and a perfect logit, and without clipping and normalising (`weight: "none", clip: null, bins: 0,
 * normalize: false`), `E[g·∂_θ x_g] = (s²/a²)·∇_θ D_f(p_data,t ‖ p_θ,t)`. With the defaults it descends no divergence exactly.
 *
 * | | default | |
 * |---|---|---|
 * | divergence | Jensen–Shannon, h = r/(1 + r); see {@link FDivergenceName} | official code |
 * | r | logits, averaged over a sample's, to ±10, r to [0.1, 20], divided by the mean of its time's bin, of 10 of equal width | official code |
 * | h̄ | h divided by its mean over the batch | official code |
 * | ω | 1/(M + 1e-6), M = mean abs(x_g − f_φ,κ) | official code |
 * | κ | 1.75 | official code |
 * | t of G | uniform on 20 … 980 of 1000, as DMD2; the code's range for SD1.5 is [0.001, 0.999] | ours |
 * | ψ | a copy of the teacher, the error of x0, t uniform on 0 … 999 | official code |
 * | over a sample | mean in both losses | official code |
 * | ψ per G | 9, ψ first | official code |
 * | AdamW | (0.9, 0.999), decay 0.01, 1e-5, gradients clipped to norm 10 | official code; there ψ's are not clipped |
 * | `adversarialWeight` | 1e-3, at the x_t of g; the code refuses 0, here it leaves the term away | official code |
 * | `discriminatorWeight` | 1, at the x_t of ψ's update, whose time and noise the real image shares | official code; there the real image has its own |
 *
 * The official discriminator is a head on the teacher's features.
 *
 * Source: Xu et al., arXiv:2502.15681; FastGen@34f30e8 f_distill.py L20-111, dmd2.py L67-395, common_loss.py L12-136.
 *
 * @param options - what differs from the defaults.
 * @returns the method, for `distill`; it needs a discriminator and real images.
 * @throws SidError `invalid-argument`, `out-of-range` or `not-finite` for options that make no sense; `invalid-argument` for
 *   an h that is negative somewhere, of no f-divergence; `missing-backend` for an h of your own before a backend runs.
 *
 * @example
 * ```ts
 * import { ddpmSchedule, fDistill } from "sid-lsg";
 * import { tensor1d, tensor2d } from "@tensorflow/tfjs-core";
 *
 * const method = fDistill({ divergence: "forward-kl", weight: "none", clip: null, bins: 0, normalize: false });
 * const tensors = {
 *   generated: tensor2d([[1]]),
 *   teacher: tensor2d([[0.5]]),
 *   fake: tensor2d([[0.75]]),
 *   logit: tensor1d([Math.log(2)]),
 * };
 * const { generated } = method.generator.cotangents(tensors, {
 *   level: { alpha: [0.8], sigma: [0.6] },
 *   t: [500],
 *   moment: { schedule: ddpmSchedule(), nimg: 0, iteration: 0 },
 *   valid: tensor1d([1]),
 * });
 * console.log(generated?.dataSync()[0]); // 2·(0.75 − 0.5) = 0.5
 * ```
 */
export function fDistill(options: FDistillOptions = {}): ScoreMethod<"teacher" | "fake" | "logit"> {
  const defaults: Settled<FDistillOptions> = {
    ...matchingDefaults(),
    ...({ guidanceScale: 1.75, weight: overDistance, fakeWeight: "x0", fakeUpdates: 9, steps: "random" } as const),
    ...({ divergence: "jensen-shannon", clip: [0.1, 20], bins: 10, normalize: true } as const),
    ...{ adversarialWeight: 1e-3, discriminatorWeight: 1 },
  };
  const keys = {
    ...stoppedGradientOptions,
    ...({ divergence: 1, clip: 1, bins: 1, normalize: 1, adversarialWeight: 1, discriminatorWeight: 1 } as const),
  };
  const settled = settleOptions("fDistill", options, keys, defaults);
  checkAdversarial("fDistill", settled);
  const { divergence, clip, bins, normalize, adversarialWeight, discriminatorWeight } = settled;
  checkInteger("fDistill", "bins", bins, 0);
  const how = checkFDivergence("fDistill", { divergence, clip, normalize });
  const recipe = { learningRate: 1e-5, beta1: 0.9, beta2: 0.999, weightDecay: 0.01, clipNorm: 10 };
  return distributionMatching<"logit">("fDistill", settled, defaults, recipe, {
    fakeScore: { discriminator: discriminatorUpdate(discriminatorWeight) },
    asks: { logit: { of: "discriminator", gradient: adversarialWeight > 0 } },
    parts: {
      factor: ({ logit }, { t, valid, moment, sumOverRanks }) => {
        const one = mean(reshape(onlyValid(logit, valid), [logit.shape[0] as number, -1]), 1) as Tensor1D;
        const at = bins === 0 ? undefined : t.map((time) => binOf(time, moment.schedule, bins));
        const inputs = { logit: one, bins: at, numBins: at && bins, valid, sumOverRanks };
        return fDivergenceWeights(inputs, how);
      },
      term:
        adversarialWeight === 0
          ? undefined
          : ({ logit }, { valid }) => adversarialTerm(logit, valid, adversarialWeight),
    },
    warnings: checkConvex(divergence),
  });
}

/** `1/(M + 1e-6)`. */
function overDistance({ generated, teacher }: LossInputs): Tensor1D {
  return div(1, add(div(sumPerSample(abs(sub(generated, teacher))), sampleSize(generated)), 1e-6)) as Tensor1D;
}

/** Which of so many equal parts of the schedule's range a time lies in. */
function binOf(t: number, { tMin, tMax }: NoiseSchedule, bins: number): number {
  return Math.min(Math.max(Math.floor(((t - tMin) / (tMax - tMin)) * bins), 0), bins - 1);
}

/** Throws for an h that is no divergence's; returns a warning where it could not be looked at. */
function checkConvex(divergence: Settled<FDistillOptions>["divergence"]): string[] {
  if (typeof divergence !== "function") return [];
  checkRunning("fDistill");
  const ratios = Array.from({ length: 61 }, (_, i) => 10 ** (i / 10 - 3));
  return tidy(() => {
    const h = fDivergenceWeights({ logit: tensor1d(ratios.map(Math.log)) }, { divergence, clip: null });
    let values: ArrayLike<number>;
    try {
      values = h.dataSync();
    } catch (error) {
      if (!(error instanceof SidError && error.code === "unsupported")) throw error;
      return ["fDistill: whether the divergence's h is nowhere negative could not be checked on this backend."];
    }
    const bad = ratios.findIndex((_, i) => !((values[i] as number) >= 0 && Number.isFinite(values[i])));
    if (bad >= 0)
      throw new SidError(
        "invalid-argument",
        `fDistill: divergence is not f-convex: h(r) = r²·f″(r) must be finite and nowhere negative, got ${values[bad]} at r = ${ratios[bad]?.toPrecision(3)}.`,
      );
    return [];
  });
}
