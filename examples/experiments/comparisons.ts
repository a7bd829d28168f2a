/** Many comparisons at once: how likely each is by chance alone. */
import type { SeedMean } from "./intervals";
import { studentTails } from "./student";

/** How likely a mean so far from 0 is where the truth is 0, by Student's law; undefined with one seed. */
export function chanceOf({ value, error, seeds }: SeedMean): number | undefined {
  if (error === undefined) return undefined;
  if (value === 0) return 1;
  return error === 0 ? 0 : studentTails(Math.abs(value) / error, seeds - 1);
}

/**
 * Holm's correction: the same chances, raised so that with those below 0.05 taken for true, the chance to be wrong in any
 * of them is at most 0.05, however they hang together.
 *
 * Source: Holm, "A simple sequentially rejective multiple test procedure" (1979).
 */
export function holm(chances: readonly number[]): number[] {
  const order = chances.map((_, i) => i).sort((a, b) => (chances[a] as number) - (chances[b] as number));
  const raised = new Array<number>(chances.length);
  let most = 0;
  order.forEach((i, rank) => {
    most = Math.max(most, Math.min(1, (chances.length - rank) * (chances[i] as number)));
    raised[i] = most;
  });
  return raised;
}
