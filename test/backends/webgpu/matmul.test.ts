import { fc, test } from "@fast-check/vitest";
import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeAll, describe, expect, test as plainTest } from "vitest";
import { useBackend } from "../../../src/backends";
import { plan, tiles } from "../../../src/backends/webgpu/gemm-plan";
import { setCapabilities } from "../../../src/backends/webgpu/program";
import type { WebgpuBackend } from "../../../src/backends/webgpu/types";
import { expectSame, filled } from "../../support/two-backends";

beforeAll(async () => {
  await useBackend("cpu");
  await tf.setBackend("webgpu");
});
afterEach(() => tf.setBackend("webgpu"));

const tolerance = 1e-5;

const matMul = (transposeA: boolean, transposeB: boolean) => (a: tf.Tensor, b: tf.Tensor) =>
  tf.matMul(a, b, transposeA, transposeB);

/** Stored shapes of the operands of `[m, k]·[k, n]`. */
const shapes = (outer: number[], m: number, k: number, n: number, ta: boolean, tb: boolean) =>
  [
    [...outer, ...(ta ? [k, m] : [m, k])],
    [...outer, ...(tb ? [n, k] : [k, n])],
  ] as const;

describe.each([true, false])("matMul, subgroups %s", (subgroups) => {
  beforeAll(() => setCapabilities(tf.backend() as unknown as WebgpuBackend, { subgroups }));
  const size = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.constantFrom(31, 32, 33, 61, 64, 65, 100, 128));
  test.prop([fc.constantFrom<number[]>([], [1], [3], [2, 2]), size, size, size, fc.boolean(), fc.boolean()], {
    numRuns: 25,
  })("is cpu's for any size", async (outer, m, k, n, ta, tb) => {
    const [a, b] = shapes(outer, m, k, n, ta, tb);
    await expectSame([filled(a), filled(b, 2)], matMul(ta, tb), "webgpu", tolerance);
  });

  plainTest.each([
    ["many numbers", 130, 70, 140],
    ["few rows", 5, 300, 200],
    ["few columns", 300, 300, 3],
    ["a long sum, in parts", 20, 4099, 24],
    ["a long sum by four, in parts", 20, 4096, 24],
    ["a dot product", 1, 1000, 1],
    ["nothing to add", 3, 0, 2],
    ["no rows", 0, 3, 2],
  ])("%s", async (_, m, k, n) => {
    for (const ta of [false, true])
      for (const tb of [false, true]) {
        const [a, b] = shapes([], m, k, n, ta, tb);
        await expectSame([filled(a), filled(b, 2)], matMul(ta, tb), "webgpu", tolerance);
      }
  });

  plainTest.each([
    [
      [2, 5, 7],
      [1, 7, 3],
    ],
    [
      [1, 5, 7],
      [2, 7, 3],
    ],
    [
      [2, 3, 5, 7],
      [7, 3],
    ],
  ])("a batch: %j by %j", async (a, b) => {
    await expectSame([filled(a), filled(b, 2)], matMul(false, false), "webgpu", tolerance);
  });

  plainTest("a batch broadcast on both sides, which cpu has not", async () => {
    const run = (a: tf.Tensor, b: tf.Tensor) =>
      tf.getBackend() === "cpu"
        ? tf.matMul(tf.tile(a, [1, 3, 1, 1]), tf.tile(tf.reshape(b, [1, 3, 7, 3]), [2, 1, 1, 1]))
        : tf.matMul(a, b);
    await expectSame([filled([2, 1, 5, 7]), filled([3, 7, 3], 2)], run, "webgpu", tolerance);
  });

  plainTest("NaN and infinity stay where they are", async () => {
    const values = [Number.NaN, 1, 2, Infinity, 3, 4];
    await tf.setBackend("webgpu");
    const [x, eye] = [tf.tensor2d(values, [3, 2]), tf.tensor2d([1, 2], [2, 1])];
    const product = tf.matMul(x, eye);
    expect([...(await product.data())]).toEqual([Number.NaN, Infinity, 11]);
    tf.dispose([x, eye, product]);
  });

  plainTest("gives other types to the stock kernel, and its errors", async () => {
    const ints = (shape: number[]) => ({
      ...filled(shape),
      values: filled(shape).values.map(Math.round),
      dtype: "int32" as const,
    });
    await expectSame([ints([4, 5]), ints([5, 3])], matMul(false, false), "webgpu", tolerance);
    expect(() => tf.tidy(() => tf.matMul(tf.zeros([2, 3]), tf.zeros([4, 2])))).toThrow(/inner shapes/);
  });
});

describe("fused matMul", () => {
  const fused = (activation: tf.fused.Activation) => (a: tf.Tensor, b: tf.Tensor, bias: tf.Tensor) =>
    tf.fused.matMul({ a, b, bias, activation } as never);
  plainTest.each(["linear", "relu", "relu6", "sigmoid", "elu"] as const)("%s", async (activation) => {
    for (const [m, k, n] of [
      [70, 9, 33],
      [3, 2000, 5],
    ] as const) {
      const large = filled([m, k]);
      const inputs = [{ ...large, values: large.values.map((x) => 9 * x) }, filled([k, n], 2), filled([n], 3)];
      await expectSame(inputs, fused(activation), "webgpu", tolerance);
    }
  });
});

describe("weights of packed halves", () => {
  plainTest.each([
    [33, 20, 40],
    [7, 9, 5],
    [3, 2000, 5],
  ])("[%i, %i]·[·, %i]", async (m, k, n) => {
    for (const tb of [false, true]) {
      const [a, b] = shapes([], m, k, n, false, tb);
      // Sixteenths are halves, without rounding.
      const halves = { ...filled(b, 2), values: filled(b, 2).values.map((x) => Math.round(64 * x) / 16) };
      const run = (x: tf.Tensor, w: tf.Tensor) => {
        if (tf.getBackend() === "cpu") return matMul(false, tb)(x, w);
        const packed = tf.engine().runKernel("SidHalf", { x: w }) as unknown as tf.Tensor | tf.Tensor[];
        return matMul(false, tb)(x, [packed].flat()[0] as tf.Tensor);
      };
      await expectSame([filled(a), halves], run, "webgpu", tolerance);
    }
  });
});

plainTest("plans: every tile is chosen for something, parts add up, and they stay within their memory", () => {
  const seen = new Set<string>();
  for (const machine of [4, 256].flatMap((slots) => [true, false].map((broadcast) => ({ slots, broadcast }))))
    for (const count of [1, 8])
      for (const m of [1, 8, 64, 320, 4096, 100000])
        for (const k of [1, 9, 320, 2880, 65536])
          for (const n of [1, 4, 64, 320, 1280]) {
            const { tile, splits, part } = plan(count, m, k, n, machine);
            seen.add(tile);
            expect(part % 16).toBe(0);
            expect(splits * part).toBeGreaterThanOrEqual(k);
            expect((splits - 1) * part).toBeLessThan(k);
            if (splits > 1) expect(4 * splits * count * m * n).toBeLessThanOrEqual(64 * 2 ** 20);
          }
  expect([...seen].sort()).toEqual(Object.keys(tiles).sort());
});
