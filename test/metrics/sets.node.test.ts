import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { randomStream } from "../../src/core";
import {
  clipScore,
  inceptionMoments,
  inceptionScore,
  kernelDistance,
  kernelDistanceOfSubsets,
  mergeClipScores,
  neighbourMetrics,
  retrievalAccuracy,
} from "../../src/metrics";
import { expectSidError } from "../support/errors";

const seed = fc.integer({ min: 0, max: 1e6 });
const normals = (seed: number, count: number) => randomStream(seed).normals(count);

describe("kernel distance", () => {
  test.prop(
    { seed, counts: fc.tuple(fc.integer({ min: 2, max: 600 }), fc.integer({ min: 2, max: 300 })) },
    { numRuns: 20 },
  )("in blocks is the plain double sum", ({ seed, counts: [m, n] }) => {
    const [a, b] = [normals(seed, m * 2), normals(seed + 1, n * 2)];
    const k = (x: Float32Array, i: number, y: Float32Array, j: number) =>
      (((x[2 * i] as number) * (y[2 * j] as number) + (x[2 * i + 1] as number) * (y[2 * j + 1] as number)) / 2 + 1) **
      3;
    const sum = (x: Float32Array, y: Float32Array, same: boolean) => {
      let total = 0;
      for (let i = 0; i < x.length / 2; i++)
        for (let j = 0; j < y.length / 2; j++) if (!same || i !== j) total += k(x, i, y, j);
      return total;
    };
    const expected =
      sum(a, a, true) / (m * (m - 1)) + sum(b, b, true) / (n * (n - 1)) - (2 * sum(a, b, false)) / (m * n);
    const size = sum(a, a, true) / (m * (m - 1)) + sum(b, b, true) / (n * (n - 1));
    const actual = kernelDistance(a, b, { dimension: 2 });
    expect(Math.abs(actual - expected)).toBeLessThan(1e-10 * (1 + Math.abs(size)));
  });

  test("is unbiased: 0 on average for sets of one law, however small", () => {
    const values = Array.from({ length: 400 }, (_, i) =>
      kernelDistance(normals(2 * i, 20), normals(2 * i + 1, 20), { dimension: 2 }),
    );
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    const deviation = Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length);
    expect(Math.abs(mean)).toBeLessThan((3 * deviation) / Math.sqrt(values.length));
  });

  test("of subsets draws each vector at most once, and the same ones from the same stream", () => {
    const [a, b] = [normals(1, 120), normals(2, 90)];
    const options = { dimension: 3, subsets: 4, subsetSize: 25 };
    const once = kernelDistanceOfSubsets(a, b, { ...options, stream: randomStream(9) });
    expect(kernelDistanceOfSubsets(a, b, { ...options, stream: randomStream(9) })).toEqual(once);
    expect(kernelDistanceOfSubsets(a, b, { ...options, stream: randomStream(8) })).not.toEqual(once);
    expect(kernelDistanceOfSubsets(a, b, options)).toEqual(
      kernelDistanceOfSubsets(a, b, { ...options, stream: randomStream(0) }),
    );
    expect(once.deviation).toBeGreaterThan(0);
  });

  test("refuses bad input", () => {
    const set = [1, 2, 3, 4];
    const subsets =
      (subsetSize: number, subsets = 2) =>
      () =>
        kernelDistanceOfSubsets(set, set, { dimension: 1, subsetSize, subsets });
    expectSidError("out-of-range", subsets(5), /subsetSize .* must lie in \[2, 4\], got 5/);
    expectSidError("out-of-range", subsets(1), /got 1/);
    expectSidError("out-of-range", subsets(2, 0), /subsets must lie in/);
    expectSidError("shape-mismatch", () => kernelDistance(set, [1], { dimension: 1 }), /b must hold .* at least 2/);
    expectSidError("shape-mismatch", () => kernelDistance(set, [1, 2, 3], { dimension: 2 }), /b must hold whole/);
    expectSidError("not-finite", () => kernelDistance(set, [1, Number.NaN], { dimension: 1 }), /b\[1\]/);
    expectSidError("not-finite", () => kernelDistance([1e200, 1], [1, 1], { dimension: 1 }), /overflow/);
  });
});

