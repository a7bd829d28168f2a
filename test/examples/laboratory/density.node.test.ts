import { add, memory, mul, type Tensor, tensor1d, tidy } from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { measure, pushForward, ruleOf } from "../../../examples/laboratory/density";
import type { Law } from "../../../examples/plane/law";
import { smoothing } from "../../../examples/plane/smoothed";
import { makeWorld, pretrain } from "../../../examples/plane/world";
import { useBackend } from "../../../src/backends";
import { randomStream } from "../../../src/core";
import { type GeneratorModel, generatorFrom } from "../../../src/models";

let tensors: number;
beforeAll(async () => {
  await useBackend("wasm");
  tensors = memory().numTensors;
});
afterAll(() => {
  expect(memory().numTensors, "leaked tensors").toBe(tensors);
});

/** x_g = b + s·z, from the first noise alone. */
const affine = (b: readonly [number, number], s: readonly [number, number], steps = 1): GeneratorModel => ({
  ...{ name: "affine", steps, variables: [], dispose: () => {} },
  generate: ([z]) => tidy(() => add(mul(z as Tensor, tensor1d([...s])), tensor1d([...b]))),
});
const one: Law = { weights: [1], means: [[0.3, -0.2]], variance: 0.04, classes: [0] };

/** KL(N(b, s²) ‖ the law), both after the small noise, in closed form. */
function closedForm(b: readonly [number, number], s: readonly [number, number]): number {
  const total = one.variance + smoothing ** 2;
  return [0, 1].reduce((kl, i) => {
    const own = (s[i] as number) ** 2 + smoothing ** 2;
    const off = (b[i] as number) - (one.means[0]?.[i] as number);
    return kl + 0.5 * (own / total - 1 - Math.log(own / total) + off ** 2 / total);
  }, 0);
}

test.each([
  [
    [0.3, -0.2],
    [0.2, 0.2],
  ],
  [
    [0.5, -0.1],
    [0.1, 0.3],
  ],
  [
    [0, 0],
    [0.5, 0.02],
  ],
  [
    [-0.4, 0.9],
    [0.3, 0.8],
  ],
] as const)("the divergence of a Gaussian N(%j, %j²) is that in closed form", async (b, s) => {
  const wanted = closedForm(b, s);
  const { kl, spread } = await measure(affine(b, s), ruleOf(one));
  expect(Math.abs(kl - wanted)).toBeLessThan(2e-3 * wanted + 2e-4);
  expect(spread).toBeCloseTo(Math.hypot(...s) / Math.sqrt(2 * one.variance), 3);
});

test("several noises are drawn, not cut: the divergence is right to what their number leaves", async () => {
  const [b, s] = [
    [0.5, -0.1],
    [0.2, 0.3],
  ] as const;
  const { kl } = await measure(affine(b, s, 4), ruleOf(one));
  expect(Math.abs(kl - closedForm(b, s))).toBeLessThan(0.02);
});

test("a network's divergence no longer changes when its noise is cut more finely", async () => {
  const world = makeWorld("ddpm");
  const student = world.network("density/student", randomStream(1));
  pretrain(student, world, randomStream(1), 150);
  const generator = generatorFrom(student);
  const rule = ruleOf(world.law);
  const usual = await measure(generator, rule);
  const fine = await measure(generator, rule, { nodes: 257, parts: 3 });
  expect(Math.abs(usual.kl - fine.kl)).toBeLessThan(1e-3 * fine.kl);
  expect(usual.covered).toBe(fine.covered);
  expect(usual.stray).toBeCloseTo(fine.stray, 3);
  const coarse = await measure(generator, rule, { nodes: 9, parts: 1 });
  expect(Math.abs(coarse.kl - fine.kl)).toBeGreaterThan(0.01 * fine.kl);
  student.dispose();
});

test("between nodes the network is interpolated: cubics are exact for parabolas within, lines everywhere", async () => {
  const line = affine([1, 2], [3, -1]);
  const { points, masses } = await pushForward(line, one, 0, { nodes: 5, parts: 3 });
  expect(points.length).toBe(2 * 13 ** 2);
  const step = (2 * 4.6) / 12;
  for (let row = 0; row < 13; row++)
    for (let column = 0; column < 13; column++) {
      const at = 2 * (row * 13 + column);
      expect(points[at]).toBeCloseTo(1 + 3 * (column * step - 4.6), 4);
      expect(points[at + 1]).toBeCloseTo(2 - (row * step - 4.6), 4);
    }
  expect(masses.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 12);
});

test("what lies beyond the square is told: the divergence of a generator that runs away is too small by it", async () => {
  const away = await measure(affine([9, 0], [0.2, 0.2]), ruleOf(one));
  expect(away.clipped).toBeCloseTo(1, 6);
  expect(away.kl).toBeLessThan(0.5 * closedForm([9, 0], [0.2, 0.2]));
  const half = await measure(affine([3.7, 0], [0.1, 0.1]), ruleOf(one));
  expect(half.clipped).toBeCloseTo(0.5, 1);
  expect((await measure(affine([0.5, 0], [0.2, 0.2]), ruleOf(one))).clipped).toBe(0);
});

test("what is not finite is no law", async () => {
  expect((await measure(affine([Number.NaN, 0], [1, 1]), ruleOf(one))).kl).toBeNaN();
});
