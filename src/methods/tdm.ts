import { add, div, mul, sqrt, square, sub, type Tensor } from "@tensorflow/tfjs-core";
import { checkObject, checkPositive } from "../core/checks";
import { SidError } from "../core/errors";
import { onlyValid, reduce } from "../losses/reduce";
import { type LossInputs, weightOf } from "../losses/weights";
import {
  distributionMatching,
  matchingDefaults,
  type StoppedGradientMethodOptions,
  settleOptions,
  stoppedGradientOptions,
} from "./stopped-gradient";
import { uniformTimes } from "./times";
import type { ScoreMethod } from "./types";

/** A pseudo-Huber distance. */
export interface PseudoHuber {
  /** c, above 0: about where it goes from squared to linear. */
  readonly huber: number;
}

/** Options of {@link tdm}. */
export interface TdmOptions extends StoppedGradientMethodOptions {
  /**
   * How far `f_φ` and `f_ψ` are apart: pseudo-Huber with c, element by element, or squared.
   * @defaultValue `{ huber: 1e-3 }`
   */
  readonly distance?: "squared" | PseudoHuber | undefined;
}

/** Uniform within the interval of the generator's last pass, its cleaner end left out. */
const within = () =>
  uniformTimes(({ interval }) => {
    if (interval === undefined)
      throw new SidError(
        "invalid-argument",
        "tdm: the generator must tell the times of its passes (times), as those of generatorFrom do; or give timesteps and fakeTimesteps with laws of your own.",
      );
    return { low: 0.02, high: 1, after: interval.to, upTo: interval.from };
  });

/**
 * Trajectory distribution matching: a generator of a few deterministic steps, each of which learns at times within its own
 * interval only.
 *
 *     g = D/(M·√(D² + c²))  or  2D/M,   D = f_ψ − f_φ,κ,   M = mean |x_g − f_φ,κ|
 *
 * x_s is where the deterministic sampler arrives from the last pass, x_t is made from x_s with t in the pass's interval.
 * Since the noise of x_s is not fresh, ψ does not regress to x_g but to `(x_t − (s_t²/s_{t|s})·ε)/a_t`, whose mean at x_t is
 * that of the score there (derived; the official code regresses to x_g).
 *
 * | | default | |
 * |---|---|---|
 * | distance | pseudo-Huber, c = 1e-3 (the paper: 0.00054·√d); the code's other one is 2D/M | official code |
 * | κ | 4.5 | official code |
 * | t of both updates | uniform in the last pass's interval, from 20 of 1000 on | official code |
 * | ψ | the error of x0 times min(SNR, 5); the code's importance weight, about 1 as it computes it, is left out | official code |
 * | | and times `(s_{t|s}/s_t)²`, the inverse of its target's variance | ours |
 * | over a sample | mean in both losses | official code |
 * | steps | a random number of passes, the same in both updates | official code |
 * | ψ per G | 1, ψ first | official code |
 * | AdamW | (0, 0.95), decay 0.01, G at 4e-6, ψ at 2e-5, gradients clipped to norm 1 | official code |
 *
 * The official generator has 4 steps, joined by DDIM (`between: "ddim"` of `generatorFrom`), and learns through the last
 * pass alone. Near the interval's cleaner end ψ's target is all noise, of deviation `s_t²/(s_{t|s}·a_t)`; unweighted, these
 * times drown the others.
 *
 * Source: Luo et al., arXiv:2503.06674; TDM@81b019f train_tdm_demo.py L1082-1187. The target: arXiv:2510.27684 (phased DMD).
 *
 * @param options - what differs from the defaults.
 * @returns the method, for `distill`.
 * @throws SidError `invalid-argument`, `out-of-range` or `not-finite` for options that make no sense.
 *
 * @example
 * ```ts
 * import { ddpmSchedule, tdm } from "sid-lsg";
 * import { tensor1d, tensor2d } from "@tensorflow/tfjs-core";
 *
 * const tensors = { generated: tensor2d([[1]]), teacher: tensor2d([[0.5]]), fake: tensor2d([[0.75]]) };
 * const { generated } = tdm({ distance: "squared" }).generator.cotangents(tensors, {
 *   level: { alpha: [0.8], sigma: [0.6] },
 *   t: [300],
 *   moment: { schedule: ddpmSchedule(), nimg: 0, iteration: 0, interval: { from: 499, to: 249 } },
 *   valid: tensor1d([1]),
 * });
 * console.log(generated?.dataSync()[0]); // 2·(0.75 − 0.5)/0.5 = 1
 * ```
 */
export function tdm(options: TdmOptions = {}): ScoreMethod<"teacher" | "fake"> {
  const law = within();
  const defaults = {
    ...matchingDefaults(),
    ...({ guidanceScale: 4.5, fakeWeight: "min-snr", steps: "random" } as const),
    ...{ timesteps: law, fakeTimesteps: law },
    distance: { huber: 1e-3 },
  };
  const settled = settleOptions("tdm", options, { ...stoppedGradientOptions, distance: 1 }, defaults);
  const { distance } = settled;
  if (distance !== "squared") {
    const { huber } = checkObject("tdm", 'distance must be "squared" or { huber }, and it', distance, { huber: 1 });
    checkPositive("tdm", "distance.huber", huber);
  }
  const recipe = {
    ...{ learningRate: 4e-6, fakeLearningRate: 2e-5, beta1: 0, beta2: 0.95, weightDecay: 0.01, clipNorm: 1 },
  };
  return distributionMatching("tdm", settled, defaults, recipe, {
    noising: "interval",
    parts: {
      ...(distance === "squared" ? { factor: () => 2 } : { huber: distance.huber }),
      loss: (inputs, { level, valid }) => {
        const weighted = mul(weightOf("tdm", inputs, settled.weight, level), apart(inputs, distance));
        return reduce(onlyValid(weighted, valid), settled.reduction);
      },
    },
  });
}

/** D², or √(D² + c²) − c without its cancellation. */
function apart({ teacher, fake }: LossInputs, distance: Exclude<TdmOptions["distance"], undefined>): Tensor {
  const squares = square(sub(fake, teacher));
  if (distance === "squared") return squares;
  const { huber } = distance;
  return div(squares, add(sqrt(add(squares, huber * huber)), huber));
}