describe("neighbour metrics", () => {
  /** By the definitions, with every distance in a table. */
  function plain(x: Float32Array, y: Float32Array, d: number, k: number) {
    const distance = (a: Float32Array, i: number, b: Float32Array, j: number) => {
      let sum = 0;
      for (let c = 0; c < d; c++) sum += ((a[i * d + c] as number) - (b[j * d + c] as number)) ** 2;
      return Math.sqrt(sum);
    };
    const indices = (a: Float32Array) => Array.from({ length: a.length / d }, (_, i) => i);
    const radii = (a: Float32Array) =>
      indices(a).map(
        (i) =>
          indices(a)
            .filter((j) => j !== i)
            .map((j) => distance(a, i, a, j))
            .sort((p, q) => p - q)[k - 1] as number,
      );
    const [rx, ry] = [radii(x), radii(y)];
    const inX = (i: number, j: number) => distance(x, i, y, j) < (rx[i] as number);
    const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
    return {
      precision: mean(indices(y).map((j) => +indices(x).some((i) => inX(i, j)))),
      recall: mean(indices(x).map((i) => +indices(y).some((j) => distance(x, i, y, j) < (ry[j] as number)))),
      density: mean(indices(y).map((j) => indices(x).filter((i) => inX(i, j)).length)) / k,
      coverage: mean(indices(x).map((i) => +indices(y).some((j) => inX(i, j)))),
    };
  }

  test.prop(
    {
      seed,
      m: fc.integer({ min: 8, max: 300 }),
      n: fc.integer({ min: 8, max: 300 }),
      k: fc.integer({ min: 1, max: 7 }),
    },
    { numRuns: 15 },
  )("in blocks are the definitions", ({ seed, m, n, k }) => {
    const [x, y] = [normals(seed, m * 3), normals(seed + 1, n * 3).map((v) => 0.9 * v + 0.2)];
    const [actual, expected] = [neighbourMetrics(x, y, { dimension: 3, k }), plain(x, y, 3, k)];
    for (const name of ["precision", "recall", "density", "coverage"] as const)
      expect(actual[name], name).toBeCloseTo(expected[name], 12);
  });

  test("know a collapsed generator, an invented one, and the law itself", () => {
    const real = normals(1, 2000);
    const options = { dimension: 2, k: 5 };
    const collapsed = neighbourMetrics(
      real,
      normals(2, 1000).map((x) => 0.01 * x),
      options,
    );
    expect(collapsed.precision).toBeGreaterThan(0.95);
    expect(collapsed.recall).toBeLessThan(0.05);
    expect(collapsed.coverage).toBeLessThan(0.05);
    const invented = neighbourMetrics(
      real,
      normals(3, 2000).map((x) => x + 20),
      options,
    );
    expect(invented).toEqual({ precision: 0, recall: 0, density: 0, coverage: 0 });
    const same = neighbourMetrics(real, normals(4, 2000), options);
    expect(Math.abs(same.density - 1)).toBeLessThan(0.1);
    expect(Math.abs(same.coverage - (1 - 2 ** -5))).toBeLessThan(0.03);
  });

  test("a vector that is there twice has no distance to itself", () => {
    const x = normals(7, 40 * 8).map((v) => 1000 + v);
    const twice = Float32Array.from([...x, ...x]);
    expect(neighbourMetrics(twice, twice, { dimension: 8, k: 1 })).toEqual({
      ...{ precision: 0, recall: 0, density: 0, coverage: 0 },
    });
  });

  test("refuse bad input", () => {
    const call =
      (k: number, real: readonly number[] = [1, 2, 3]) =>
      () =>
        neighbourMetrics(real, [1, 2, 3, 4], { dimension: 1, k });
    expectSidError("out-of-range", call(3), /k must be below the count of vectors, got k = 3 and 3 in real/);
    expectSidError("out-of-range", call(-1), /k must lie in/);
    expectSidError("invalid-argument", call(1.5), /k must be an integer/);
    expectSidError("shape-mismatch", call(1, []), /real must hold/);
    expectSidError("not-finite", call(1, [1, 2, Number.POSITIVE_INFINITY]), /real\[2\]/);
    expectSidError(
      "shape-mismatch",
      () => neighbourMetrics([1, 2], [1, 2, 3], { dimension: 2, k: 1 }),
      /generated must/,
    );
  });
});

