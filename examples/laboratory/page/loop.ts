/** Drawing again and again, for as long as anything moves. */
import { type FrameClock, makeFrameClock } from "./clock";

export interface LoopOptions {
  /** Draws what `milliseconds` have moved. Returns whether anything did. */
  readonly draw: (milliseconds: number) => boolean;
  /** Whether less motion is wanted: then there is a picture a second at most. */
  readonly calm: () => boolean;
}

export interface Loop {
  /** Times of the pictures while something moved. */
  readonly clock: FrameClock;
  /** Has the next picture come at once, though less motion is wanted: it answers what the reader did. */
  hasten(): void;
  end(): void;
}

/** Milliseconds between two pictures where less motion is wanted. */
const slow = 1000;
/** A longer pause was none of the drawing's. */
const longest = 250;

export function startLoop({ draw, calm }: LoopOptions): Loop {
  const clock = makeFrameClock();
  let before = performance.now();
  let hastened = false;
  let handle = requestAnimationFrame(function turn(now) {
    handle = requestAnimationFrame(turn);
    if (calm() && !hastened && now - before < slow) return;
    hastened = false;
    if (draw(Math.min(longest, now - before))) clock.tick(now);
    before = now;
  });
  return {
    clock,
    hasten() {
      hastened = true;
    },
    end: () => cancelAnimationFrame(handle),
  };
}
