/** An axis: where values stand on it, from 0 to 1, and which of them are written. */
export interface Scale {
  readonly ticks: readonly number[];
  place(value: number): number;
}

/** A scale from a round number below all values to one above, with about `count` steps. */
export function linearScale(values: readonly number[], count: number): Scale {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const most = Math.max(-low, high);
  const spread = high - low > 1e-9 * most ? high - low : most; // where all are the same: some room around them
  const step = roundAbove(spread > tiniest ? spread / count : 1);
  const [first, last] = [Math.floor(low / step), Math.max(Math.ceil(high / step), Math.floor(low / step) + 1)];
  return {
    ticks: Array.from({ length: last - first + 1 }, (_, i) => tidied((first + i) * step)),
    place: (value) => (value / step - first) / (last - first),
  };
}

/** The same for positive values: equal ratios are equally far apart. */
export function logarithmicScale(values: readonly number[]): Scale {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const [fine, rough] = [[1, 2, 5], [1]].map((digits) => enclosing(low, high, digits)) as [number[], number[]];
  const ticks = fine.length > mostTicks ? rough : fine;
  const [first = 1, last = 1] = [ticks[0], ticks.at(-1)];
  return { ticks, place: (value) => Math.log(value / first) / Math.log(last / first) };
}

/** What is smaller is 0: its powers of ten are none of a double. */
export const tiniest = 1e-290;

const mostTicks = 6;

/** Digits times powers of ten from the last one below all values to the first one above. */
function enclosing(low: number, high: number, digits: readonly number[]): number[] {
  const [from, to] = [Math.floor(Math.log10(low)) - 1, Math.ceil(Math.log10(high)) + 1];
  const all = Array.from({ length: to - from + 1 }, (_, i) => digits.map((digit) => digit * 10 ** (from + i))).flat();
  const first = all.findLastIndex((tick) => tick <= low);
  const last = all.findIndex((tick) => tick >= high && tick > low);
  return all.slice(first, last + 1).map(tidied);
}

/** 1, 2 or 5 times a power of ten. */
function roundAbove(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * ([1, 2, 5].find((digit) => digit * power >= value * (1 - 1e-9)) ?? 10);
}

/** Without what rounding left behind: 0.3, not 0.30000000000000004. */
function tidied(value: number): number {
  return Number(value.toPrecision(12));
}
