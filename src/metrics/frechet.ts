import { checkInteger, checkNumbers, checkObject, describe } from "../core/checks";
import { SidError } from "../core/errors";
import { multiply, symmetricEigen, symmetricFunction } from "./symmetric-eigen";

/** Mean and covariance of a set of feature vectors, in float64. */
export interface FeatureStatistics {
  /** Vectors seen. */
  readonly count: number;
  /** `[dimension]`. */
  readonly mean: Float64Array;
  /** Unbiased (divided by `count − 1`), row-major `[dimension, dimension]`. */
  readonly covariance: Float64Array;
}

/**
 * Mean and unbiased covariance of feature vectors, accumulated in float64.
 *
 * Source: the statistics of FID, Heusel et al., arXiv:1706.08500; covariance as in `numpy.cov(features, rowvar=False)`.
 *
 * @param features - `count` vectors one after another, as a tensor `[count, dimension]` reads out.
 * @param dimension - length of one vector; at least two vectors must be there.
 * @returns count, mean and covariance, in host memory.
 * @throws SidError `shape-mismatch` when `features` is no whole number of vectors, or fewer than two;
 *   `not-finite` for NaN or an infinity in it.
 *
 * @example
 * ```ts
 * import { featureStatistics } from "sid-lsg/metrics";
 *
 * const { mean, covariance } = featureStatistics([0, 0, 2, 2], 2);
 * console.log(mean, covariance); // [1, 1] and [2, 2, 2, 2]
 * ```
 */
export function featureStatistics(features: ArrayLike<number>, dimension: number): FeatureStatistics {
  const where = "featureStatistics";
  checkInteger(where, "dimension", dimension, 1);
  const x = Float64Array.from(checkNumbers(where, "features", features));
  const count = x.length / dimension;
  if (!Number.isInteger(count) || count < 2)
    throw new SidError(
      "shape-mismatch",
      `${where}: wanted at least 2 vectors of ${dimension} numbers, got ${x.length} numbers.`,
    );

  const mean = new Float64Array(dimension);
  x.forEach((value, i) => {
    mean[i % dimension] = (mean[i % dimension] as number) + value / count;
  });
  const centred = x.map((value, i) => value - (mean[i % dimension] as number));
  const covariance = new Float64Array(dimension * dimension);
  for (let start = 0; start < x.length; start += dimension)
    for (let i = 0; i < dimension; i++) {
      const xi = (centred[start + i] as number) / (count - 1);
      for (let j = 0; j < dimension; j++) {
        const k = i * dimension + j;
        covariance[k] = (covariance[k] as number) + xi * (centred[start + j] as number);
      }
    }
  return { count, mean, covariance };
}

/**
 * Fréchet distance between two Gaussians fitted to features, the law behind FID:
 *
 *     d² = ‖μ_a − μ_b‖² + tr(Σ_a) + tr(Σ_b) − 2·tr((Σ_a^½ Σ_b Σ_a^½)^½)
 *
 * Returned as d², as everybody reports it. The square roots are taken by eigen-decomposition of
 * symmetric matrices in float64, so no complex parts can appear. Estimates are biased upwards for
 * few samples: compare only distances of the same count.
 *
 * Source: Dowson & Landau (1982); Heusel et al., arXiv:1706.08500, equation 6.
 *
 * @param a - statistics of one set, from {@link featureStatistics}.
 * @param b - statistics of the other set, of the same dimension.
 * @returns d² in squared units of the features, at least 0.
 * @throws SidError `shape-mismatch` when the dimensions differ or a covariance is not square.
 *
 * @example
 * ```ts
 * import { featureStatistics, frechetDistance } from "sid-lsg/metrics";
 *
 * const a = featureStatistics([-1, 1], 1);
 * const b = featureStatistics([2, 4], 1);
 * console.log(frechetDistance(a, b)); // 9: the same spread, means 3 apart
 * ```
 */
export function frechetDistance(a: FeatureStatistics, b: FeatureStatistics): number {
  const where = "frechetDistance";
  checkStatistics(where, "a", a);
  checkStatistics(where, "b", b);
  const n = a.mean.length;
  if (b.mean.length !== n || a.covariance.length !== n * n || b.covariance.length !== n * n)
    throw new SidError(
      "shape-mismatch",
      `${where}: wanted means and covariances of one dimension, got means of ${n} and ${b.mean.length}, ` +
        `covariances of ${a.covariance.length} and ${b.covariance.length} numbers.`,
    );
  const root = symmetricFunction(a.covariance, n, clippedRoot);
  const between = symmetrised(multiply(multiply(root, b.covariance, n), root, n), n);
  const overlap = symmetricEigen(between, n).values.reduce((sum, value) => sum + clippedRoot(value), 0);
  const meanDistance = a.mean.reduce((sum, value, i) => sum + (value - (b.mean[i] as number)) ** 2, 0);
  return Math.max(0, meanDistance + trace(a.covariance, n) + trace(b.covariance, n) - 2 * overlap);
}

function checkStatistics(where: string, name: string, statistics: FeatureStatistics): void {
  const { mean, covariance } = checkObject(where, name, statistics);
  for (const [key, values] of Object.entries({ mean, covariance })) {
    if (!(values instanceof Float64Array))
      throw new SidError(
        "invalid-argument",
        `${where}: ${name}.${key} must be a Float64Array, got ${describe(values)}.`,
      );
    checkNumbers(where, `${name}.${key}`, values);
  }
}

/** Square root of an eigenvalue that rounding may have pushed below 0. */
function clippedRoot(eigenvalue: number): number {
  return Math.sqrt(Math.max(0, eigenvalue));
}

/** `(m + mᵀ) / 2`: removes what rounding made asymmetric. */
function symmetrised(m: Float64Array, n: number): Float64Array {
  return m.map((value, k) => (value + (m[(k % n) * n + Math.floor(k / n)] as number)) / 2);
}

function trace(m: Float64Array, n: number): number {
  let sum = 0;
  for (let i = 0; i < n; i++) sum += m[i * n + i] as number;
  return sum;
}
