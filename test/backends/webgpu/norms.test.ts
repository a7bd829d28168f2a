import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import "../../../src/core/register-gradients";
import { useBackend } from "../../../src/backends";
import { setCapabilities } from "../../../src/backends/webgpu/program";
import type { WebgpuBackend } from "../../../src/backends/webgpu/types";
import { gegluGate } from "../../../src/models/nn/activations";
import { groupNorm, layerNorm } from "../../../src/models/nn/norms";
import { expectSame, filled, type HostInput } from "../../support/two-backends";

beforeAll(async () => {
  await useBackend("cpu");
  await tf.setBackend("webgpu");
});
afterEach(() => tf.setBackend("webgpu"));

/** The value and the gradient of each input. */
const withGradients =
  (f: (...xs: tf.Tensor[]) => tf.Tensor) =>
  (dy: tf.Tensor, ...xs: tf.Tensor[]) => [f(...xs), ...tf.grads(f)(xs, dy)];

const moved = (input: HostInput, by: number, factor = 1): HostInput => ({
  ...input,
  values: input.values.map((x) => factor * x + by),
});

/** Inputs of a norm: dy, x, scale and shift. */
const ofNorm = (shape: readonly number[], channels = shape[shape.length - 1] as number) => [
  filled(shape, 1),
  filled(shape, 2),
  filled([channels], 3),
  filled([channels], 4),
];

const grouped = (groups: number, silu = false, eps = 1e-5) =>
  withGradients((x, scale, shift) =>
    groupNorm(x as tf.Tensor, scale as tf.Tensor, shift as tf.Tensor, groups, eps, silu ? "silu" : undefined),
  );

const layered = withGradients((x, scale, shift) =>
  layerNorm(x as tf.Tensor, scale as tf.Tensor, shift as tf.Tensor, 1e-5),
);

describe.each([true, false])("subgroups %s", (subgroups) => {
  beforeAll(() => setCapabilities(tf.backend() as unknown as WebgpuBackend, { subgroups }));

  test("our kernels are there", () => {
    for (const name of ["SidGroupNorm", "SidLayerNorm", "SidGeluGate"])
      for (const kernel of [name, `${name}Gradient`]) expect(tf.getKernel(kernel, "webgpu"), kernel).toBeDefined();
  });

  test.each([
    [[2, 5, 4, 12], 3],
    [[1, 1, 1, 8], 2],
    [[3, 7, 40], 4],
    // One group of more channels than a workgroup has lanes, and tiles that end amid the groups.
    [[2, 3, 600], 1],
    [[1, 4, 4, 320], 32],
    // Many chunks: the statistics are a program of their own.
    [[1, 96, 97, 16], 4],
    [[2, 64, 64, 10], 1],
  ])("group norm of %j by %i groups", async (shape, groups) => {
    await expectSame(ofNorm(shape), grouped(groups), "webgpu");
    await expectSame(ofNorm(shape), grouped(groups, true), "webgpu");
  });

  test("group norms of any shape", async () => {
    const sizes = fc.tuple(...[3, 60, 7, 9].map((most) => fc.integer({ min: 1, max: most })), fc.boolean());
    await fc.assert(
      fc.asyncProperty(sizes as fc.Arbitrary<[number, number, number, number, boolean]>, async (all) => {
        const [batch, positions, groups, size, silu] = all;
        // The gradient through a group of one or two numbers is what cancels.
        fc.pre(positions * size > 2);
        await expectSame(ofNorm([batch, positions, groups * size]), grouped(groups, silu, 0.1), "webgpu");
      }),
      { numRuns: 25, seed: 7 },
    );
  });

  test.each([
    [1, 1],
    [3, 5],
    [7, 64],
    [5, 449],
    [1025, 33],
    [2, 1300],
  ])("layer norm of %i rows of %i", async (rows, length) => {
    // A row of one number has no gradient.
    const inputs = length === 1 ? ofNorm([rows, length]).map((x) => moved(x, 1)) : ofNorm([rows, length]);
    await expectSame(inputs, (dy, ...xs) => layered(dy, ...xs).slice(0, length === 1 ? 1 : 4), "webgpu");
  });

  test("layer norms of more axes", async () => {
    await expectSame(ofNorm([2, 7, 24]), layered, "webgpu");
  });

  test("a large mean leaves the variance its digits", async () => {
    // 1/1024 is exact beside 1000, so that both backends have the same x: what differs is how they sum.
    const x = (shape: readonly number[]): HostInput => {
      const { values } = filled(shape, 2);
      return { shape, values: values.map((value) => 1000 + Math.round(value * 1024) / 1024) };
    };
    const reference = (values: readonly number[], groupOf: (i: number) => number) => {
      const stats = [0, 1].map((group) => {
        const all = values.filter((_, i) => groupOf(i) === group);
        const mean = all.reduce((a, b) => a + b, 0) / all.length;
        return [mean, all.reduce((a, b) => a + (b - mean) ** 2, 0) / all.length] as const;
      });
      return values.map((value, i) => {
        const [mean, variance] = stats[groupOf(i)] as readonly [number, number];
        return (value - mean) / Math.sqrt(variance + 1e-5);
      });
    };
    for (const shape of [
      [1, 30, 8],
      [1, 9000, 8],
    ]) {
      const input = x(shape);
      const wanted = reference(input.values, (i) => Math.floor((i % 8) / 4));
      const y = tf.tidy(() => groupNorm(tf.tensor(input.values, [...shape]), tf.ones([8]), tf.zeros([8]), 2, 1e-5));
      const got = await y.data();
      y.dispose();
      // Half a unit in the last place of the mean, 3e-5, is what float32 leaves.
      wanted.forEach((value, i) => {
        expect(Math.abs((got[i] as number) - value)).toBeLessThan(1.2e-4);
      });
    }
  });

  test.each([[[1]], [[3, 5]], [[17, 100]]])("the gate of GEGLU of %j", async (shape) => {
    const inputs = [filled(shape), moved(filled(shape, 2), 0, 3), moved(filled(shape, 3), 0, 3)];
    await expectSame(
      inputs,
      withGradients((h, g) => gegluGate(h as tf.Tensor, g as tf.Tensor)),
      "webgpu",
    );
  });

  test("NaN and ∞ come out as on cpu", async () => {
    const odd = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e15, -1e15, 200, -200, 0];
    const ways: readonly (readonly [string, (x: tf.Tensor) => tf.Tensor])[] = [
      ["group norm", (x) => groupNorm(tf.reshape(x, [8, 1, 1]), tf.ones([1]), tf.ones([1]), 1, 1e-5, "silu")],
      ["layer norm", (x) => layerNorm(tf.outerProduct(x as tf.Tensor1D, tf.ones([3])), tf.ones([3]), tf.ones([3]), 1)],
      ["gate", (x) => gegluGate(tf.onesLike(x), x)],
      ["other side of the gate", (x) => gegluGate(x, tf.onesLike(x))],
    ];
    for (const [name, f] of ways) {
      const kinds: string[][] = [];
      for (const backend of ["cpu", "webgpu"]) {
        await tf.setBackend(backend);
        const y = tf.tidy(() => f(tf.tensor1d(odd)));
        kinds.push(Array.from(await y.data(), (value) => (Number.isFinite(value) ? "finite" : String(value))));
        y.dispose();
      }
      expect(kinds[1], name).toEqual(kinds[0]);
    }
  });
});