describe("Inception Score", () => {
  test("merges and goes on from a state to 1e-10", () => {
    const logits = normals(5, 40 * 7);
    const whole = inceptionScore(logits, { classes: 7, splits: 1 });
    const first = inceptionMoments({ classes: 7 });
    first.add(logits.subarray(0, 21 * 7));
    const second = inceptionMoments({ classes: 7, state: first.state() });
    second.add(logits.subarray(21 * 7, 30 * 7));
    const third = inceptionMoments({ classes: 7 });
    third.add(logits.subarray(30 * 7));
    third.merge(second.state());
    expect(Math.abs(third.score() / whole.mean - 1)).toBeLessThan(1e-10);
    expect(whole.deviation).toBe(0);
  });

  test("lies between 1 and the classes, whatever the size of logits", () => {
    const sure = [1e4, 0, 0, 0, 1e4, 0, 0, 0, 1e4];
    expect(inceptionScore(sure, { classes: 3, splits: 1 }).mean).toBeCloseTo(3, 10);
    expect(inceptionScore([1, 1, 1, 1], { classes: 2, splits: 1 }).mean).toBe(1);
  });

  test.prop({ seed, count: fc.integer({ min: 4, max: 40 }), splits: fc.integer({ min: 1, max: 4 }) })(
    "of logits that are read some at a time is that of all",
    ({ seed, count, splits }) => {
      const logits = normals(seed, count * 3);
      const asked: number[] = [];
      const rows = {
        count,
        read(from: number, to: number) {
          asked.push(to - from);
          return logits.subarray(3 * from, 3 * to);
        },
      };
      const scores = inceptionScore(logits, { classes: 3, splits });
      expect(inceptionScore(rows, { classes: 3, splits })).toEqual(scores);
      expect(asked).toHaveLength(scores.splits);
      const shuffled = () => ({ classes: 3, splits, stream: randomStream(seed) });
      expect(inceptionScore(rows, shuffled())).toEqual(inceptionScore(logits, shuffled()));
    },
  );

  test("has fewer splits where the others leave the last ones nothing", () => {
    expect(inceptionScore(normals(2, 12 * 2), { classes: 2, splits: 10 }).splits).toBe(6);
  });

  test("rows that give other counts than asked for are refused", () => {
    const rows = (count: number, given: number) => ({ count, read: () => new Float32Array(given) });
    const score = (count: number, given: number) => () => inceptionScore(rows(count, given), { classes: 2, splits: 1 });
    expectSidError("shape-mismatch", score(3, 4), /wanted logits of 3 pictures, logits.read gave 2/);
    expectSidError("shape-mismatch", score(3, 5), /what logits.read gives must hold whole/);
    expectSidError("out-of-range", score(0, 0), /logits.count/);
    expectSidError("invalid-argument", () => inceptionScore({ count: 1, read: 3 } as never, { classes: 2 }), /rows of/);
  });

  test("shuffles where a stream is given, the same way each time", () => {
    const logits = normals(6, 60);
    const options = { classes: 3, splits: 4 };
    const shuffled = inceptionScore(logits, { ...options, stream: randomStream(1) });
    expect(inceptionScore(logits, { ...options, stream: randomStream(1) })).toEqual(shuffled);
    expect(inceptionScore(logits, options)).not.toEqual(shuffled);
  });

  test("refuses bad input", () => {
    const options = { classes: 2 };
    expectSidError("out-of-range", () => inceptionScore([1, 2], options), /splits .* must lie in \[1, 1\], got 10/);
    expectSidError("shape-mismatch", () => inceptionScore([1, 2, 3], options), /logits must hold whole/);
    expectSidError("not-finite", () => inceptionScore([1, Number.NaN], { classes: 2, splits: 1 }), /logits\[1\]/);
    expectSidError("out-of-range", () => inceptionMoments(options).score(), /got none/);
    const other = inceptionMoments({ classes: 3 }).state();
    expectSidError("shape-mismatch", () => inceptionMoments(options).merge(other), /must hold 2 numbers, got 3/);
  });
});

