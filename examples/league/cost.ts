/** What a run of the league cost, taken from what its iterations say. */
import { watchBytes } from "../experiments/peak-bytes";

/** What training cost. */
export interface LeagueTraining {
  readonly iterations: number;
  /** Per iteration and sample of the batch. */
  readonly passesPerIteration: number;
  readonly passes: number;
  /** Passes that a sample costs. */
  readonly steps: number;
  readonly learningRate: number;
  readonly secondsPerIteration: number;
  readonly peakBytes: number;
  /** What the gauge said at the end, in nats. */
  readonly gauge: Readonly<Record<string, number>>;
}

/** Passes in all, from how many were spent after each iteration: the first one's include what a run tries out before. */
export function passesOf(spent: readonly number[]): number {
  const [first = 0, second] = spent;
  return second === undefined ? first : (spent.at(-1) as number) - first + (second - first);
}

/** The middle one, the upper one of two; 0 of none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? 0;
}

/** One watch for all runs of this process. */
export function watchMemory() {
  const bytes = watchBytes();
  return {
    /** Bytes beyond those that are there now, at most, since then or since the last `restart`. */
    from() {
      bytes.restart();
      const before = bytes.peak();
      return { peak: () => bytes.peak() - before, restart: bytes.restart };
    },
  };
}

export type MemoryWatch = ReturnType<typeof watchMemory>;
