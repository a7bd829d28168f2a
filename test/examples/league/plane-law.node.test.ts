import { describe, expect, test } from "vitest";
import { coverageOf, smoothedKl, smoothing } from "../../../examples/league/plane-law";
import { modesOf, variance } from "../../../examples/plane/world";
import { randomStream } from "../../../src/core";

/** Points of N(centre, deviation²), at the quantiles of a polar grid: no chance in them. */
function gaussian(centre: readonly [number, number], deviation: number, rings = 400, spokes = 256): Float64Array {
  const points: number[] = [];
  for (let i = 0; i < rings; i++)
    for (let j = 0; j < spokes; j++) {
      const radius = deviation * Math.sqrt(-2 * Math.log(1 - (i + 0.5) / rings));
      const angle = (2 * Math.PI * (j + 0.37 * i)) / spokes;
      points.push(centre[0] + radius * Math.cos(angle), centre[1] + radius * Math.sin(angle));
    }
  return Float64Array.from(points);
}

/** A class's own points, each Gaussian as often as it occurs. */
function mixture(c: number, count: number, seed = 3): Float64Array {
  const stream = randomStream(seed);
  const modes = modesOf(c);
  const which = stream.uniform(count);
  const normals = stream.normals(2 * count);
  const bounds = modes.map((_, k) => modes.slice(0, k + 1).reduce((sum, { share }) => sum + share, 0));
  return Float64Array.from(normals, (z, i) => {
    const at = which[i >> 1] as number;
    const k = bounds.findIndex((bound) => at < bound);
    return (modes[k < 0 ? modes.length - 1 : k]?.centre[i % 2] ?? 0) + Math.sqrt(variance) * z;
  });
}

describe("the divergence of the smoothed laws", () => {
  // A Gaussian upon one mode, which overlaps the others by less than 1e-8: KL is that of two Gaussians less the log of the share.
  test.each([
    ["the mode itself", 0, Math.sqrt(variance)],
    ["narrower", 0, 0.1],
    ["a point", 0, 0],
    ["shifted by what is no whole cell", 0.0731, 0.12],
  ])("is that of Gaussians in closed form: %s", (_, shift, deviation) => {
    for (const c of [0, 1]) {
      const { centre, share } = modesOf(c)[1] ?? { centre: [0, 0], share: 1 };
      const [own, total] = [deviation ** 2 + smoothing ** 2, variance + smoothing ** 2];
      const wanted = own / total - 1 - Math.log(own / total) + shift ** 2 / (2 * total) - Math.log(share);
      const got = smoothedKl(gaussian([centre[0] + shift, centre[1]], deviation), c);
      expect(Math.abs(got - wanted)).toBeLessThan(5e-3 * wanted);
    }
  });

  test("of the mixture's own points is what their number leaves, and halves as they double", () => {
    const [few, many] = [smoothedKl(mixture(0, 16_384), 0), smoothedKl(mixture(0, 65_536), 0)];
    expect(many).toBeGreaterThan(0);
    expect(many).toBeLessThan(2e-3);
    expect(few / many).toBeGreaterThan(3);
    expect(few / many).toBeLessThan(5);
  });

  test("grows with what is wrong: the other class is far, and points beyond the square are told, not lost", () => {
    expect(smoothedKl(mixture(1, 4096), 0)).toBeGreaterThan(5);
    expect(smoothedKl([100, 100, -100, 3], 0)).toBeGreaterThan(50);
  });
});

describe("coverage", () => {
  test("of the mixture: all modes, and as many strays as three deviations leave", () => {
    for (const c of [0, 1]) {
      const { covered, stray } = coverageOf(mixture(c, 50_000), c);
      expect(covered).toBe(3);
      expect(stray).toBeCloseTo(Math.exp(-4.5), 2);
    }
  });

  test("of one mode alone, and of nowhere", () => {
    const { centre } = modesOf(0)[2] ?? { centre: [0, 0] as const };
    expect(coverageOf(gaussian([centre[0], centre[1]], 0.1, 50, 50), 0)).toEqual({ covered: 1, stray: 0 });
    expect(coverageOf([0, 0, 9, 9], 0)).toEqual({ covered: 0, stray: 1 });
  });
});
