import { describe, expect, test } from "vitest";
import {
  drawnLaw,
  halfWidth,
  inPlane,
  onPaper,
  paper,
  preparedLaws,
  type Stroke,
} from "../../../examples/laboratory/laws";
import { classShares } from "../../../examples/plane/law";

const line = (c: 0 | 1, from: readonly [number, number], to: readonly [number, number], count = 50): Stroke => ({
  class: c,
  points: Array.from({ length: count }, (_, i) => {
    const u = i / (count - 1);
    return [Math.round(from[0] + u * (to[0] - from[0])), Math.round(from[1] + u * (to[1] - from[1]))] as const;
  }),
});

describe("a drawing", () => {
  test("becomes Gaussians equally far along its strokes, in its classes", () => {
    const law = drawnLaw([line(0, [0, 2000], [paper, 2000]), line(1, [1000, 0], [1000, 2000])]);
    const own = law.means.filter((_, k) => law.classes[k] === 0);
    const gaps = own.slice(1).map(([x], i) => x - (own[i] as readonly [number, number])[0]);
    expect(Math.max(...gaps) - Math.min(...gaps)).toBeLessThan(1e-3);
    expect(own[0]?.[0]).toBeCloseTo(-halfWidth, 6);
    expect(own.at(-1)?.[0]).toBeCloseTo(halfWidth, 6);
    // They flow into each other: a deviation of six tenths of their distance.
    expect(Math.sqrt(law.variance) / (gaps[0] as number)).toBeCloseTo(0.6, 1);
    expect(classShares(law)[0]).toBeCloseTo(2 / 3, 1);
  });

  test("does not depend on how often a hand was sampled", () => {
    const few = drawnLaw([line(0, [0, 0], [paper, paper], 9)]);
    const many = drawnLaw([line(0, [0, 0], [paper, paper], 900)]);
    expect(many.means.length).toBe(few.means.length);
    few.means.forEach((mean, k) => {
      mean.forEach((u, i) => {
        expect(u).toBeCloseTo(many.means[k]?.[i] as number, 2);
      });
    });
  });

  test("in one colour is one class, whichever", () => {
    expect(classShares(drawnLaw([line(1, [0, 0], [paper, paper])]))).toEqual([1]);
  });

  test("of many dots or long lines has no more Gaussians than are affordable", () => {
    const dots = Array.from({ length: 300 }, (_, i): Stroke => ({ class: 0, points: [[13 * i, 4000 - 13 * i]] }));
    expect(drawnLaw(dots).means.length).toBe(40);
    const scribble = Array.from({ length: 30 }, (_, i) => line(i % 2 === 0 ? 0 : 1, [0, 100 * i], [paper, 100 * i]));
    expect(drawnLaw(scribble).means.length).toBe(40);
    expect(Math.sqrt(drawnLaw(scribble).variance)).toBeLessThan(0.35);
  });

  test.each([
    [20, 0.0721],
    [30, 0.1084],
    [38, 0.1084],
    [40, 0.1084],
    [45, 0.1084],
  ])("of %i short strokes keeps their place: a deviation of %f", (count, deviation) => {
    // Each 0.18 long.
    const strokes = Array.from({ length: count }, (_, i): Stroke => {
      const [x, y] = [100 + 550 * (i % 7), 100 + 550 * Math.floor(i / 7)];
      return line(0, [x, y], [x + 205, y], 9);
    });
    const { means, variance } = drawnLaw(strokes);
    expect(Math.sqrt(variance)).toBeCloseTo(deviation, 3);
    expect(means.length).toBeLessThanOrEqual(40);
  });

  test("that is none is told in words", () => {
    expect(() => drawnLaw([])).toThrow(/0 points, and a law wants at least 8/);
    expect(() => drawnLaw([line(0, [0, 0], [9, 9], 5000)])).toThrow(/5000 points, more than the 4000/);
    expect(() => drawnLaw([line(0, [0, 0], [9, -9])])).toThrow(/coordinate of -1,|coordinate of -\d/);
    expect(() => drawnLaw([line(0, [0, 0], [9, 9]), { class: 1, points: [] }])).toThrow(/stroke without points/);
  });
});

test("paper and plane are one another's inverse", () => {
  for (const place of [
    [0, paper],
    [17, 2048],
    [4000, 1],
  ] as const)
    expect(onPaper(inPlane(place))).toEqual(place);
});

test.each(Object.entries(preparedLaws))("%s lies on the paper, in at most two classes", (_, law) => {
  for (const [x, y] of law.means) expect(Math.max(Math.abs(x), Math.abs(y))).toBeLessThanOrEqual(halfWidth);
  expect([1, 2]).toContain(classShares(law).length);
  expect(law.means.length).toBeLessThanOrEqual(41);
});
