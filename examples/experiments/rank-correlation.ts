/** Spearman's; equal values share their rank. */
export function rankCorrelation(a: readonly number[], b: readonly number[]): number {
  const ranks = (values: readonly number[]) => {
    const sorted = [...values].sort((x, y) => x - y);
    return values.map((value) => (sorted.indexOf(value) + sorted.lastIndexOf(value)) / 2);
  };
  const [x, y] = [ranks(a), ranks(b)];
  const middle = (a.length - 1) / 2;
  const sum = (p: readonly number[], q: readonly number[]) =>
    p.reduce((total, value, i) => total + (value - middle) * ((q[i] as number) - middle), 0);
  return sum(x, y) / Math.sqrt(sum(x, x) * sum(y, y));
}
