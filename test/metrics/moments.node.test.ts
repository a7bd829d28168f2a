import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { randomStream } from "../../src/core";
import { type FeatureMomentsState, type FeatureStatistics, featureMoments, featureStatistics } from "../../src/metrics";
import { addRowProducts } from "../../src/metrics/row-products";
import { expectSidError } from "../support/errors";

const seed = fc.integer({ min: 0, max: 1e6 });

/** Correlated vectors, each dimension with an offset of its own, far from 0. */
function features(seed: number, count: number, n: number, offset: number): Float64Array {
  const stream = randomStream(seed);
  const normals = stream.normals(count * n);
  const scales = stream.uniform(n).map((u) => 10 ** (2 * u - 1));
  return Float64Array.from(
    normals,
    (x, i) => (x + (normals[i - (i % n)] as number)) * (scales[i % n] as number) + offset,
  );
}

/** Mean and covariance by the book, in two passes. */
function twoPasses(x: Float64Array, n: number): FeatureStatistics {
  const count = x.length / n;
  const column = (j: number) => Array.from({ length: count }, (_, i) => x[i * n + j] as number);
  const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
  const mean = Float64Array.from({ length: n }, (_, j) => sum(column(j)) / count);
  const centred = Array.from({ length: n }, (_, j) => column(j).map((value) => value - (mean[j] as number)));
  const covariance = Float64Array.from({ length: n * n }, (_, at) => {
    const [a, b] = [centred[Math.floor(at / n)] as number[], centred[at % n] as number[]];
    return sum(a.map((value, i) => value * (b[i] as number))) / (count - 1);
  });
  return { count, mean, covariance };
}

/** Means to 1e-10 of themselves or of a deviation, covariances to 1e-10 of the deviations' product. */
function expectSame(actual: FeatureStatistics, expected: FeatureStatistics, tolerance = 1e-10): void {
  const n = expected.mean.length;
  const deviation = (i: number) => Math.sqrt(expected.covariance[i * n + i] as number);
  expect(actual.count).toBe(expected.count);
  expected.mean.forEach((value, i) => {
    const scale = Math.max(Math.abs(value), deviation(i));
    expect(Math.abs((actual.mean[i] as number) - value)).toBeLessThanOrEqual(tolerance * scale);
  });
  expected.covariance.forEach((value, at) => {
    const scale = deviation(Math.floor(at / n)) * deviation(at % n);
    expect(Math.abs((actual.covariance[at] as number) - value)).toBeLessThanOrEqual(tolerance * scale);
  });
}

