/** Counts frames: those of the worker, and those of the page. */

/** Frames of the last while. */
export interface FrameClock {
  /** A frame is there, at a time in milliseconds. */
  tick(now: number): void;
  /** Frames a second, and the longest time between two of late, in milliseconds. */
  reading(now: number): { readonly rate: number; readonly longest: number };
}

/** So long is a while, in milliseconds. */
const while_ = 2000;

export function makeFrameClock(): FrameClock {
  let ticks: number[] = [];
  return {
    tick: (now) => void ticks.push(now),
    reading(now) {
      ticks = ticks.filter((tick) => now - tick < while_);
      const gaps = ticks.slice(1).map((tick, i) => tick - (ticks[i] as number));
      const spent = (ticks.at(-1) ?? 0) - (ticks[0] ?? 0);
      return { rate: spent > 0 ? (1000 * gaps.length) / spent : 0, longest: Math.max(0, ...gaps) };
    },
  };
}
