/** What of a run is looked at. The run does not depend on it. */
import type { Range } from "./state";

export interface Look {
  /** Noise level of the fields, as a share of the time. */
  readonly time: number;
  /** Class of the fields; none is told where it is undefined. */
  readonly class: number | undefined;
}

export const defaultLook: Look = { time: 0.3, class: 0 };

/** Numbers of a look. */
export const lookRanges = { time: { least: 0.01, most: 0.99 } } as const satisfies Readonly<Record<string, Range>>;

/** Words for the class that is looked at, and what they stand for. */
export const lookClasses = { "0": 0, "1": 1, none: undefined } as const;
