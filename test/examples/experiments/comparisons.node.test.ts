import { describe, expect, test } from "vitest";
import { chanceOf, holm } from "../../../examples/experiments/comparisons";
import { pairedDifference, seedMean } from "../../../examples/experiments/intervals";
import { rankCorrelation } from "../../../examples/experiments/rank-correlation";
import { studentQuantile, studentTails } from "../../../examples/experiments/student";

describe("intervals over seeds", () => {
  test("are Student's: by hand, of 3, 5 and 10", () => {
    // Mean 6, squares 9 + 1 + 16, variance 13, standard error √(13/3) = 2.081666, 4.302653 of it.
    const { value, error, interval, seeds } = seedMean([3, 5, 10]);
    expect([value, seeds]).toEqual([6, 3]);
    expect(error).toBeCloseTo(2.08167, 5);
    expect(interval?.low).toBeCloseTo(-2.95669, 4);
    expect(interval?.high).toBeCloseTo(14.95669, 4);
    expect(seedMean([4])).toEqual({ value: 4, error: undefined, interval: undefined, seeds: 1 });
  });

  test.each([
    [1, 12.706],
    [4, 2.776],
    [5, 2.571],
    [9, 2.262],
    [30, 2.042],
  ])("take the printed tables' quantile at %i degrees of freedom", (degrees, wanted) => {
    expect(studentQuantile(degrees)).toBeCloseTo(wanted, 3);
  });

  test("of a difference pair the seeds that both have", () => {
    const a = new Map([
      [0, 10],
      [1, 20],
      [2, 35],
      [7, 1000],
    ]);
    const b = new Map([
      [2, 25],
      [1, 15],
      [0, 8],
      [9, -1000],
    ]);
    expect(pairedDifference(a, b)).toEqual(seedMean([2, 5, 10]));
    expect(pairedDifference(new Map([[1, 1]]), new Map([[2, 1]]))).toBeUndefined();
  });
});

describe("chances", () => {
  test.each([
    [1, 12.706, 0.05],
    [2, 4.303, 0.05],
    [2, 9.925, 0.01],
    [3, 3.182, 0.05],
    [4, 4.604, 0.01],
    [5, 2.571, 0.05],
    [9, 3.25, 0.01],
    [10, 2.228, 0.05],
    [30, 2.042, 0.05],
  ])("are the printed tables': %i degrees of freedom, t = %f", (degrees, t, wanted) => {
    expect(studentTails(t, degrees)).toBeCloseTo(wanted, 4);
    expect(studentTails(0, degrees)).toBe(1);
  });

  test("of a mean: as its interval says, and no NaN where seeds agree to the bit", () => {
    expect(chanceOf(seedMean([5]))).toBeUndefined();
    expect(chanceOf(seedMean([2, 2, 2]))).toBe(0);
    expect(chanceOf(seedMean([0, 0]))).toBe(1);
    // 3, 5, 10 against 0: t = 6/2.08167 = 2.8823 at 2 degrees, 1 − t/√(2 + t²).
    expect(chanceOf(seedMean([3, 5, 10]))).toBeCloseTo(1 - 2.88231 / Math.sqrt(2 + 2.88231 ** 2), 5);
    expect(chanceOf(seedMean([-3, -5, -10]))).toBe(chanceOf(seedMean([3, 5, 10])));
  });

  test("are raised by Holm: by hand", () => {
    const raised = holm([0.01, 0.04, 0.03, 0.005]);
    for (const [i, wanted] of [0.03, 0.06, 0.06, 0.02].entries()) expect(raised[i]).toBeCloseTo(wanted, 12);
    expect(holm([0.6, 0.7])).toEqual([1, 1]);
    expect(holm([])).toEqual([]);
  });
});

test("ranks correlate as Spearman's do: by hand, with a tie", () => {
  expect(rankCorrelation([1, 2, 3], [10, 100, 1000])).toBe(1);
  expect(rankCorrelation([1, 2, 3], [3, 2, 1])).toBe(-1);
  // Ranks 0, 1, 2, 3 and 0.5, 0.5, 2, 3: 4.5/√(5 · 4.5).
  expect(rankCorrelation([1, 2, 3, 4], [7, 7, 8, 9])).toBeCloseTo(4.5 / Math.sqrt(22.5), 12);
});
