import type { Estimate } from "../text-to-image/intervals";
import { studentQuantile } from "./student";

/** A mean over seeds with its 95 % interval by Student's law; without one where there is one seed only. */
export interface SeedMean {
  readonly value: number;
  /** Standard error of the mean. */
  readonly error: number | undefined;
  readonly interval: Estimate | undefined;
  readonly seeds: number;
}

/** The mean of what different seeds gave, at least one of them. */
export function seedMean(values: readonly number[]): SeedMean {
  const seeds = values.length;
  const value = values.reduce((a, b) => a + b, 0) / seeds;
  if (seeds < 2) return { value, error: undefined, interval: undefined, seeds };
  const variance = values.reduce((sum, x) => sum + (x - value) ** 2, 0) / (seeds - 1);
  const error = Math.sqrt(variance / seeds);
  const half = studentQuantile(seeds - 1) * error;
  return { value, error, interval: { value, low: value - half, high: value + half }, seeds };
}

/** What is known by seed: figure by seed. */
export type BySeed = ReadonlyMap<number, number>;

/** The mean of `a − b` over the seeds that both have: what the seed does to both leaves the interval. */
export function pairedDifference(a: BySeed, b: BySeed): SeedMean | undefined {
  const differences = [...a].flatMap(([seed, value]) => {
    const other = b.get(seed);
    return other === undefined ? [] : [value - other];
  });
  return differences.length > 0 ? seedMean(differences) : undefined;
}
