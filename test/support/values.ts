import { fc } from "@fast-check/vitest";
import { type Tensor, tidy } from "@tensorflow/tfjs-core";
import { randomStream } from "../../src/core";
import type { NoiseLevel } from "../../src/predict";

/** Seeds of random tensors. */
export const seeds = fc.integer({ min: 0, max: 2 ** 31 });

/** Small batch shapes of ranks 1 to 5. */
export const shapes: fc.Arbitrary<readonly number[]> = fc.constantFrom(
  [3],
  [2, 2],
  [2, 3, 2],
  [3, 2, 2, 3],
  [2, 1, 2, 2, 3],
);

/** Numbers that are not finite. */
export const notFinite = fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY);

/** Levels of `count` samples in each family of coordinates, away from both ends. */
export function levels(count: number): fc.Arbitrary<NoiseLevel> {
  const each = (make: (u: number) => readonly [number, number]) =>
    fc.array(fc.double({ min: 0.1, max: 0.9, noNaN: true }).map(make), { minLength: count, maxLength: count });
  return fc
    .oneof(
      each((u) => [Math.cos((u * Math.PI) / 2), Math.sin((u * Math.PI) / 2)]),
      each((u) => [1, u / (1 - u)]),
      each((u) => [1 - u, u]),
    )
    .map((pairs) => ({ alpha: pairs.map(([alpha]) => alpha), sigma: pairs.map(([, sigma]) => sigma) }));
}

/** Standard normal tensors of one shape, from one seed. */
export function draw(seed: number, shape: readonly number[], count: number): Tensor[] {
  const stream = randomStream(seed);
  return Array.from({ length: count }, () => stream.normal(shape));
}

/** Runs a test's body and frees every tensor that it made. */
export function free(body: () => void): void {
  tidy(() => {
    body();
  });
}
