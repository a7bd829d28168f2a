/** An estimate with its 95 % interval. */
export interface Estimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** The normal law's 97.5 % quantile. */
const z = 1.959964;

/** A share of `count` trials, with Wilson's interval: right at few trials and near 0 and 1. */
export function share(hits: number, count: number): Estimate {
  const p = hits / count;
  const centre = (p + z ** 2 / (2 * count)) / (1 + z ** 2 / count);
  const half = (z * Math.sqrt((p * (1 - p)) / count + (z / (2 * count)) ** 2)) / (1 + z ** 2 / count);
  return { value: p, low: Math.max(0, centre - half), high: Math.min(1, centre + half) };
}

/** Groups of the jackknife, and the 97.5 % quantile of Student's law for so many. */
const [groups, t] = [20, 2.093];

/**
 * A statistic of rows of numbers, with an interval by the jackknife over groups of rows: what it is without each of 20
 * groups tells its deviation, also where it is biased by the number of rows, as a Fréchet distance is.
 */
export function jackknifed(rows: Float32Array, width: number, statistic: (rows: Float32Array) => number): Estimate {
  const count = rows.length / width;
  const without = Array.from({ length: Math.min(groups, count) }, (_, group) => {
    const kept = Array.from({ length: count }, (_, i) => i).filter((i) => i % groups !== group);
    const rest = new Float32Array(kept.length * width);
    kept.forEach((i, n) => {
      rest.set(rows.subarray(i * width, (i + 1) * width), n * width);
    });
    return statistic(rest);
  });
  const mean = without.reduce((a, b) => a + b) / without.length;
  const spread = without.reduce((sum, x) => sum + (x - mean) ** 2, 0);
  const half = t * Math.sqrt((spread * (without.length - 1)) / without.length);
  const value = statistic(rows);
  return { value, low: value - half, high: value + half };
}
