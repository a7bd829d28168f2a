import { Matrix, SingularValueDecomposition } from "ml-matrix";
import { checkFinite, checkFunction, checkInteger, checkObject, checkText, describe } from "../core/checks";
import { SidError } from "../core/errors";
import { oneNetwork } from "./feature-rows";
import { checkFloat64, type FeatureStatistics } from "./moments";
import { addRowProducts, blockPairs } from "./row-products";
import { semidefiniteRoot } from "./semidefinite-root";

/** Options of {@link frechetDistance}. */
export interface FrechetDistanceOptions {
  /**
   * Told where a set has no more vectors than dimensions.
   * @defaultValue `console.warn`
   */
  readonly onWarning?: ((warning: string) => void) | undefined;
}

/**
 * Fréchet distance between two Gaussians fitted to features, the law behind FID:
 *
 *     d² = ‖μ_a − μ_b‖² + tr(Σ_a) + tr(Σ_b) − 2·tr((Σ_a^½ Σ_b Σ_a^½)^½)
 *
 * Returned as d², as everybody reports it. In float64, without complex parts: with roots Σ_a = AᵀA and Σ_b = BᵀB, by a
 * Cholesky decomposition that stands rank deficiency, the last trace is the sum of the singular values of ABᵀ. These
 * are ml-matrix's. At 2048 dimensions it takes about 40 s and 250 MB.
 *
 * The estimate is biased upwards by about `1/count` of its own terms: compare only distances of the same count. With no
 * more vectors than dimensions the covariance is singular and the bias may be most of the value: `onWarning` is told,
 * and {@link kernelDistance} has no bias.
 *
 * Source: Dowson & Landau (1982); Heusel et al., arXiv:1706.08500, equation 6; bias: Bińkowski et al.,
 * arXiv:1801.01401, and Chong & Forsyth, arXiv:1911.07023.
 *
 * @param a - statistics of one set, from {@link featureStatistics} or {@link featureMoments}.
 * @param b - statistics of the other set, of the same dimension and network.
 * @param options - who is told of too few vectors.
 * @returns d² in squared units of the features, at least 0.
 * @throws SidError `shape-mismatch` when the dimensions differ or a covariance is not square; `invalid-argument` for
 *   features of two networks, and for a matrix that is no covariance; `not-finite` for NaN or an infinity.
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
export function frechetDistance(
  a: FeatureStatistics,
  b: FeatureStatistics,
  options: FrechetDistanceOptions = {},
): number {
  const where = "frechetDistance";
  const { onWarning = console.warn } = checkObject(where, "options", options, { onWarning: 1 });
  checkFunction(where, "onWarning", onWarning);
  const n = checkStatistics(where, "a", a);
  const other = checkStatistics(where, "b", b);
  if (other !== n)
    throw new SidError("shape-mismatch", `${where}: wanted means of one dimension, got means of ${n} and ${other}.`);
  oneNetwork(where, a.network, b.network);
  const fewest = Math.min(...[a.count, b.count].filter((count) => count > 0));
  if (fewest <= n)
    onWarning(
      `${where}: ${fewest} vectors of ${n} dimensions leave a covariance singular, which biases the distance ` +
        "upwards: take more, or kernelDistance, which has no bias.",
    );
  const meanDistance = a.mean.reduce((sum, value, i) => sum + (value - (b.mean[i] as number)) ** 2, 0);
  const spread = trace(a.covariance, n) + trace(b.covariance, n) - 2 * overlap(where, a, b, n);
  return checkFinite(where, "the distance (of covariances that overflow float64)", Math.max(0, meanDistance + spread));
}

/** `tr((Σ_a^½ Σ_b Σ_a^½)^½)`. */
function overlap(where: string, a: FeatureStatistics, b: FeatureStatistics, n: number): number {
  const rootOfA = semidefiniteRoot(where, "a", a.covariance, n);
  const rootOfB = semidefiniteRoot(where, "b", b.covariance, n);
  const [rows, columns] = [rootOfA.rank, rootOfB.rank];
  if (rows === 0 || columns === 0) return 0;
  const products = new Float64Array(rows * columns);
  for (const [i, j] of blockPairs(rows, columns, 128))
    addRowProducts({ values: products, stride: columns }, rootOfA.rows, i, rootOfB.rows, j, n);
  const largest = products.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  // ml-matrix would not return from an infinity.
  if (largest === 0 || !Number.isFinite(largest)) return largest;
  const matrix = new Matrix(rows, columns);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) matrix.set(i, j, (products[i * columns + j] as number) / largest);
  const { diagonal } = new SingularValueDecomposition(matrix, {
    computeLeftSingularVectors: false,
    computeRightSingularVectors: false,
    autoTranspose: true,
  });
  return largest * diagonal.reduce((sum, value) => sum + value, 0);
}

/** Throws unless it is statistics of one dimension, and returns that. */
export function checkStatistics(where: string, name: string, statistics: FeatureStatistics): number {
  const { count, mean, covariance, network } = checkObject(where, name, statistics, {
    ...{ count: 1, mean: 1, covariance: 1, network: 1 },
  });
  if (!(mean instanceof Float64Array))
    throw new SidError("invalid-argument", `${where}: ${name}.mean must be a Float64Array, got ${describe(mean)}.`);
  checkFloat64(where, `${name}.mean`, mean, Math.max(1, mean.length));
  checkFloat64(where, `${name}.covariance`, covariance, mean.length ** 2);
  checkInteger(where, `${name}.count`, count, 0);
  if (network !== undefined) checkText(where, `${name}.network`, network);
  return mean.length;
}

function trace(m: Float64Array, n: number): number {
  let sum = 0;
  for (let i = 0; i < n; i++) sum += m[i * n + i] as number;
  return sum;
}