describe("featureMoments", () => {
  test.prop({
    seed,
    n: fc.integer({ min: 1, max: 9 }),
    cuts: fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 12 }),
    offset: fc.constantFrom(0, 1, -1000),
    order: seed,
  })("of shards merged in any order is the one pass to 1e-10", ({ seed, n, cuts, offset, order }) => {
    const count = cuts.reduce((a, b) => a + b, 1);
    const x = features(seed, count, n, offset);
    let from = 0;
    const shards = [...cuts, 1].map((size) => {
      const shard = featureMoments({ dimension: n });
      // In two batches, the second of which may be empty.
      const some = Math.ceil(size / 2);
      shard.add(x.subarray(from * n, (from + some) * n));
      if (size > some) shard.add(x.subarray((from + some) * n, (from + size) * n));
      from += size;
      return shard.state();
    });
    const keys = randomStream(order).uniform(shards.length);
    const shuffled = shards.map((shard, i) => ({ shard, key: keys[i] as number })).sort((a, b) => a.key - b.key);
    const all = featureMoments({ dimension: n });
    for (const { shard } of shuffled) all.merge(shard);
    const expected = featureStatistics(x, n);
    expectSame(all.statistics(), expected);
    expectSame(expected, twoPasses(x, n));
    // As a tree, too.
    const [half, other] = [featureMoments({ dimension: n }), featureMoments({ dimension: n })];
    shuffled.forEach(({ shard }, i) => {
      (i % 2 === 0 ? half : other).merge(shard);
    });
    half.merge(other.state());
    expectSame(half.statistics(), expected);
  });

  test.prop({ seed, at: fc.integer({ min: 0, max: 30 }) })("goes on from a state that was saved", ({ seed, at }) => {
    const x = features(seed, 30, 3, 2);
    const first = featureMoments({ dimension: 3, network: "w" });
    if (at > 0) first.add(x.subarray(0, at * 3));
    const text = JSON.stringify(first.state(), (_, value) => (value instanceof Float64Array ? [...value] : value));
    const saved = JSON.parse(text) as { count: number; mean: number[]; scatter: number[]; network: string };
    const state = { ...saved, mean: Float64Array.from(saved.mean), scatter: Float64Array.from(saved.scatter) };
    const second = featureMoments({ dimension: 3, state });
    if (at < 30) second.add(x.subarray(at * 3));
    expectSame(second.statistics(), featureStatistics(x, 3));
    expect(second.statistics().network).toBe("w");
  });

  test("keeps its digits far from 0, and over more vectors than it takes in at once", () => {
    const n = 5;
    const x = features(3, 1500, n, 1e5);
    expectSame(featureStatistics(x, n), twoPasses(x, n));
    const oneByOne = featureMoments({ dimension: n });
    for (let i = 0; i < x.length; i += n) oneByOne.add(x.subarray(i, i + n));
    expectSame(oneByOne.statistics(), twoPasses(x, n));
  });

  test("is right in more dimensions than a tile has, and exactly symmetric", () => {
    const n = 203;
    const x = features(4, 300, n, 0);
    const { covariance, ...others } = featureStatistics(x, n);
    expectSame({ covariance, ...others }, twoPasses(x, n));
    expect(covariance.every((value, at) => value === covariance[(at % n) * n + Math.floor(at / n)])).toBe(true);
  });

  test("its state is a copy, and asking for one changes nothing", () => {
    const moments = featureMoments({ dimension: 1 });
    moments.add([1, 2]);
    const state = moments.state();
    state.mean[0] = 99;
    state.scatter[0] = 99;
    moments.add([3]);
    expectSame(moments.statistics(), featureStatistics([1, 2, 3], 1));
  });

  test("refuses bad input, and is as before", () => {
    const moments = featureMoments({ dimension: 2, network: "clip" });
    moments.add([1, 2, 3, 4]);
    const before = moments.state();
    const state = (other: Partial<FeatureMomentsState>) => ({ ...before, ...other });
    expectSidError("not-finite", () => moments.add([1, 2, 3, Number.NaN]), /features\[3\]/);
    expectSidError("shape-mismatch", () => moments.add([1, 2, 3]), /whole vectors of 2/);
    expectSidError("shape-mismatch", () => moments.add([]), /at least 1/);
    expectSidError("shape-mismatch", () => moments.merge(state({ mean: new Float64Array(3) })), /must hold 2 numbers/);
    expectSidError("invalid-argument", () => moments.merge(state({ network: "v3" })), /"clip" and of "v3"/);
    expectSidError("out-of-range", () => moments.merge(state({ count: -1 })), /count/);
    const other = featureMoments({ dimension: 2 }) as unknown as FeatureMomentsState;
    expectSidError(
      "invalid-argument",
      () => moments.merge(other),
      /FeatureMoments\.merge: other is an accumulator; give its state, other\.state\(\)/,
    );
    expectSidError(
      "not-finite",
      () => moments.merge(state({ scatter: new Float64Array(4).fill(Number.NaN) })),
      /scatter/,
    );
    expectSidError("invalid-argument", () => featureMoments({ dimension: 2, network: "v3", state: before }), /"clip"/);
    expectSidError("out-of-range", () => featureMoments({ dimension: 2 ** 40 }), /dimension/);
    expectSidError("out-of-range", () => featureMoments({ dimension: 2 }).statistics(), /at least 2 vectors, got 0/);
    expect(moments.state()).toEqual(before);
  });
});

test.prop({ rows: fc.integer({ min: 1, max: 11 }), columns: fc.integer({ min: 1, max: 11 }), seed })(
  "row products are those of plain loops, at every edge, and touch nothing else",
  ({ rows, columns, seed }) => {
    const depth = 7;
    const stride = columns + 2;
    const [a, b] = [rows, columns].map((count, i) => features(seed + i, count + 2, depth, 0)) as [
      Float64Array,
      Float64Array,
    ];
    const values = new Float64Array((rows + 2) * stride).fill(1);
    addRowProducts({ values, stride }, a, { from: 1, to: rows + 1 }, b, { from: 1, to: columns + 1 }, depth);
    values.forEach((value, at) => {
      const [i, j] = [Math.floor(at / stride), at % stride];
      const isWithin = i >= 1 && i <= rows && j >= 1 && j <= columns;
      let sum = 0;
      for (let k = 0; k < depth && isWithin; k++) sum += (a[i * depth + k] as number) * (b[j * depth + k] as number);
      expect(value).toBe(1 + sum);
    });
  },
);
