import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { randomStream } from "../../src/core";
import { type FeatureStatistics, featureStatistics, frechetDistance, slicedWasserstein } from "../../src/metrics";
import { expectSidError } from "../support/errors";

const seed = fc.integer({ min: 0, max: 1e6 });
const dimension = fc.integer({ min: 1, max: 8 });

/** A random symmetric positive definite matrix `AᵀA + 0.1·I`. */
function covarianceOf(seed: number, n: number): Float64Array {
  const a = randomStream(seed).normals(n * n);
  return transposeTimes(a, a, n).map((value, k) => value + (k % (n + 1) === 0 ? 0.1 : 0));
}

/** `AᵀB` of matrices of `n` columns. */
function transposeTimes(a: ArrayLike<number>, b: ArrayLike<number>, n: number): Float64Array {
  const sum = (i: number, j: number) =>
    Array.from({ length: a.length / n }, (_, k) => (a[k * n + i] as number) * (b[k * n + j] as number));
  return Float64Array.from({ length: n * n }, (_, at) => sum(Math.floor(at / n), at % n).reduce((x, y) => x + y, 0));
}

/** An orthogonal matrix: two Householder reflections. */
function rotation(seed: number, n: number): Float64Array {
  const reflection = (u: ArrayLike<number>) => {
    const length = Array.from(u).reduce((sum, x) => sum + x * x, 0);
    return Float64Array.from({ length: n * n }, (_, at) => {
      const [i, j] = [Math.floor(at / n), at % n];
      return (i === j ? 1 : 0) - (2 * (u[i] as number) * (u[j] as number)) / length;
    });
  };
  const stream = randomStream(seed);
  return transposeTimes(reflection(stream.normals(n)), reflection(stream.normals(n)), n);
}

/** `Qᵀ diag(λ) Q`. */
function withEigenvalues(values: readonly number[], q: Float64Array): Float64Array {
  const n = values.length;
  const scaled = q.map((x, at) => x * (values[Math.floor(at / n)] as number));
  return transposeTimes(q, scaled, n);
}

const silent = { onWarning: () => {} };

function gaussian(mean: number[], covariance: ArrayLike<number>): FeatureStatistics {
  return { count: 0, mean: Float64Array.from(mean), covariance: Float64Array.from(covariance) };
}

function expectNear(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance = 1e-9): void {
  expect(actual.length).toBe(expected.length);
  const worst = Math.max(...Array.from(actual, (x, i) => Math.abs(x - (expected[i] as number))));
  expect(worst, `largest difference ${worst}`).toBeLessThanOrEqual(tolerance);
}

describe("featureStatistics", () => {
  test("has the mean and the unbiased covariance", () => {
    const { count, mean, covariance } = featureStatistics([1, 2, 3, 6, 5, 4], 2);
    expect(count).toBe(3);
    expectNear(mean, [3, 4]);
    expectNear(covariance, [4, 2, 2, 4]);
  });

  test("refuses too few vectors, torn vectors and NaN", () => {
    expect(() => featureStatistics([1, 2], 2)).toThrowError(/whole vectors of 2 numbers, at least 2 of them, got 2/);
    expect(() => featureStatistics([1, 2, 3, 4, 5], 2)).toThrowError(/got 5 numbers/);
    expect(() => featureStatistics([1, Number.NaN], 1)).toThrowError(/features\[1\] must be finite/);
    expect(() => featureStatistics([1, 2], 0)).toThrowError(/dimension must lie in/);
  });
});

