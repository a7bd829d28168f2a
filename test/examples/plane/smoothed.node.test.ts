import { describe, expect, test } from "vitest";
import { modesOf, ring } from "../../../examples/plane/law";
import { smoothedDensity, smoothedKl, smoothing } from "../../../examples/plane/smoothed";
import { gaussian, mixture } from "./points";

const { variance } = ring;
const densities = [0, 1].map((c) => smoothedDensity(ring, c));
const klOf = (points: ArrayLike<number>, c: number) => smoothedKl(points, densities[c] as Float64Array);

describe("the divergence of the smoothed laws", () => {
  // A Gaussian upon one mode, which overlaps the others by less than 1e-8: KL is that of two Gaussians less the log of the share.
  test.each([
    ["the mode itself", 0, Math.sqrt(variance)],
    ["narrower", 0, 0.1],
    ["a point", 0, 0],
    ["shifted by what is no whole cell", 0.0731, 0.12],
  ])("is that of Gaussians in closed form: %s", (_, shift, deviation) => {
    for (const c of [0, 1]) {
      const { centre, share } = modesOf(ring, c)[1] ?? { centre: [0, 0], share: 1 };
      const [own, total] = [deviation ** 2 + smoothing ** 2, variance + smoothing ** 2];
      const wanted = own / total - 1 - Math.log(own / total) + shift ** 2 / (2 * total) - Math.log(share);
      const got = klOf(gaussian([centre[0] + shift, centre[1]], deviation), c);
      expect(Math.abs(got - wanted)).toBeLessThan(5e-3 * wanted);
    }
  });

  test("of the mixture's own points is what their number leaves, and halves as they double", () => {
    const [few, many] = [klOf(mixture(0, 16_384), 0), klOf(mixture(0, 65_536), 0)];
    expect(many).toBeGreaterThan(0);
    expect(many).toBeLessThan(2e-3);
    expect(few / many).toBeGreaterThan(3);
    expect(few / many).toBeLessThan(5);
  });

  test("grows with what is wrong: the other class is far, and points beyond the square are told, not lost", () => {
    expect(klOf(mixture(1, 4096), 0)).toBeGreaterThan(5);
    expect(klOf([100, 100, -100, 3], 0)).toBeGreaterThan(50);
  });

  test("points of different masses count by them", () => {
    const [points, twice] = [
      [1.4, 0, 0.7, 1.2],
      [1.4, 0, 1.4, 0, 0.7, 1.2],
    ];
    const weighted = smoothedKl(points, densities[0] as Float64Array, [2 / 3, 1 / 3]);
    expect(weighted).toBeCloseTo(klOf(twice, 0), 10);
    expect(Math.abs(weighted - klOf(points, 0))).toBeGreaterThan(1e-2);
  });
});
