/** As far may numbers be from those of a covariance, in units of its largest: that of sums in float32. */
const rounding = 1e-5;
/** Excess over what two variances allow that is float64's own. */
const own = 1e-9;

/**
 * The covariance that a matrix stands for, but for rounding: both halves averaged, a variance below 0 as 0, and no number
 * beyond `√(v_i·v_j)`, so that a dimension without variance has nothing in common with others. What was made in float64
 * comes out as it is. The one rule for files and for memory: what was read is not refused later.
 *
 * `refuse` is called where a number is further off than rounding in float32 explains.
 */
export function exactCovariance(
  covariance: Float64Array,
  n: number,
  refuse: (what: string) => never,
): Float64Array<ArrayBuffer> {
  const exact = Float64Array.from(covariance);
  const slack = rounding * exact.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const deviations = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    const variance = exact[i * n + i] as number;
    if (variance < -slack) refuse(`has a negative variance, got ${variance}, at dimension ${i}`);
    exact[i * n + i] = Math.max(0, variance);
    deviations[i] = Math.sqrt(Math.max(0, variance));
  }
  for (let i = 0; i < n; i++)
    for (let j = 0; j < i; j++) {
      const [a, b] = [exact[i * n + j] as number, exact[j * n + i] as number];
      if (Math.abs(a - b) > slack) refuse(`is not symmetric; [${i}, ${j}] is ${a} and [${j}, ${i}] is ${b}`);
      const mean = a === b ? a : a / 2 + b / 2;
      const most = (deviations[i] as number) * (deviations[j] as number);
      const excess = Math.abs(mean) - most;
      if (excess > slack) refuse(`has a direction of negative variance: [${i}, ${j}] is ${mean}, of at most ${most}`);
      const value = excess > own * most ? Math.sign(mean) * most : mean;
      exact[i * n + j] = value;
      exact[j * n + i] = value;
    }
  return exact;
}
