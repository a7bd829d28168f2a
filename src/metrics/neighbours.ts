import { checkInteger, checkObject } from "../core/checks";
import { SidError } from "../core/errors";
import { countFeatures, featureReader, half, type ProductBlock, productBlocks, type RowReader } from "./feature-rows";

/** Options of {@link neighbourMetrics}. */
export interface NeighbourMetricsOptions {
  /** Length of one vector; unitless. */
  readonly dimension: number;
  /**
   * The neighbour whose distance is the radius of a vector's ball; below the count of either set.
   * @defaultValue `5`
   */
  readonly k?: number | undefined;
}

/** What {@link neighbourMetrics} returns; all but `density` are shares in `[0, 1]`. */
export interface NeighbourMetrics {
  /** Share of generated vectors within the ball of any real one: fidelity. */
  readonly precision: number;
  /** Share of real vectors within the ball of any generated one: diversity. */
  readonly recall: number;
  /** Balls of real vectors that a generated one lies in, on average, over `k`: fidelity that one outlier cannot lift. */
  readonly density: number;
  /** Share of real vectors whose ball holds a generated one: diversity that outliers among these cannot lift. */
  readonly coverage: number;
}

/**
 * Precision, recall, density and coverage of generated features, by balls that reach from each vector to its `k`-th
 * nearest neighbour in its own set:
 *
 *     precision = mean_j [∃ i: ‖x_i − y_j‖ < r_k(x_i)]      recall   = mean_i [∃ j: ‖x_i − y_j‖ < r_k(y_j)]
 *     density   = mean_j Σ_i [‖x_i − y_j‖ < r_k(x_i)] / k   coverage = mean_i [min_j ‖x_i − y_j‖ < r_k(x_i)]
 *
 * All depend on the counts and on `k`: compare only figures of the same ones. Kynkäänniemi et al. took `k = 3` and
 * 50,000 vectors, Naeem et al. `k = 5` and 10,000. Equal laws have density 1 and, with equal counts, coverage
 * `1 − 2^−k` about.
 *
 * It needs all features, 4 bytes a number in a Float32Array: 8.2 kB a picture at 2048 dimensions, those of shards
 * concatenated; on top of them some 10 MB and `8·k` bytes a picture. Time grows with the square of the counts, about
 * 3 min for 10,000 and 10,000 at 2048 dimensions, half an hour for 30,000 and 30,000.
 *
 * Source: Kynkäänniemi et al., arXiv:1904.06991; Naeem et al., arXiv:2002.09797, whose package `prdc` gives the same.
 *
 * @param real - vectors one after another, as a tensor `[count, dimension]` reads out; more than `k`.
 * @param generated - those to judge; more than `k`, their count may differ.
 * @param options - length of a vector, and `k`.
 * @returns the four figures.
 * @throws SidError `out-of-range` unless `1 ≤ k <` both counts, `shape-mismatch` for torn vectors or none,
 *   `not-finite` for NaN or an infinity.
 *
 * @example
 * ```ts
 * import { neighbourMetrics } from "sid-lsg/metrics";
 *
 * const real = [0, 1, 2, 10, 11, 12];
 * const { precision, recall } = neighbourMetrics(real, [0.5, 1, 1.5], { dimension: 1, k: 1 });
 * console.log(precision, recall.toFixed(3)); // 1 and 0.167: all look real, but of one of two groups
 * ```
 */
export function neighbourMetrics(
  real: ArrayLike<number>,
  generated: ArrayLike<number>,
  options: NeighbourMetricsOptions,
): NeighbourMetrics {
  const where = "neighbourMetrics";
  const { dimension, k = 5 } = checkObject(where, "options", options, { dimension: 1, k: 1 });
  const counts = {
    real: countFeatures(where, "real", real, dimension, 1),
    generated: countFeatures(where, "generated", generated, dimension, 1),
  };
  checkInteger(where, "k", k, 1);
  for (const [name, count] of Object.entries(counts))
    if (k >= count)
      throw new SidError(
        "out-of-range",
        `${where}: k must be below the count of vectors, got k = ${k} and ${count} in ${name}: each needs k others.`,
      );
  const [x, y] = [featureReader(real, dimension), featureReader(generated, dimension)];
  const [normsOfX, normsOfY] = [squaredNorms(x), squaredNorms(y)];
  const radiiOfX = squaredRadii(x, normsOfX, k);
  const radiiOfY = squaredRadii(y, normsOfY, k);

  const balls = new Uint32Array(y.count);
  const isRecalled = new Uint8Array(x.count);
  const isCovered = new Uint8Array(x.count);
  for (const block of productBlocks(x, y))
    eachDistance(block, normsOfX, normsOfY, (i, j, squared) => {
      if (squared < (radiiOfX[i] as number)) {
        balls[j] = (balls[j] as number) + 1;
        isCovered[i] = 1;
      }
      if (squared < (radiiOfY[j] as number)) isRecalled[i] = 1;
    });
  return {
    precision: sumOf(balls.map((count) => Math.min(count, 1))) / y.count,
    recall: sumOf(isRecalled) / x.count,
    density: sumOf(balls) / (k * y.count),
    coverage: sumOf(isCovered) / x.count,
  };
}

/** Squared distance of each vector to its `k`-th nearest other one. */
function squaredRadii(set: RowReader, norms: Float64Array, k: number): Float64Array {
  // The k smallest of each row so far, in order.
  const nearest = new Float64Array(set.count * k).fill(Number.POSITIVE_INFINITY);
  const insert = (row: number, squared: number): void => {
    const start = row * k;
    let at = start + k - 1;
    if (squared >= (nearest[at] as number)) return;
    for (; at > start && squared < (nearest[at - 1] as number); at--) nearest[at] = nearest[at - 1] as number;
    nearest[at] = squared;
  };
  for (const block of productBlocks(set, set, half))
    eachDistance(block, norms, norms, (i, j, squared) => {
      if (j <= i) return;
      insert(i, squared);
      insert(j, squared);
    });
  return Float64Array.from({ length: set.count }, (_, i) => nearest[i * k + k - 1] as number);
}

/** `‖x‖² + ‖y‖² − 2⟨x, y⟩`: exactly 0 for equal vectors, since all three are summed in one order. */
function eachDistance(
  { i, j, products }: ProductBlock,
  normsOfX: Float64Array,
  normsOfY: Float64Array,
  visit: (i: number, j: number, squared: number) => void,
): void {
  for (let row = i.from, at = 0; row < i.to; row++)
    for (let column = j.from; column < j.to; column++, at++) {
      const norms = (normsOfX[row] as number) + (normsOfY[column] as number);
      visit(row, column, Math.max(0, norms - 2 * (products[at] as number)));
    }
}

function sumOf(values: Iterable<number>): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum;
}

function squaredNorms(set: RowReader): Float64Array {
  const norms = new Float64Array(set.count);
  for (let i = 0; i < set.count; i++)
    norms[i] = set.read({ from: i, to: i + 1 }).reduce((sum, value) => sum + value * value, 0);
  return norms;
}
