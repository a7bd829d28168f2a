import { readFileSync } from "node:fs";
import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { type RandomState, type RandomStream, randomStream } from "../../src/core";
import { expectSidError } from "../support/errors";
import { numbers } from "../support/matchers";
import { notFinite, seeds } from "../support/values";

interface KnownAnswer extends RandomState {
  readonly words: readonly [number, number, number, number];
}
const golden = JSON.parse(readFileSync(new URL("../golden/philox.json", import.meta.url), "utf8")) as KnownAnswer[];

describe("Philox4x32-10", () => {
  test("the known answer of Random123 for key 0 and counter 0", () => {
    const [u0, u1] = randomStream(0).uniform(2) as [number, number];
    expect(u0 * 2 ** 53).toBe((0x6627e8d5 >>> 5) * 2 ** 26 + (0xe169c58d >>> 6));
    expect(u1 * 2 ** 53).toBe((0xbc57ac4c >>> 5) * 2 ** 26 + (0x9b00dbd8 >>> 6));
  });

  test.each(golden)("seed $seed at position $position, as unbounded integers give it", ({ words, ...state }) => {
    const [a, b, c, d] = words;
    const fraction = (high: number, low: number) => ((high >>> 5) * 2 ** 26 + (low >>> 6)) / 2 ** 53;
    expect(randomStream(state).uniform(2)).toEqual([fraction(a, b), fraction(c, d)]);
  });

  test.each(golden)("seed $seed at position $position, normals by Box and Muller", ({ words, ...state }) => {
    const [a, b, c, d] = words.map((word) => word / 2 ** 32) as [number, number, number, number];
    const pair = (u: number, v: number) => {
      const radius = Math.sqrt(-2 * Math.log(u + 2 ** -33));
      return [radius * Math.cos(2 * Math.PI * v), radius * Math.sin(2 * Math.PI * v)];
    };
    expect([...randomStream(state).normals(4)]).toEqual([...Float32Array.from([...pair(a, b), ...pair(c, d)])]);
  });
});

/** What may be drawn from a stream, as plain numbers. */
const draws = fc.oneof(
  fc.nat(9).map((n) => (stream: RandomStream) => stream.uniform(n)),
  fc.nat(9).map((n) => (stream: RandomStream) => stream.integers(n, -3, 8)),
  fc.nat(9).map((n) => (stream: RandomStream) => [...stream.normals(n)]),
  fc.array(fc.nat(3), { maxLength: 4 }).map((shape) => (stream: RandomStream) => {
    const x = stream.normal(shape);
    const values = numbers(x);
    expect(x.shape).toEqual(shape);
    x.dispose();
    return values;
  }),
);

describe("streams", () => {
  test.prop([seeds, fc.array(draws, { maxLength: 6 }), fc.array(draws, { maxLength: 6 })])(
    "go on exactly from a state that went through JSON",
    (seed, first, second) => {
      const stream = randomStream(seed);
      for (const draw of first) draw(stream);
      const later = randomStream(JSON.parse(JSON.stringify(stream.state())) as RandomState);
      for (const draw of second) expect(draw(later)).toEqual(draw(stream));
      expect(later.state()).toEqual(stream.state());
    },
  );

  test.prop([seeds, fc.nat(7)])("a state is where the stream stood, whatever is drawn afterwards", (seed, count) => {
    const stream = randomStream(seed);
    const state = stream.state();
    stream.normals(count);
    expect(state).toEqual({ seed, position: 0 });
    expect(stream.state()).toEqual({ seed, position: Math.ceil(count / 4) });
  });

  test.prop([
    seeds,
    fc.nat(9),
    fc.array(fc.nat(5), { minLength: 1, maxLength: 3 }),
    fc.array(fc.nat(100), { maxLength: 4 }),
  ])(
    "rows of a tensor are those of the whole, wherever it is cut, and the stream ends alike",
    (seed, before, shape, cuts) => {
      const [rows = 0, ...each] = shape;
      const whole = randomStream(seed);
      whole.normals(before);
      const start = whole.state();
      const x = whole.normal(shape);
      const places = [0, ...cuts.map((cut) => cut % (rows + 1)).sort((a, b) => a - b), rows];
      const parts = places.slice(1).flatMap((to, i) => {
        const from = places[i] as number;
        const stream = randomStream(start);
        const part = stream.normal(shape, { from, to });
        expect(part.shape).toEqual([to - from, ...each]);
        expect(stream.state()).toEqual(whole.state());
        const values = numbers(part);
        part.dispose();
        return values;
      });
      expect(parts).toEqual(numbers(x));
      x.dispose();
    },
  );

  test.each([
    [[2 ** 28, 8], 2 ** 27 + 1],
    [[2 ** 40, 2, 2], 2 ** 39],
    [[2 ** 31 + 6], 2 ** 31],
  ])("a few rows of a batch of %j, which no array holds", (shape, from) => {
    const each = shape.slice(1).reduce((a, b) => a * b, 1);
    const stream = randomStream({ seed: 3, position: 5 });
    const rows = stream.normal(shape, { from, to: from + 4 });
    expect(rows.shape).toEqual([4, ...shape.slice(1)]);
    // A block of the generator is four numbers.
    expect(stream.state()).toEqual({ seed: 3, position: 5 + Math.ceil(((shape[0] as number) * each) / 4) });
    const there = randomStream({ seed: 3, position: 5 + (from * each) / 4 });
    expect(numbers(rows)).toEqual([...there.normals(4 * each)]);
    rows.dispose();
    expectSidError("out-of-range", () => stream.normal(shape), /RandomStream\.normals: count/);
  });

  test.prop([seeds, seeds])("different seeds differ, and so do successive draws", (one, other) => {
    fc.pre(one !== other);
    const stream = randomStream(one);
    expect(stream.uniform(4)).not.toEqual(randomStream(other).uniform(4));
    expect(stream.uniform(4)).not.toEqual(randomStream(one).uniform(4));
  });

  test.prop([seeds, fc.integer({ min: -1000, max: 1000 }), fc.integer({ min: 1, max: 2000 })])(
    "integers and fractions stay in range",
    (seed, min, width) => {
      const stream = randomStream(seed);
      for (const i of stream.integers(20, min, min + width))
        expect(Number.isInteger(i) && i >= min && i < min + width, String(i)).toBe(true);
      for (const u of stream.uniform(20)) expect(u >= 0 && u < 1, String(u)).toBe(true);
    },
  );
});

