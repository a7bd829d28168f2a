import { checkInteger, checkNumbers, checkObject } from "../core/checks";
import { SidError } from "../core/errors";
import { checkStream, type RandomStream, randomStream } from "../core/random";

/** Options of {@link slicedWasserstein}. */
export interface SlicedWassersteinOptions {
  /** Length of one sample; unitless. */
  readonly dimension: number;
  /**
   * Random directions to project on.
   * @defaultValue `128`
   */
  readonly directions?: number | undefined;
  /**
   * Where the directions are drawn from; the same directions make values comparable.
   * @defaultValue a new stream with seed 0
   */
  readonly stream?: RandomStream | undefined;
}

/**
 * Sliced 2-Wasserstein distance between two sets of samples:
 *
 *     SW₂² = E_u ∫₀¹ (F_a,u⁻¹(q) − F_b,u⁻¹(q))² dq,   u uniform on the unit sphere
 *
 * where F_u is the empirical law of the projections on u. Each one-dimensional distance is exact,
 * also for sets of different size; the mean over directions is a Monte-Carlo estimate.
 *
 * Source: Rabin et al., "Wasserstein barycenter and its application to texture mixing", SSVM 2011.
 *
 * @param a - samples one after another, as a tensor `[count, dimension]` reads out.
 * @param b - the other samples; their count may differ.
 * @param options - length of a sample, and the directions to project on.
 * @returns SW₂ (the root), in the samples' own units, at least 0.
 * @throws SidError `shape-mismatch` when a set is empty or no whole number of samples,
 *   `not-finite` for NaN or an infinity in it, `out-of-range` for fewer than one direction or dimension.
 *
 * @example
 * ```ts
 * import { slicedWasserstein } from "sid-lsg/metrics";
 *
 * const distance = slicedWasserstein([0, 1, 2], [5, 6, 7], { dimension: 1 });
 * console.log(distance.toFixed(3)); // 5.000: one set is the other, moved by 5
 * ```
 */
export function slicedWasserstein(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  options: SlicedWassersteinOptions,
): number {
  const where = "slicedWasserstein";
  const {
    dimension,
    directions = 128,
    stream = randomStream(0),
  } = checkObject(where, "options", options, { dimension: 1, directions: 1, stream: 1 });
  checkInteger(where, "dimension", dimension, 1);
  checkInteger(where, "directions", directions, 1);
  checkStream(where, "stream", stream);
  checkSamples(where, "a", a, dimension);
  checkSamples(where, "b", b, dimension);
  let squared = 0;
  for (let i = 0; i < directions; i++) {
    const direction = unitVector(stream, dimension);
    squared += squaredDistance(sortedProjections(a, direction), sortedProjections(b, direction));
  }
  return Math.sqrt(squared / directions);
}

/** Exact squared W₂ between two sorted sets of numbers of equal weights. */
function squaredDistance(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0, j = 0, from = 0; i < a.length && j < b.length; ) {
    const endOfA = (i + 1) / a.length;
    const endOfB = (j + 1) / b.length;
    const to = Math.min(endOfA, endOfB);
    sum += (to - from) * ((a[i] as number) - (b[j] as number)) ** 2;
    from = to;
    if (endOfA <= to) i++;
    if (endOfB <= to) j++;
  }
  return sum;
}

function sortedProjections(samples: ArrayLike<number>, direction: Float64Array): Float64Array {
  const n = direction.length;
  const projections = new Float64Array(samples.length / n);
  for (let i = 0; i < samples.length; i++) {
    const sample = Math.floor(i / n);
    projections[sample] = (projections[sample] as number) + (samples[i] as number) * (direction[i % n] as number);
  }
  return projections.sort();
}

/** A direction, uniform on the sphere. */
function unitVector(stream: RandomStream, dimension: number): Float64Array {
  const normals = Float64Array.from(stream.normals(dimension));
  const length = Math.hypot(...normals);
  return normals.map((x) => x / length);
}

function checkSamples(where: string, name: string, samples: ArrayLike<number>, dimension: number): void {
  const { length } = checkNumbers(where, name, samples);
  if (length === 0 || length % dimension !== 0)
    throw new SidError(
      "shape-mismatch",
      `${where}: ${name} must hold whole samples of ${dimension} numbers, at least one, got ${length} numbers.`,
    );
}
