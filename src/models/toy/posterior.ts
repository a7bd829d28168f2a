import { checkNumbers, describe } from "../../core/checks";
import { SidError } from "../../core/errors";
import type { Timesteps } from "../../core/per-sample";
import type { PredictionType } from "../../core/prediction-type";

/** A Gaussian with independent coordinates: `N(mean, diag(variance))`. */
export interface GaussianLaw {
  readonly mean: readonly number[];
  /** One positive number for all coordinates, or one for each. */
  readonly variance: number | readonly number[];
}

/**
 * The exact prediction for Gaussian data is affine: `prediction = ofXt·x_t + ofMean·mean`.
 *
 * With D = α²v + σ², the variance of x_t: score = −(x_t − α·m)/D, ε̂ = −σ·score,
 * x̂0 = (α·v·x_t + σ²·m)/D, v̂ = α·ε̂ − σ·x̂0, flow = ε̂ − x̂0. Each is written out, so none divides
 * by α or σ.
 */
export function gaussianPosterior(
  predicts: PredictionType,
  alpha: number,
  sigma: number,
  variance: number,
): { readonly ofXt: number; readonly ofMean: number; readonly total: number } {
  const total = alpha ** 2 * variance + sigma ** 2;
  const affine = {
    x0: [alpha * variance, sigma ** 2],
    eps: [sigma, -alpha * sigma],
    score: [-1, alpha],
    v: [alpha * sigma * (1 - variance), -sigma * (alpha ** 2 + sigma ** 2)],
    flow: [sigma - alpha * variance, -sigma * (alpha + sigma)],
  } satisfies Record<PredictionType, [number, number]>;
  const [ofXt, ofMean] = affine[predicts] as [number, number];
  return { ofXt: ofXt / total, ofMean: ofMean / total, total };
}

/** The variance of coordinate `i`. */
export function varianceOf(law: GaussianLaw, i: number): number {
  return typeof law.variance === "number" ? law.variance : (law.variance[i] as number);
}

/** The rows that a table over the batch needs: one, which broadcasts, where all samples share a time. */
export function tableTimes(t: Timesteps): Timesteps {
  return t.every((time) => time === t[0]) ? t.slice(0, 1) : t;
}

/** Throws unless `mean` and `variance` describe a Gaussian. */
export function checkGaussian(where: string, law: GaussianLaw): void {
  checkVector(where, "mean", law.mean);
  const variances = typeof law.variance === "number" ? law.mean.map(() => law.variance as number) : law.variance;
  checkVector(where, "variance", variances);
  if (variances.length !== law.mean.length)
    throw new SidError(
      "shape-mismatch",
      `${where}: wanted one variance or one per coordinate, ${law.mean.length}, got ${variances.length}.`,
    );
  const bad = variances.find((v) => v <= 0);
  if (bad !== undefined) throw new SidError("out-of-range", `${where}: a variance must be greater than 0, got ${bad}.`);
}

/** Throws unless `values` is a non-empty array of finite numbers. */
export function checkVector(where: string, name: string, values: readonly number[]): void {
  if (!Array.isArray(values) || values.length === 0)
    throw new SidError(
      "invalid-argument",
      `${where}: ${name} must be a non-empty array of numbers, got ${describe(values)}.`,
    );
  checkNumbers(where, name, values);
}
