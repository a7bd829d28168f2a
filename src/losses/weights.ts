import { abs, div, maximum, reshape, scalar, sub, type Tensor, type Tensor1D } from "@tensorflow/tfjs-core";
import { checkFloat32, showShape } from "../core/checks";
import { SidError } from "../core/errors";
import { perSample, sampleSize, sumPerSample } from "../core/per-sample";
import { noGrad } from "../core/tape";
import { checkTensor } from "../core/tensor-checks";
import type { NoiseLevel } from "../predict/level";

/** What the generator's loss compares: three x0-like batches of one shape. */
export interface SidInputs {
  /** The generator's samples `x_g`, `[B, ...]`. */
  readonly generated: Tensor;
  /** The teacher's x0-prediction `f_φ(x_t)`, guided by `kappa4`. */
  readonly teacher: Tensor;
  /** The fake score's x0-prediction `f_ψ(x_t)`, guided by `kappa2`. */
  readonly fake: Tensor;
}

/**
 * The weight ω of each sample; a constant for the gradient whatever the choice.
 *
 * - `l1`: `1 / max(mean|x_g − f_φ|, 1e-5)`, the official code's normaliser. It depends on `x_g`, so
 *   the score identity holds only approximately: with it the loss at the fake score's optimum is not
 *   exactly the weighted distance `ω·‖δ‖²` that it stands for.
 * - `none`: 1.
 * - `snr`: `alpha²/sigma²`; needs `level`.
 * - `one-minus-sigma`: `1 − σ` with the σ of rectified flow, `alpha/(alpha + sigma)`; needs `level`.
 * - a function of the three inputs and of the level (where one is given, as training does) that returns `[B]`.
 */
export type SidWeight =
  | "l1"
  | "none"
  | "snr"
  | "one-minus-sigma"
  | ((inputs: SidInputs, level: NoiseLevel | undefined) => Tensor1D);

/** The weights that have a name. */
export const sidWeights: readonly Extract<SidWeight, string>[] = ["l1", "none", "snr", "one-minus-sigma"];

const smallestMean = 1e-5;

/** The weight as a constant `[B, 1, ..., 1]`. */
export function weightOf(where: string, inputs: SidInputs, weight: SidWeight, level: NoiseLevel | undefined): Tensor {
  const { generated, teacher } = inputs;
  const shape = [generated.shape[0] as number, ...Array<number>(generated.rank - 1).fill(1)];
  if (weight === "l1")
    return noGrad(() => {
      const mean = div(sumPerSample(abs(sub(generated, teacher))), sampleSize(generated));
      return reshape(div(1, maximum(mean, smallestMean)), shape);
    });
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
  const weights = level.alpha.map((alpha, i) => ofLevel(weight, alpha, level.sigma[i] as number));
  return perSample(checkFloat32(where, "the weight", weights), generated.rank);
}

function ofLevel(weight: "snr" | "one-minus-sigma", alpha: number, sigma: number): number {
  return weight === "snr" ? (alpha / sigma) ** 2 : alpha / (alpha + sigma);
}
