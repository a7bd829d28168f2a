import { abs, div, maximum, mul, reshape, scalar, sub, type Tensor, type Tensor1D } from "@tensorflow/tfjs-core";
import { checkFloat32, checkOneOf, type KeysOf, showShape } from "../core/checks";
import { SidError } from "../core/errors";
import { perSample, sampleSize, sumPerSample } from "../core/per-sample";
import { noGrad } from "../core/tape";
import { checkTensor } from "../core/tensor-checks";
import { batchOf, checkLevel, type NoiseLevel } from "../predict/level";

/** What the generator's loss compares: three x0-like batches of one shape. */
export interface LossInputs {
  /** The generator's samples `x_g`, `[B, ...]`. */
  readonly generated: Tensor;
  /** The teacher's x0-prediction `f_φ(x_t)`, guided by `kappa4`. */
  readonly teacher: Tensor;
  /** The fake score's x0-prediction `f_ψ(x_t)`, guided by `kappa2`. */
  readonly fake: Tensor;
}

/** The keys of {@link LossInputs}. */
export const lossInputs: KeysOf<LossInputs> = { generated: 1, teacher: 1, fake: 1 };

/**
 * The weight ω of each sample; a constant for the gradient whatever the choice. With `a = alpha` and `s = sigma` of the
 * level, which every name below `none` needs, and `M = max(mean|x_g − f_φ|, 1e-5)` over a sample's elements:
 *
 * - `l1`: `1/M`, the official code's normaliser. It depends on `x_g`, so the score identity holds only approximately:
 *   with it the loss at the fake score's optimum is not exactly the weighted distance `ω·‖δ‖²` that it stands for.
 * - `none`: 1.
 * - `snr`: `a²/s²`.
 * - `alpha-l1`: `a/M`.
 * - `alpha-sigma`: `a·s`, and `alpha-squared-sigma`: `a²·s`: the weights `s²` and `a·s²` on the noise, times `a/s`.
 * - `alpha-over-sigma`: `a/s`, which is `(1 − σ)/σ` with the σ of rectified flow.
 * - `one-minus-sigma`, `one-minus-sigma-squared`, `inverse-sigma`, `inverse-sigma-squared`: `1 − σ`, `(1 − σ)²`, `1/σ` and
 *   `1/σ²` with the σ of rectified flow, `s/(a + s)`.
 * - a function of the three inputs and of the level (where one is given, as training does) that returns `[B]`.
 */
export type LossWeight =
  | "l1"
  | "none"
  | "alpha-l1"
  | "snr"
  | "alpha-sigma"
  | "alpha-squared-sigma"
  | "alpha-over-sigma"
  | "one-minus-sigma"
  | "one-minus-sigma-squared"
  | "inverse-sigma"
  | "inverse-sigma-squared"
  | ((inputs: LossInputs, level: NoiseLevel | undefined) => Tensor1D);

type WeightOfLevel = Exclude<Extract<LossWeight, string>, "l1" | "none" | "alpha-l1">;

/** The weights that depend on the level alone. */
const ofLevel: Readonly<Record<WeightOfLevel, (a: number, s: number) => number>> = {
  snr: (a, s) => (a / s) ** 2,
  "alpha-sigma": (a, s) => a * s,
  "alpha-squared-sigma": (a, s) => a * a * s,
  "alpha-over-sigma": (a, s) => a / s,
  "one-minus-sigma": (a, s) => a / (a + s),
  "one-minus-sigma-squared": (a, s) => (a / (a + s)) ** 2,
  "inverse-sigma": (a, s) => (a + s) / s,
  "inverse-sigma-squared": (a, s) => ((a + s) / s) ** 2,
};

/** The weights that have a name. */
export const lossWeights: readonly Extract<LossWeight, string>[] = [
  "l1",
  "none",
  "alpha-l1",
  ...(Object.keys(ofLevel) as WeightOfLevel[]),
];

const smallestMean = 1e-5;

/** Throws unless the weight exists, and the level where it needs one. */
export function checkWeight(where: string, { generated }: LossInputs, weight: LossWeight, level?: NoiseLevel): void {
  if (typeof weight === "function") return;
  checkOneOf(where, "weight", weight, lossWeights);
  if (weight === "l1" || weight === "none") return;
  if (level === undefined)
    throw new SidError("invalid-argument", `${where}: the weight "${weight}" needs the noise level.`);
  checkLevel(where, level, batchOf(generated));
  if (weight === "alpha-l1") return;
  for (const [i, factor] of factorsOf(weight, level).entries())
    if (!Number.isFinite(factor))
      throw new SidError(
        "out-of-range",
        `${where}: the weight "${weight}" is infinite where alpha is ${level.alpha[i]} and sigma is ${level.sigma[i]}, at sample ${i}.`,
      );
}

/** The weight as a constant `[B, 1, ..., 1]`. */
export function weightOf(where: string, inputs: LossInputs, weight: LossWeight, level: NoiseLevel | undefined): Tensor {
  const { generated } = inputs;
  const shape = [generated.shape[0] as number, ...Array<number>(generated.rank - 1).fill(1)];
  if (weight === "l1") return inverseDistance(inputs, shape);
  if (typeof weight === "function")
    return noGrad(() => {
      const own = weight(inputs, level);
      checkTensor(where, "the weight function's result", own);
      if (own.rank !== 1 || own.shape[0] !== shape[0])
        throw new SidError(
          "shape-mismatch",
          `${where}: the weight function must return [${shape[0]}], got ${showShape(own)}.`,
        );
      return reshape(own, shape);
    });
  if (weight === "none" || level === undefined) return scalar(1);
  if (weight === "alpha-l1") return mul(inverseDistance(inputs, shape), perSample(level.alpha, generated.rank));
  return perSample(checkFloat32(where, "the weight", factorsOf(weight, level)), generated.rank);
}

/** `1 / max(mean|x_g − f_φ|, 1e-5)` of each sample. */
function inverseDistance({ generated, teacher }: LossInputs, shape: number[]): Tensor {
  return noGrad(() => {
    const mean = div(sumPerSample(abs(sub(generated, teacher))), sampleSize(generated));
    return reshape(div(1, maximum(mean, smallestMean)), shape);
  });
}

function factorsOf(weight: WeightOfLevel, { alpha, sigma }: NoiseLevel): number[] {
  return alpha.map((a, i) => ofLevel[weight](a, sigma[i] as number));
}
