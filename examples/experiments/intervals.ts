import type { Estimate } from "../text-to-image/intervals";

/** A mean over seeds with its 95 % interval by Student's law; without one where there is one seed only. */
export interface SeedMean {
  readonly value: number;
  readonly interval: Estimate | undefined;
  readonly seeds: number;
}

/** The mean of what different seeds gave, at least one of them. */
export function seedMean(values: readonly number[]): SeedMean {
  const seeds = values.length;
  const value = values.reduce((a, b) => a + b, 0) / seeds;
  if (seeds < 2) return { value, interval: undefined, seeds };
  const variance = values.reduce((sum, x) => sum + (x - value) ** 2, 0) / (seeds - 1);
  const half = studentQuantile(seeds - 1) * Math.sqrt(variance / seeds);
  return { value, interval: { value, low: value - half, high: value + half }, seeds };
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

/** Student's 97.5 % quantile: exact to three decimals for up to 4 degrees of freedom, by Fisher's expansion from 5. */
export function studentQuantile(degrees: number): number {
  const known = [12.706, 4.303, 3.182, 2.776][degrees - 1];
  if (known !== undefined) return known;
  const z = 1.959964;
  const terms = [
    (z ** 3 + z) / 4,
    (5 * z ** 5 + 16 * z ** 3 + 3 * z) / 96,
    (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / 384,
  ];
  return terms.reduce((sum, term, i) => sum + term / degrees ** (i + 1), z);
}
