import { add, clone, mul, type Tensor, tidy } from "@tensorflow/tfjs-core";
import { checkFloat32, checkObject } from "../core/checks";
import { SidError } from "../core/errors";
import { perSample } from "../core/per-sample";
import { checkPrediction, type PredictionName, type PredictionType } from "../core/prediction-type";
import { checkSameShape } from "../core/tensor-checks";
import { batchOf, checkLevel, type NoiseLevel } from "./level";

/** A quantity `x0·(signal) + ε·(noise)`. */
interface Form {
  readonly signal: number;
  readonly noise: number;
}

/** Every prediction as a linear form in `(x0, ε)` at the level `(a, s)`. */
const forms: Readonly<Record<PredictionType, (a: number, s: number) => Form>> = {
  eps: () => ({ signal: 0, noise: 1 }),
  x0: () => ({ signal: 1, noise: 0 }),
  v: (a, s) => ({ signal: -s, noise: a }),
  score: (_, s) => ({ signal: 0, noise: -1 / s }),
  flow: () => ({ signal: -1, noise: 1 }),
};

/** The two numbers per sample in `converted = ofXt·x_t + ofPrediction·prediction`. */
export interface ConversionCoefficients {
  /** Factor of `x_t`, per sample. */
  readonly ofXt: readonly number[];
  /** Factor of the prediction, per sample. */
  readonly ofPrediction: readonly number[];
}

/** Which conversion {@link conversionCoefficients} describes. */
export interface ConversionKind {
  /** The noise level of each sample. */
  readonly level: NoiseLevel;
  /** What is there. */
  readonly predicts: PredictionName;
  /** What is wanted. */
  readonly to: PredictionName;
}

/**
 * Every conversion between predictions is affine at a fixed `x_t`: `q = A·x_t + B·p`.
 *
 * With `p = p₁·x0 + p₂·ε`, `q` likewise and `x_t = a·x0 + s·ε`, matching the factors of x0 and ε
 * gives `A = (q₁p₂ − q₂p₁)/D`, `B = (a·q₂ − s·q₁)/D`, `D = a·p₂ − s·p₁`. Where `p` and `q` are
 * multiples of each other, `A = 0` and `B` is their ratio, so nothing is divided by `D`.
 *
 * `B` is also how an error in one prediction shows in another, which is where SNR weights come from.
 *
 * @param kind - the level and the two prediction types.
 * @returns float64 numbers, one pair per sample.
 * @throws SidError `out-of-range` where the conversion does not exist: from `eps` or `score` at
 *   `alpha = 0` (zero terminal SNR), from `x0` at `sigma = 0`, from or to `score` at `sigma = 0`.
 *
 * @example
 * ```ts
 * import { conversionCoefficients } from "sid-lsg";
 *
 * const level = { alpha: [0.8], sigma: [0.6] };
 * console.log(conversionCoefficients({ level, predicts: "v", to: "x0" })); // { ofXt: [0.8], ofPrediction: [-0.6] }
 * ```
 */
export function conversionCoefficients(kind: ConversionKind): ConversionCoefficients {
  const where = "conversionCoefficients";
  const { level, predicts, to } = checkObject(where, "kind", kind, { level: 1, predicts: 1, to: 1 });
  checkLevel(where, level, level?.alpha?.length ?? 0);
  return coefficients(where, level, predicts, to);
}

/** What {@link convertPrediction} converts. */
export interface ConvertPredictionInputs {
  /** The prediction, of the type `predicts`, `[B, ...]`. */
  readonly prediction: Tensor;
  /** The noisy samples it was made at, of the same shape. */
  readonly xt: Tensor;
  /** Their noise level. */
  readonly level: NoiseLevel;
  /** What `prediction` is. */
  readonly predicts: PredictionName;
  /** What is wanted. */
  readonly to: PredictionName;
}

/**
 * Turns a prediction of one type into another, each sample at its own level.
 *
 *     x0 = (x_t − σ·ε)/α        score = −ε/σ
 *     v  = α·ε − σ·x0           flow  = ε − x0
 *
 * All 25 pairs at VP, EDM and flow levels; see {@link conversionCoefficients} for the formula.
 *
 * Source: v is that of Salimans & Ho, arXiv:2202.00512; the rest is algebra.
 *
 * @param inputs - float32 tensors of one shape `[B, ...]`, a level of `B` samples and two types.
 * @returns a tensor of that shape; the caller owns it. Differentiable in `prediction` and `xt`.
 * @throws SidError `shape-mismatch`, or `out-of-range` at levels where the conversion does not exist.
 *
 * @example
 * ```ts
 * import { convertPrediction } from "sid-lsg";
 * import { tensor2d } from "@tensorflow/tfjs-core";
 *
 * const x0 = convertPrediction({
 *   prediction: tensor2d([[1, -1]]),
 *   xt: tensor2d([[1.4, 1]]),
 *   level: { alpha: [0.8], sigma: [0.6] },
 *   predicts: "eps",
 *   to: "x0",
 * });
 * console.log(x0.dataSync()); // 1, 2
 * ```
 */
