import { expect, test } from "vitest";
import { preparedLaws } from "../../../../examples/laboratory/laws";
import { makeChaser } from "../../../../examples/laboratory/page/chaser";
import { makeFrameClock } from "../../../../examples/laboratory/page/clock";
import { axisOf, type History, record } from "../../../../examples/laboratory/page/curve";
import { arrowsOf, gainOf } from "../../../../examples/laboratory/page/fields";
import { densityOfLaw, densityOfSamples } from "../../../../examples/laboratory/page/shading";
import { classShares, modesOf } from "../../../../examples/plane/law";
import { randomStream } from "../../../../src";

test("what is drawn goes after its aim whatever the pace of frames, and arrives", () => {
  const [one, two] = [makeChaser(), makeChaser()];
  for (const chaser of [one, two]) {
    chaser.aim(new Float32Array([0, 0]));
    chaser.aim(new Float32Array([1, -2]));
  }
  one.advance(100);
  for (let i = 0; i < 10; i++) two.advance(10);
  expect([...one.now]).toEqual([
    expect.closeTo(1 - Math.exp(-100 / 70)),
    expect.closeTo(-2 * (1 - Math.exp(-100 / 70))),
  ]);
  expect(two.now[0]).toBeCloseTo(one.now[0] as number, 5);
  for (let i = 0; i < 20; i++) one.advance(100);
  expect([one.now[1], one.advance(100)]).toEqual([expect.closeTo(-2, 3), false]);
});

test("without motion, and with numbers of another count, it is there at once", () => {
  const still = makeChaser(() => false);
  still.aim(new Float32Array([0]));
  still.aim(new Float32Array([4]));
  expect([still.advance(1), still.now[0], still.advance(1)]).toEqual([true, 4, false]);
  still.aim(new Float32Array([1, 2, 3]));
  expect([...still.now]).toEqual([1, 2, 3]);
});

test("what is no number is there at once, and so is what comes after it", () => {
  const chaser = makeChaser();
  chaser.aim(new Float32Array([0, 0]));
  chaser.aim(new Float32Array([Number.NaN, 1]));
  for (let i = 0; i < 20; i++) chaser.advance(100);
  expect([...chaser.now]).toEqual([Number.NaN, expect.closeTo(1, 2)]);
  expect(chaser.advance(100)).toBe(false);
  chaser.aim(new Float32Array([3, 1]));
  expect([chaser.advance(10), chaser.now[0]]).toEqual([true, 3]);
});

test("arrows are σ times the scores, and the difference of theirs", () => {
  const alone = { xt: Float32Array.of(1, 2), teacher: Float32Array.of(3, 1), alpha: 0.8, sigma: 0.5 };
  const both = { ...alone, fake: Float32Array.of(0, 1) };
  const [teacher, fake, difference] = (["teacher", "fake", "difference"] as const).map((name) => [
    ...arrowsOf(both, name),
  ]) as [number[], number[], number[]];
  expect(teacher).toEqual([expect.closeTo((0.8 * 3 - 1) / 0.5, 5), expect.closeTo((0.8 - 2) / 0.5, 5)]);
  expect(difference[0]).toBeCloseTo((teacher[0] as number) - (fake[0] as number), 5);
  expect(difference[1]).toBeCloseTo(0, 5);
  expect(arrowsOf(alone, "difference")).toHaveLength(0);
});

test("small arrows are magnified by a power of two, large ones and none are not", () => {
  expect(gainOf(Float32Array.from({ length: 200 }, () => 0.1))).toBe(8);
  expect(gainOf(Float32Array.from({ length: 200 }, () => 3))).toBe(1);
  expect(gainOf(new Float32Array(8))).toBe(1);
  expect(gainOf(new Float32Array())).toBe(1);
});

test("the shade of the law is its noised density", () => {
  const { ring } = preparedLaws;
  const noised = { alpha: 0.7, sigma: 0.5, extent: 2.6 };
  const density = densityOfLaw(ring, 0, noised);
  const side = Math.sqrt(density.length);
  const variance = 0.7 ** 2 * ring.variance + 0.25;
  const at = (i: number) => 2.6 * ((2 * i + 1) / side - 1);
  const exact = (i: number, j: number) =>
    modesOf(ring, 0).reduce(
      (sum, { centre: [x, y], share }) =>
        sum + share * Math.exp(-((at(j) - 0.7 * x) ** 2 + (at(i) - 0.7 * y) ** 2) / (2 * variance)),
      0,
    );
  for (const [i, j] of [
    [36, 40],
    [50, 20],
    [10, 60],
  ] as const)
    expect(density[i * side + j]).toBeCloseTo(exact(i, j), 4);
});

test("the shade of the whole law has each class as often as it occurs", () => {
  const { ring } = preparedLaws;
  const noised = { alpha: 0.7, sigma: 0.5, extent: 2.6 };
  const [all, first, second] = [undefined, 0, 1].map((c) => densityOfLaw(ring, c, noised)) as Float32Array[];
  const [a, b] = classShares(ring) as [number, number];
  expect(a).not.toBeCloseTo(b, 2);
  all?.forEach((density, i) => {
    expect(density).toBeCloseTo(a * (first?.[i] as number) + b * (second?.[i] as number), 4);
  });
});

test("the shade of samples is near the density that they are drawn from", () => {
  const stream = randomStream(1);
  const samples = Float32Array.from(stream.normals(40_000), (z) => 0.3 * z);
  const density = densityOfSamples([samples], { alpha: 0.5, sigma: 0.4, extent: 2.6 });
  const side = Math.sqrt(density.length);
  const variance = (0.5 * 0.3) ** 2 + 0.4 ** 2;
  const middle = density[36 * side + 36] as number;
  const at = (j: number) => 2.6 * ((2 * j + 1) / side - 1);
  for (const j of [40, 44, 48])
    expect((density[36 * side + j] as number) / middle).toBeCloseTo(
      Math.exp((at(36) ** 2 - at(j) ** 2) / (2 * variance)),
      1,
    );
});

test("a history has a value for an iteration, and is thinned where it grows long", () => {
  const history: History = { iterations: [], values: [] };
  record(history, 1, 5);
  record(history, 1, 6);
  expect(history.values).toEqual([6]);
  for (let i = 2; i < 3000; i++) record(history, i, i);
  expect(history.values.length).toBeLessThanOrEqual(600);
  expect(history.values.at(-1)).toBeGreaterThan(2990);
  expect(history.iterations).toEqual([...history.iterations].sort((a, b) => a - b));
});

test("an axis holds 0 and every value, a logarithm's begins at its floor; what is not finite counts nowhere", () => {
  expect(axisOf([2, Number.NaN, -1])).toEqual([-1, 2]);
  expect(axisOf([])).toEqual([-1, 1]);
  expect(axisOf([8, 0.5, 0], 0.02)).toEqual([Math.log(0.02), Math.log(8)]);
  expect(axisOf([8, 4], 0.02)).toEqual([Math.log(0.8), Math.log(8)]);
});

test("frames are counted over the last two seconds", () => {
  const clock = makeFrameClock();
  expect(clock.reading(0)).toEqual({ rate: 0, longest: 0 });
  for (let t = 0; t <= 5000; t += 25) clock.tick(t);
  clock.tick(5100);
  expect(clock.reading(5100)).toEqual({ rate: expect.closeTo(38.5, 1), longest: 100 });
});
