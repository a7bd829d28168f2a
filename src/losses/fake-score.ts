import { mul, type Scalar, square, sub, type Tensor, tidy } from "@tensorflow/tfjs-core";
import { checkFloat32, checkObject, checkOneOf, checkPerSample, checkRange } from "../core/checks";
import { perSample } from "../core/per-sample";
import type { PredictionName } from "../core/prediction-type";
import { checkSameShape } from "../core/tensor-checks";
import { coefficients, predictionTarget } from "../predict/convert";
import { batchOf, checkLevel, type NoiseLevel } from "../predict/level";
import { checkLossOptions, type LossOptions, onlyValid, reduce } from "./reduce";

/** What {@link fakeScoreLoss} compares. */
export interface FakeScoreInputs {
  /** The fake score's prediction at `x_t`, guided by `kappa1`, of the type `predicts`; `[B, ...]`. */
  readonly prediction: Tensor;
  /** The generator's samples `x_g` that `x_t` was made from, of the same shape. */
  readonly generated: Tensor;
  /** The noise ε that was added, of the same shape. */
  readonly noise: Tensor;
  /** How it was added. */
  readonly level: NoiseLevel;
}

/**
 * What the loss measures, whatever is predicted; `a = alpha` and `s = sigma` of the level:
 *
 * - `none`: the prediction as it is, of its own type;
 * - `eps`, `x0`, `v`, `flow`: the error of the noise, of the sample, of v, of the flow's velocity;
 * - `edm`: the error of x0 times λ of EDM at `σ_d = 0.5`, `a²/s² + 4`;
 * - `min-snr`: the error of x0 times `min(a²/s², 5)`;
 * - a function of a and s: the error of x0 times its result.
 */
export type FakeScoreWeight =
  | "none"
  | "eps"
  | "x0"
  | "v"
  | "flow"
  | "edm"
  | "min-snr"
  | ((alpha: number, sigma: number) => number);

/** The weights that have a name. */
export const fakeScoreWeights = ["none", "eps", "x0", "v", "flow", "edm", "min-snr"] as const;

/** The factor of each sample's squared error in the prediction's own type. */
function factors(where: string, level: NoiseLevel, predicts: PredictionName, weight: FakeScoreWeight): number[] {
  if (typeof weight !== "function") checkOneOf(where, "weight", weight, fakeScoreWeights);
  const squares = (to: PredictionName) => coefficients(where, level, predicts, to).ofPrediction.map((b) => b * b);
  if (weight === "none") return squares(predicts);
  if (typeof weight === "string" && weight !== "edm" && weight !== "min-snr") return squares(weight);
  const ofX0 = {
    edm: (a: number, s: number) => (a / s) ** 2 + 4,
    "min-snr": (a: number, s: number) => Math.min((a / s) ** 2, 5),
  };
  const own = typeof weight === "function" ? weight : ofX0[weight];
  return squares("x0").map((b, i) => b * own(level.alpha[i] as number, level.sigma[i] as number));
}

/** Options of {@link fakeScoreLoss}. */
export interface FakeScoreLossOptions extends LossOptions {
  /** What `prediction` is. */
  readonly predicts: PredictionName;
  /**
   * `eps` weights each sample so that the loss is that of the noise, whatever is predicted;
   * `none` compares the predictions as they are; see {@link FakeScoreWeight}.
   * @defaultValue `"eps"`
   */
  readonly weight?: FakeScoreWeight | undefined;
  /**
   * One more factor per sample of its weight, 0 or more.
   * @defaultValue 1
   */
  readonly factors?: readonly number[] | undefined;
}

/**
 * Denoising score matching on the generator's samples: the fake score's loss.
 *
 *     L = 1/B Σ_samples w · Σ (prediction − target)²
 *
 * The target is what a perfect prediction of `x_g` and ε would be. With the weight `eps`, w is
 * `B²` of the conversion to ε (an error e in the prediction is an error B·e in ε): 1 for ε, the
 * SNR for x0, `SNR/(SNR + 1)` for v on VP, σ² for the score, `α²/(α + σ)²` for flow.
 *
 * Source: SiD-LSG@709fc22 training/sid_training_loop.py L438-445. The v weight has shape `[B]` there
 * and broadcasts over the width; here it is per sample.
 *
 * @param inputs - float32 batches of one shape and the level; operands never broadcast.
 * @param options - what is predicted, the weight, the reduction and which samples count.
 * @returns a scalar, differentiable in `prediction`; the caller owns it.
 * @throws SidError `shape-mismatch`, or `out-of-range` at a level where the target or the weight
 *   does not exist (`sigma = 0` for x0 and score).
 *
 * @example
 * ```ts
 * import { fakeScoreLoss } from "sid-lsg";
 * import { tensor2d } from "@tensorflow/tfjs-core";
 *
 * const loss = fakeScoreLoss(
 *   {
 *     prediction: tensor2d([[0.5, 0]]),
 *     generated: tensor2d([[1, 2]]),
 *     noise: tensor2d([[1, -1]]),
 *     level: { alpha: [0.8], sigma: [0.6] },
 *   },
 *   { predicts: "eps" },
 * );
 * console.log(loss.dataSync()[0]); // 0.5² + 1² = 1.25
 * ```
 */
export function fakeScoreLoss(inputs: FakeScoreInputs, options: FakeScoreLossOptions): Scalar {
  const where = "fakeScoreLoss";
  const { prediction, generated, noise, level } = checkObject(where, "inputs", inputs, {
    prediction: 1,
    generated: 1,
    noise: 1,
    level: 1,
  });
  const {
    predicts,
    weight = "eps",
    reduction,
    valid,
    factors: more,
  } = checkObject(where, "options", options, { predicts: 1, weight: 1, factors: 1, reduction: 1, valid: 1 });
  checkSameShape(where, { prediction, generated, noise });
  checkLevel(where, level, batchOf(prediction));
  checkLossOptions(where, prediction, options);
  if (more !== undefined) {
    checkPerSample(where, "factors", more, batchOf(prediction));
    more.forEach((factor, i) => void checkRange(where, `factors[${i}]`, factor, 0, Number.MAX_VALUE));
  }
  const own = factors(where, level, predicts, weight);
  const weights = checkFloat32(where, "weight", more ? own.map((w, i) => w * (more[i] as number)) : own);
  return tidy(() => {
    const target = predictionTarget({ x0: generated, noise, level, predicts });
    const error = onlyValid(sub(prediction, target), valid);
    return reduce(mul(perSample(weights, error.rank), square(error)), reduction);
  });
}
