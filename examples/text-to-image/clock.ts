/** Takes the time of each phase of a job. */
export interface Clock {
  /** Ends a phase and begins the next. */
  lap(phase: string): void;
  /** Seconds of the phases so far. */
  readonly laps: Readonly<Record<string, number>>;
}

export function startClock(): Clock {
  const laps: Record<string, number> = {};
  let last = performance.now();
  return {
    laps,
    lap(phase) {
      const now = performance.now();
      laps[phase] = Math.round(now - last) / 1000;
      last = now;
    },
  };
}
