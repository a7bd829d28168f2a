/** Numbers that go after others, so that what is drawn moves smoothly though frames come seldom. */

export interface Chaser {
  /** Where the numbers are now. */
  readonly now: Float32Array;
  /** Where they go from now on; numbers of another count are there at once. */
  aim(target: Float32Array): void;
  /** Lets time pass, in milliseconds. Returns whether anything still moves. */
  advance(milliseconds: number): boolean;
}

/** After this time, in milliseconds, a third of the way is left. */
const lag = 70;
/** What is nearer than this is there. */
const near = 1e-3;

/** A chaser; with `smooth` false it is always there at once. */
export function makeChaser(smooth = () => true): Chaser {
  let now: Float32Array = new Float32Array();
  let target = now;
  let still = true;
  return {
    get now() {
      return now;
    },
    aim(next) {
      target = next;
      still = false;
      if (now.length !== next.length) now = next.slice();
    },
    advance(milliseconds) {
      if (still) return false;
      const share = smooth() ? 1 - Math.exp(-milliseconds / lag) : 1;
      let left = 0;
      for (let i = 0; i < now.length; i++) {
        const way = (target[i] as number) - (now[i] as number);
        // From nowhere, and to nowhere, there is no way.
        if (!Number.isFinite(way)) now[i] = target[i] as number;
        else {
          now[i] = (now[i] as number) + share * way;
          left = Math.max(left, Math.abs(way));
        }
      }
      still = left * (1 - share) <= near;
      return true;
    },
  };
}