describe("frechetDistance", () => {
  test("matches the closed form of diagonal Gaussians", () => {
    // ‖μ‖² + Σ (σ_a − σ_b)²: 9 + 16 + (1 − 2)² + (3 − 1)²
    expect(frechetDistance(gaussian([0, 0], [1, 0, 0, 9]), gaussian([3, 4], [4, 0, 0, 1]))).toBeCloseTo(30, 10);
  });

  test("matches the closed form in two dimensions without a common basis", () => {
    // tr((Σ_a Σ_b)^½)² = tr(Σ_a Σ_b) + 2·√det(Σ_a Σ_b) for 2×2 matrices.
    const a = gaussian([0, 0], [2, 1, 1, 2]);
    const b = gaussian([0, 0], [3, -1, -1, 1]);
    expect(frechetDistance(a, b)).toBeCloseTo(4 + 4 - 2 * Math.sqrt(6 + 2 * Math.sqrt(6)), 10);
  });

  test.prop({ seed, n: dimension })("is 0 for the same law, symmetric, and ‖shift‖² for a shift", ({ seed, n }) => {
    const zero = Array<number>(n).fill(0);
    const shift = Array.from(randomStream(seed + 1).normals(n));
    const a = gaussian(zero, covarianceOf(seed, n));
    const b = gaussian(shift, covarianceOf(seed + 2, n));
    expect(frechetDistance(a, a)).toBeCloseTo(0, 8);
    expect(frechetDistance(a, b)).toBeCloseTo(frechetDistance(b, a), 7);
    expect(frechetDistance(a, gaussian(shift, a.covariance))).toBeCloseTo(Math.hypot(...shift) ** 2, 7);
  });

  const eigenvalues = (seed: number, n: number) =>
    randomStream(seed)
      .uniform(n)
      .map((u) => (u < 0.3 ? 0 : 10 ** (6 * u - 3)));

  test.prop({ seed, n: fc.integer({ min: 1, max: 30 }) })(
    "is Σ (√λ_a − √λ_b)² of covariances that commute, ranks and scales as they come",
    ({ seed, n }) => {
      const zero = Array<number>(n).fill(0);
      const q = rotation(seed, n);
      const [a, b] = [eigenvalues(seed + 1, n), eigenvalues(seed + 2, n)];
      const expected = a.reduce((sum, x, i) => sum + (Math.sqrt(x) - Math.sqrt(b[i] as number)) ** 2, 0);
      const actual = frechetDistance(gaussian(zero, withEigenvalues(a, q)), gaussian(zero, withEigenvalues(b, q)));
      const scale = [...a, ...b].reduce((sum, x) => sum + x, 0);
      expect(Math.abs(actual - expected)).toBeLessThanOrEqual(1e-6 * scale);
    },
  );

  test.prop({ seed, n: fc.integer({ min: 1, max: 30 }) })(
    "is exact for diagonal covariances on any scales",
    ({ seed, n }) => {
      const zero = Array<number>(n).fill(0);
      const [a, b] = [1, 2].map((i) =>
        randomStream(seed + i)
          .normals(n)
          .map((x) => Math.exp(9 * x)),
      );
      const diagonal = (values: ArrayLike<number>) =>
        Float64Array.from({ length: n * n }, (_, k) => (k % (n + 1) === 0 ? (values[k % n] as number) : 0));
      const [x, y] = [a, b] as [Float32Array, Float32Array];
      const expected = x.reduce((sum, value, i) => sum + (Math.sqrt(value) - Math.sqrt(y[i] as number)) ** 2, 0);
      const scale = x.reduce((sum, value, i) => sum + value + (y[i] as number), 0);
      const actual = frechetDistance(gaussian(zero, diagonal(x)), gaussian(zero, diagonal(y)));
      expect(Math.abs(actual - expected)).toBeLessThanOrEqual(1e-12 * scale);
    },
  );

  test.prop({ seed, n: fc.integer({ min: 1, max: 30 }) })("is ‖u‖² + ‖v‖² − 2|⟨u, v⟩| of rank 1", ({ seed, n }) => {
    const zero = Array<number>(n).fill(0);
    const [u, v] = [randomStream(seed).normals(n), randomStream(seed + 1).normals(n)];
    const dot = (x: Float32Array, y: Float32Array) => x.reduce((sum, value, i) => sum + value * (y[i] as number), 0);
    const outer = (x: Float32Array) => transposeTimes(x, x, n);
    const actual = frechetDistance(gaussian(zero, outer(u)), gaussian(zero, outer(v)));
    expect(Math.abs(actual - (dot(u, u) + dot(v, v) - 2 * Math.abs(dot(u, v))))).toBeLessThan(1e-9 * n);
  });

  test("is right in more dimensions than a block has, of ranks that differ", () => {
    const n = 150;
    const zero = Array<number>(n).fill(0);
    const q = rotation(1, n);
    const [a, b] = [n, 131].map((rank) => Array.from({ length: n }, (_, i) => (i < rank ? 1 + (i % 7) : 0)));
    const [x, y] = [a, b] as [number[], number[]];
    const expected = x.reduce((sum, value, i) => sum + (Math.sqrt(value) - Math.sqrt(y[i] as number)) ** 2, 0);
    const actual = frechetDistance(gaussian(zero, withEigenvalues(x, q)), gaussian(zero, withEigenvalues(y, q)));
    expect(Math.abs(actual - expected)).toBeLessThan(1e-9 * expected);
  });

  test.prop({ seed })("has nothing of the rounding of fewer samples than dimensions", ({ seed }) => {
    // All sets lie in one plane of 40 dimensions, where the distance is the one in two dimensions.
    const n = 40;
    const q = rotation(seed, n);
    const [a, b] = [1, 2].map((i) => randomStream(seed + i).normals(2 * 12)) as [Float32Array, Float32Array];
    const lifted = (x: Float32Array) =>
      Float64Array.from({ length: 12 * n }, (_, at) => {
        const [row, j] = [Math.floor(at / n), at % n];
        return (x[2 * row] as number) * (q[j] as number) + (x[2 * row + 1] as number) * (q[n + j] as number);
      });
    const plane = frechetDistance(featureStatistics(a, 2), featureStatistics(b, 2));
    const space = frechetDistance(featureStatistics(lifted(a), n), featureStatistics(lifted(b), n), silent);
    expect(Math.abs(space - plane)).toBeLessThan(1e-10);
  });

  test("warns of as many vectors as dimensions, and recommends the kernel distance", () => {
    const told: string[] = [];
    const onWarning = (warning: string) => told.push(warning);
    const [few, more] = [featureStatistics([1, 2, 3, 5], 2), featureStatistics([1, 2, 3, 5, 5, 4], 2)];
    frechetDistance(more, more, { onWarning });
    expect(told).toEqual([]);
    frechetDistance(more, few, { onWarning });
    expect(told).toEqual([expect.stringMatching(/2 vectors of 2 dimensions .* kernelDistance/)]);
  });

  test("refuses what is no covariance, and features of two networks", () => {
    const law = gaussian([0, 0], [1, 0, 0, 1]);
    expectSidError("invalid-argument", () => frechetDistance(law, gaussian([0, 0], [1, 0.5, 0, 1])), /not symmetric/);
    expectSidError("invalid-argument", () => frechetDistance(law, gaussian([0, 0], [-1, 0, 0, 1])), /negative/);
    expectSidError("invalid-argument", () => frechetDistance(law, gaussian([0, 0], [1, 2, 2, 1])), /negative/);
    expectSidError("shape-mismatch", () => frechetDistance(law, gaussian([0, 0], [1, 0, 0])), /must hold 4/);
    expectSidError("not-finite", () => frechetDistance(law, gaussian([0, Number.NaN], [1, 0, 0, 1])), /mean\[1\]/);
    expectSidError("shape-mismatch", () => frechetDistance(gaussian([], []), gaussian([], [])), /must hold 1 numbers/);
    const huge = gaussian([0, 0], [1e308, 1e308, 1e308, 1e308]);
    expectSidError("not-finite", () => frechetDistance(huge, huge), /overflow float64/);
    expectSidError("not-finite", () => featureStatistics([1e200, -1e200], 1), /overflow float64/);
    const named = (network: string) => ({ ...law, network });
    expect(frechetDistance(named("clip"), law)).toBeCloseTo(0, 12);
    expectSidError("invalid-argument", () => frechetDistance(named("clip"), named("v3")), /"clip" and of "v3"/);
  });

  test("takes covariances that were rounded to float32", () => {
    const n = 30;
    const { covariance } = featureStatistics(randomStream(5).normals(n * 12), n);
    const rounded = gaussian(Array<number>(n).fill(0), covariance.map(Math.fround));
    expect(frechetDistance(rounded, rounded)).toBeCloseTo(0, 6);
  });

  test("stands singular covariances", () => {
    expect(frechetDistance(gaussian([0, 0], [1, 1, 1, 1]), gaussian([0, 0], [1, -1, -1, 1]))).toBeCloseTo(4, 10);
  });

  test("refuses different dimensions", () => {
    expect(() => frechetDistance(gaussian([0], [1]), gaussian([0, 0], [1, 0, 0, 1]))).toThrowError(/means of 1 and 2/);
  });
});

