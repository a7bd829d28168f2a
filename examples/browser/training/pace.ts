/** How fast a run goes, and how long it will. */

/** Tells the time that is left from that of the iterations so far. */
export interface Pace {
  /** An iteration is over, at that time in milliseconds. */
  tick(iteration: number, now: number): void;
  /** In words; empty until there is something to tell. */
  text(total: number): string;
}

/** Begins with the first tick: what comes before it is loading. */
export function startPace(): Pace {
  let [first, begun, last, now] = [0, 0, 0, 0];
  return {
    tick(iteration, at) {
      if (begun === 0) [first, begun] = [iteration, at];
      [last, now] = [iteration, at];
    },
    text(total) {
      if (last <= first) return "";
      const each = (now - begun) / 1000 / (last - first);
      const whole = `${Number(each.toPrecision(2))} s an iteration, looks and saves included: ${about(each * total)} for all ${total}`;
      return last < total ? `${whole}, ${about(each * (total - last))} left` : whole;
    },
  };
}

/** `40 seconds`, `6 minutes`, `2 h 5 min`. */
export function about(seconds: number): string {
  const whole = Math.max(1, Math.round(seconds));
  if (whole < 90) return whole === 1 ? "1 second" : `${whole} seconds`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} minutes` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
