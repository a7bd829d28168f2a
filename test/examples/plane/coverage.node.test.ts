import { describe, expect, test } from "vitest";
import { coverageOf } from "../../../examples/plane/coverage";
import { modesOf, ring } from "../../../examples/plane/law";
import { gaussian, mixture } from "./points";

describe("coverage", () => {
  test("of the mixture: all modes, and as many strays as three deviations leave", () => {
    for (const c of [0, 1]) {
      const { covered, stray } = coverageOf(mixture(c, 50_000), ring, c);
      expect(covered).toBe(3);
      expect(stray).toBeCloseTo(Math.exp(-4.5), 2);
    }
  });

  test("of one mode alone, and of nowhere", () => {
    const { centre } = modesOf(ring, 0)[2] ?? { centre: [0, 0] as const };
    expect(coverageOf(gaussian([centre[0], centre[1]], 0.1, 50, 50), ring, 0)).toEqual({ covered: 1, stray: 0 });
    expect(coverageOf([0, 0, 9, 9], ring, 0)).toEqual({ covered: 0, stray: 1 });
  });

  test("counts points by their masses", () => {
    const { centre } = modesOf(ring, 0)[0] ?? { centre: [0, 0] as const };
    expect(coverageOf([...centre, 9, 9], ring, 0, [0.9, 0.1])).toEqual({ covered: 1, stray: expect.closeTo(0.1, 12) });
  });
});