describe("moments over 200,000 draws, to five standard errors", () => {
  const count = 200_000;
  const mean = (values: ArrayLike<number>, f: (x: number) => number) =>
    Array.from(values).reduce((total, x) => total + f(x), 0) / values.length;

  // The standard errors are those of the exact law: √(variance of the moment / count).
  test.each([
    [1, 0, 1],
    [2, 1, 2],
    [3, 0, 15],
    [4, 3, 96],
  ])("normals: E[x^%i] = %i", (power, expected, variance) => {
    const moment = mean(randomStream(31).normals(count), (x) => x ** power);
    expect(Math.abs(moment - expected)).toBeLessThan(5 * Math.sqrt(variance / count));
  });

  test("normals: the two of a pair, and neighbours, are uncorrelated", () => {
    const values = randomStream(32).normals(count);
    for (const lag of [1, 2, 3]) {
      const products = Array.from(values.subarray(lag), (x, i) => x * (values[i] as number));
      expect(Math.abs(mean(products, (x) => x))).toBeLessThan(5 / Math.sqrt(count));
    }
  });

  test("uniforms: mean 1/2, variance 1/12", () => {
    const values = randomStream(33).uniform(count);
    expect(Math.abs(mean(values, (u) => u) - 0.5)).toBeLessThan(5 * Math.sqrt(1 / 12 / count));
    expect(Math.abs(mean(values, (u) => (u - 0.5) ** 2) - 1 / 12)).toBeLessThan(5 * Math.sqrt(1 / 180 / count));
  });

  test("integers: every value equally often", () => {
    const values = randomStream(34).integers(count, 0, 7);
    for (let k = 0; k < 7; k++) {
      const share = values.filter((value) => value === k).length / count;
      expect(Math.abs(share - 1 / 7)).toBeLessThan(5 * Math.sqrt(6 / 49 / count));
    }
  });
});

describe("bad input", () => {
  test.prop([notFinite])("seeds and positions that are not finite", (value) => {
    expectSidError("not-finite", () => randomStream(value), /seed/);
    expectSidError("not-finite", () => randomStream({ seed: 1, position: value }), /position/);
  });

  test.prop([fc.oneof(fc.double({ min: -1e9, max: -1e-9, noNaN: true }), fc.constantFrom(0.5, 2 ** 53))])(
    "seeds that are no integers in [0, 2^53)",
    (value) => {
      const code = value < 0 || value > Number.MAX_SAFE_INTEGER ? "out-of-range" : "invalid-argument";
      expectSidError(code, () => randomStream(value), /seed/);
      expectSidError(code, () => randomStream({ seed: 1, position: value }), /position/);
    },
  );

  test.each([null, undefined, "7", {}, { seed: "7" }])("%s is no seed", (from) => {
    expectSidError("invalid-argument", () => randomStream(from as never));
  });

  test.prop([fc.integer({ min: -99, max: -1 })])("negative counts and sizes", (count) => {
    const stream = randomStream(1);
    for (const draw of [
      () => stream.uniform(count),
      () => stream.normals(count),
      () => stream.integers(count, 0, 9),
      () => stream.normal([2, count]),
    ])
      expectSidError("out-of-range", draw, /RandomStream/);
    expect(stream.state().position).toBe(0);
  });

  test.each([{ from: -1, to: 1 }, { from: 2, to: 1 }, { from: 0, to: 4 }, { from: 0.5, to: 1 }, { to: 1 }])(
    "%o are no rows of three",
    (rows) => {
      const stream = randomStream(1);
      expect(() => stream.normal([3, 2], rows as never)).toThrow(/RandomStream\.normal: rows/);
      expect(stream.state().position).toBe(0);
    },
  );

  test("fractions, empty ranges and shapes that are none", () => {
    const stream = randomStream(1);
    expectSidError("invalid-argument", () => stream.uniform(1.5), /integer/);
    expectSidError("invalid-argument", () => stream.integers(1, 0.5, 3), /min/);
    expectSidError("out-of-range", () => stream.integers(1, 3, 3), /max/);
    expectSidError("invalid-argument", () => stream.normal(3 as never), /shape/);
  });
});