describe("CLIP score and retrieval", () => {
  test.prop({ seed, cut: fc.integer({ min: 1, max: 19 }) })("scores of batches are that of all", ({ seed, cut }) => {
    const [images, texts] = [normals(seed, 20 * 5), normals(seed + 1, 20 * 5)];
    const whole = clipScore(images, texts, { dimension: 5 });
    const parts = [
      [0, cut],
      [cut, 20],
    ].map(([from = 0, to]) =>
      clipScore(images.subarray(from * 5, to && to * 5), texts.subarray(from * 5, to && to * 5), { dimension: 5 }),
    );
    const merged = mergeClipScores(parts);
    expect(merged.count).toBe(20);
    expect(merged.cosine).toBeCloseTo(whole.cosine, 12);
    expect(merged.score).toBeCloseTo(whole.score, 12);
  });

  test.prop(
    { seed, count: fc.integer({ min: 2, max: 600 }), share: fc.double({ min: 0, max: 1, noNaN: true }) },
    { numRuns: 20 },
  )("retrieval in blocks is a plain search among those that follow", ({ seed, count, share }) => {
    const images = normals(seed, count * 3);
    const texts = normals(seed + 1, count * 3).map((x, i) => 0.5 * x + (images[i] as number));
    const among = Math.max(2, Math.ceil(share * count));
    const cosine = (i: number, j: number) => {
      const [a, b] = [images.subarray(3 * i, 3 * i + 3), texts.subarray(3 * j, 3 * j + 3)];
      return a.reduce((sum, x, c) => sum + x * (b[c] as number), 0) / Math.hypot(...a) / Math.hypot(...b);
    };
    let hits = 0;
    for (let i = 0; i < count; i++) {
      let closer = 0;
      for (let step = 1; step < among; step++) if (cosine(i, (i + step) % count) > cosine(i, i)) closer++;
      if (closer === 0) hits++;
    }
    const { accuracy, chance } = retrievalAccuracy(images, texts, { dimension: 3, among });
    expect(accuracy).toBeCloseTo(hits / count, 12);
    expect(chance).toBe(1 / among);
  });

  test("an encoder that collapsed is right by chance", () => {
    const same = Array<number>(50 * 4).fill(0.3);
    for (const k of [1, 5]) {
      const { accuracy, chance } = retrievalAccuracy(normals(1, 200), same, { dimension: 4, k, among: 20 });
      expect(accuracy).toBeCloseTo(chance, 12);
    }
  });

  test("refuse bad input", () => {
    const two = [1, 0, 0, 1];
    const options = { dimension: 2 };
    expectSidError(
      "out-of-range",
      () => clipScore(two, [1, 0, 0, 0], options),
      /texts must point somewhere.* number 1/,
    );
    expectSidError("shape-mismatch", () => clipScore(two, [1, 0], options), /2 pictures and 1 texts/);
    expectSidError("not-finite", () => clipScore([1, Number.NaN], [1, 0], options), /images\[1\]/);
    expectSidError("out-of-range", () => mergeClipScores([]), /got none/);
    expectSidError(
      "out-of-range",
      () => retrievalAccuracy(two, two, { ...options, k: 2 }),
      /k .* must lie in \[1, 1\]/,
    );
    expectSidError("out-of-range", () => retrievalAccuracy(two, two, { ...options, among: 3 }), /among .*\[2, 2\]/);
    expectSidError("out-of-range", () => retrievalAccuracy([1, 0], [1, 0], options), /tell texts apart/);
    expectSidError("out-of-range", () => retrievalAccuracy(two, two, { ...options, k: -1 }), /k .* must lie in/);
  });
});
