import { fc } from "@fast-check/vitest";
import { add, mul, type Tensor, tensor1d, tensor2d, tidy, type Variable, variable } from "@tensorflow/tfjs-core";
import type { GeneratorModel } from "../../src/models";
import type { NoiseSchedule } from "../../src/schedules";

/** Numbers on a grid: they shrink in few steps. */
export const between = (min: number, max: number) =>
  fc.integer({ min: 0, max: 256 }).map((i) => min + ((max - min) * i) / 256);

/** A schedule that stands at one level whatever the time. */
export function standing(alpha: number, sigma: number): NoiseSchedule {
  return { kind: "vp", discrete: false, tMin: 0, tMax: 1, alpha: () => alpha, sigma: () => sigma };
}

/** `G(z) = μ + τ·z`, with μ and τ as its variables: its law is N(μ, τ²). */
export function affineGenerator(mu: readonly number[], tau: number, name = "affine"): GeneratorModel {
  const [mean, scale] = tidy(() => [
    variable(tensor1d([...mu]), true, `${name}/mu`),
    variable(tensor1d([tau]), true, `${name}/tau`),
  ]) as [Variable, Variable];
  return {
    name,
    steps: 1,
    variables: [mean, scale],
    generate: ([z]) => tidy(() => add(mean, mul(z as Tensor, scale))),
    dispose: () => {
      mean.dispose();
      scale.dispose();
    },
  };
}

/**
 * Four points for a pair of standard normal numbers: ±1 each. The mean over them is the exact
 * expectation of every polynomial of degree at most 3 in each number, so at laws whose scores are
 * affine an expectation needs no sampling. `d` coordinates that do not mix may share the points.
 */
export function fourPoints(d: number): { z: Tensor; noise: Tensor } {
  const rows = (signs: number[]) => tensor2d(signs.map((sign) => Array<number>(d).fill(sign)));
  return { z: rows([1, 1, -1, -1]), noise: rows([1, -1, 1, -1]) };
}

/** Mean and its standard error. */
export function estimate(values: readonly number[]): { mean: number; error: number } {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / (values.length - 1);
  return { mean, error: Math.sqrt(variance / values.length) };
}