export function convertPrediction(inputs: ConvertPredictionInputs): Tensor {
  const where = "convertPrediction";
  const { prediction, xt, level, predicts, to } = checkObject(where, "inputs", inputs, {
    prediction: 1,
    xt: 1,
    level: 1,
    predicts: 1,
    to: 1,
  });
  checkSameShape(where, { prediction, xt });
  checkLevel(where, level, batchOf(xt));
  const { ofXt, ofPrediction } = coefficients(where, level, predicts, to);
  checkFloat32(where, "factor of xt", ofXt);
  checkFloat32(where, "factor of prediction", ofPrediction);
  if (checkPrediction(where, "predicts", predicts) === checkPrediction(where, "to", to)) return clone(prediction);
  return tidy(() => add(mul(xt, perSample(ofXt, xt.rank)), mul(prediction, perSample(ofPrediction, xt.rank))));
}

/** What {@link predictionTarget} is made of. */
export interface PredictionTargetInputs {
  /** Clean samples `[B, ...]`. */
  readonly x0: Tensor;
  /** The noise that was added, of the same shape. */
  readonly noise: Tensor;
  /** How it was added. */
  readonly level: NoiseLevel;
  /** The prediction type wanted. */
  readonly predicts: PredictionName;
}

/**
 * What a perfect prediction of the type `predicts` would be for known `x0` and `ε`: the regression target
 * of denoising score matching.
 *
 * Source: Vincent, "A connection between score matching and denoising autoencoders", 2011; v is that of Salimans & Ho,
 * arXiv:2202.00512, and flow that of Liu et al., arXiv:2209.03003.
 *
 * @param inputs - float32 tensors of one shape `[B, ...]`, a level of `B` samples and a type.
 * @returns a tensor of that shape; the caller owns it.
 * @throws SidError `shape-mismatch`, or `out-of-range` for `score` at `sigma = 0`.
 *
 * @example
 * ```ts
 * import { predictionTarget } from "sid-lsg";
 * import { tensor2d } from "@tensorflow/tfjs-core";
 *
 * const level = { alpha: [0.8], sigma: [0.6] };
 * const v = predictionTarget({ x0: tensor2d([[1, 2]]), noise: tensor2d([[1, -1]]), level, predicts: "v" });
 * console.log(v.dataSync()); // 0.2, -2
 * ```
 */
export function predictionTarget(inputs: PredictionTargetInputs): Tensor {
  const where = "predictionTarget";
  const { x0, noise, level, predicts } = checkObject(where, "inputs", inputs, {
    x0: 1,
    noise: 1,
    level: 1,
    predicts: 1,
  });
  checkSameShape(where, { x0, noise });
  checkLevel(where, level, batchOf(x0));
  const type = checkPrediction(where, "predicts", predicts);
  const all = level.alpha.map((a, i) => formOf(where, type, a, level.sigma[i] as number, i));
  const signal = all.map((form) => form.signal);
  const factor = all.map((form) => form.noise);
  checkFloat32(where, "factor of x0", signal);
  checkFloat32(where, "factor of noise", factor);
  return tidy(() => add(mul(x0, perSample(signal, x0.rank)), mul(noise, perSample(factor, x0.rank))));
}

/** {@link conversionCoefficients} in another function's name, for a level that was checked. */
export function coefficients(
  where: string,
  level: NoiseLevel,
  predicts: PredictionName,
  wanted: PredictionName,
): ConversionCoefficients {
  const from = checkPrediction(where, "predicts", predicts);
  const to = checkPrediction(where, "to", wanted);
  const pairs = level.alpha.map((a, i) => {
    const s = level.sigma[i] as number;
    const p = formOf(where, from, a, s, i);
    const q = formOf(where, to, a, s, i);
    const cross = q.signal * p.noise - q.noise * p.signal;
    if (cross === 0) return [0, p.signal !== 0 ? q.signal / p.signal : q.noise / p.noise] as const;
    const determinant = a * p.noise - s * p.signal;
    if (determinant === 0)
      throw new SidError(
        "out-of-range",
        `${where}: ${from} does not determine ${to} where alpha is ${a} and sigma is ${s}, at sample ${i}.`,
      );
    return [cross / determinant, (a * q.noise - s * q.signal) / determinant] as const;
  });
  return { ofXt: pairs.map(([ofXt]) => ofXt), ofPrediction: pairs.map(([, ofPrediction]) => ofPrediction) };
}

function formOf(where: string, type: PredictionType, a: number, s: number, sample: number): Form {
  if (type === "score" && s === 0)
    throw new SidError("out-of-range", `${where}: there is no score where sigma is 0, at sample ${sample}.`);
  return forms[type](a, s);
}