describe("slicedWasserstein", () => {
  test.prop({ seed, n: dimension })("is 0 for the same samples in another order and symmetric", ({ seed, n }) => {
    const a = randomStream(seed).normals(12 * n);
    const b = randomStream(seed + 1).normals(9 * n);
    const reversed = Array.from({ length: 12 }, (_, i) => [...a.slice((11 - i) * n, (12 - i) * n)]).flat();
    const options = { dimension: n, directions: 8 };
    expect(slicedWasserstein(a, reversed, options)).toBeCloseTo(0, 10);
    expect(slicedWasserstein(a, b, options)).toBeCloseTo(slicedWasserstein(b, a, options), 10);
  });

  test("is the shift in one dimension, and its share per direction in more", () => {
    expect(slicedWasserstein([0, 1, 2], [5, 6, 7], { dimension: 1 })).toBeCloseTo(5, 10);
    // E⟨u, s⟩² = ‖s‖² / d
    const a = [0, 0, 1, 1];
    const moved = a.map((x, i) => x + (i % 2 === 0 ? 3 : 4));
    const distance = slicedWasserstein(a, moved, { dimension: 2, directions: 4096 });
    expect(Math.abs(distance - 5 / Math.SQRT2)).toBeLessThan(0.1);
  });

  test("is exact for sets of different size", () => {
    // Half of the mass of {0} moves by 1, half by 3.
    expect(slicedWasserstein([0], [1, 3], { dimension: 1 })).toBeCloseTo(Math.sqrt(5), 10);
    expect(slicedWasserstein([0, 0, 6], [0, 6], { dimension: 1 })).toBeCloseTo(Math.sqrt(6), 10);
  });

  test("matches the closed form of two Gaussians", () => {
    // One-dimensional W₂² of N(0, 1) and N(2, 9): 2² + (3 − 1)².
    const a = randomStream(1).normals(40_000);
    const b = randomStream(2)
      .normals(40_000)
      .map((x) => 2 + 3 * x);
    expect(Math.abs(slicedWasserstein(a, b, { dimension: 1, directions: 2 }) - Math.sqrt(8))).toBeLessThan(0.05);
  });

  test("refuses torn or empty sets, NaN and no directions", () => {
    expect(() => slicedWasserstein([], [1], { dimension: 1 })).toThrowError(/a must hold whole samples/);
    expect(() => slicedWasserstein([1, 2], [1, 2, 3], { dimension: 2 })).toThrowError(/b must hold/);
    expect(() => slicedWasserstein([1], [Number.NaN], { dimension: 1 })).toThrowError(/b\[0\] must be finite/);
    expect(() => slicedWasserstein([1], [1], { dimension: 1, directions: 0 })).toThrowError(/directions must lie in/);
  });
});
