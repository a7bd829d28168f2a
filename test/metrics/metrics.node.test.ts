import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { randomStream } from "../../src/core";
import { type FeatureStatistics, featureStatistics, frechetDistance, slicedWasserstein } from "../../src/metrics";
import { multiply, symmetricEigen, symmetricFunction } from "../../src/metrics/symmetric-eigen";

const seed = fc.integer({ min: 0, max: 1e6 });
const dimension = fc.integer({ min: 1, max: 8 });

/** A random symmetric positive definite matrix `AᵀA + 0.1·I`. */
function covarianceOf(seed: number, n: number): Float64Array {
  const a = Float64Array.from(randomStream(seed).normals(n * n));
  const transposed = a.map((_, k) => a[(k % n) * n + Math.floor(k / n)] as number);
  return multiply(transposed, a, n).map((value, k) => value + (k % (n + 1) === 0 ? 0.1 : 0));
}

function gaussian(mean: number[], covariance: ArrayLike<number>): FeatureStatistics {
  return { count: 2, mean: Float64Array.from(mean), covariance: Float64Array.from(covariance) };
}

function expectNear(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance = 1e-9): void {
  expect(actual.length).toBe(expected.length);
  const worst = Math.max(...Array.from(actual, (x, i) => Math.abs(x - (expected[i] as number))));
  expect(worst, `largest difference ${worst}`).toBeLessThanOrEqual(tolerance);
}

describe("symmetric eigen-decomposition", () => {
  test.prop({ seed, n: dimension })("puts the matrix together again, from orthonormal vectors", ({ seed, n }) => {
    const matrix = covarianceOf(seed, n);
    expectNear(
      symmetricFunction(matrix, n, (x) => x),
      matrix,
    );
    const { vectors } = symmetricEigen(matrix, n);
    const transposed = vectors.map((_, k) => vectors[(k % n) * n + Math.floor(k / n)] as number);
    expectNear(
      multiply(vectors, transposed, n),
      Float64Array.from({ length: n * n }, (_, k) => +(k % (n + 1) === 0)),
    );
  });

  test.prop({ seed, n: dimension })("gives a square root whose square is the matrix", ({ seed, n }) => {
    const matrix = covarianceOf(seed, n);
    const root = symmetricFunction(matrix, n, Math.sqrt);
    expectNear(multiply(root, root, n), matrix);
  });
});

describe("featureStatistics", () => {
  test("has the mean and the unbiased covariance", () => {
    const { count, mean, covariance } = featureStatistics([1, 2, 3, 6, 5, 4], 2);
    expect(count).toBe(3);
    expectNear(mean, [3, 4]);
    expectNear(covariance, [4, 2, 2, 4]);
  });

  test("refuses too few vectors, torn vectors and NaN", () => {
    expect(() => featureStatistics([1, 2], 2)).toThrowError(/at least 2 vectors of 2 numbers, got 2/);
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
