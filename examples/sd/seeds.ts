/** Seeds in ranges, so that 30,000 take no room. */
export interface Seeds {
  readonly count: number;
  at(i: number): number;
  /** A seed that is there twice, if any. */
  readonly twice: number | undefined;
}

/** Reads `0-29999` or `1,2,5-10`; throws an error with a plain message for anything else. */
export function parseSeeds(text: string): Seeds {
  return seedsOf(text.split(",").map((part) => rangeOf(part.trim(), text)));
}

/** `0 … count − 1`. */
export function firstSeeds(count: number): Seeds {
  return seedsOf([[0, count - 1]]);
}

type Range = readonly [first: number, last: number];

function rangeOf(part: string, text: string): Range {
  const [, first, , last = first] = /^(\d+)(\s*-\s*(\d+))?$/.exec(part) ?? [];
  if (first === undefined || last === undefined)
    throw new Error(
      `--seeds must be whole numbers from 0 and ranges of them, such as 0-29999 or 1,2,5-10, got "${text}".`,
    );
  const [from, to] = [Number(first), Number(last)];
  if (!Number.isSafeInteger(from) || !Number.isSafeInteger(to))
    throw new Error(`--seeds: a seed is at most ${Number.MAX_SAFE_INTEGER}, got "${part}".`);
  if (to < from) throw new Error(`--seeds: a range goes upwards, as ${to}-${from} does, got "${part}".`);
  return [from, to];
}

function seedsOf(ranges: readonly Range[]): Seeds {
  const sizes = ranges.map(([first, last]) => last - first + 1);
  const sorted = ranges.toSorted(([a], [b]) => a - b);
  return {
    count: sizes.reduce((a, b) => a + b, 0),
    at(i) {
      let left = i;
      for (const [range, size] of sizes.entries()) {
        if (left < size) return (ranges[range] as Range)[0] + left;
        left -= size;
      }
      throw new Error(`there is no seed ${i}`);
    },
    twice: sorted.find(([first], i) => i > 0 && first <= (sorted[i - 1] as Range)[1])?.[0],
  };
}
