import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { useBackend } from "../../../src/backends";
import { setCapabilities } from "../../../src/backends/webgpu/program";
import type { WebgpuBackend } from "../../../src/backends/webgpu/types";
import { expectSame, filled, positive } from "../../support/two-backends";

beforeAll(async () => {
  await useBackend("cpu");
  await tf.setBackend("webgpu");
});
afterEach(() => tf.setBackend("webgpu"));

/** Programs that `run` takes. */
function programsOf(run: () => tf.Tensor): number {
  const device = (tf.backend() as unknown as { device: { createBindGroup: (wanted: unknown) => object } }).device;
  const { createBindGroup } = device;
  let count = 0;
  device.createBindGroup = (wanted) => {
    count++;
    return createBindGroup.call(device, wanted);
  };
  try {
    run().dispose();
  } finally {
    device.createBindGroup = createBindGroup;
  }
  return count;
}

describe.each([true, false])("subgroups %s", (subgroups) => {
  beforeAll(() => setCapabilities(tf.backend() as unknown as WebgpuBackend, { subgroups }));

  test.each([
    ["rows", [7, 65], 1],
    ["short rows", [1000, 3], 1],
    ["long rows", [3, 70000], 1],
    ["columns", [300, 40], 0],
    ["long columns", [33000, 3], 0],
    ["all", [31, 33, 65], undefined],
    ["columns between", [5, 600, 13], 1],
    ["positions of images", [2, 9, 11, 24], [1, 2]],
    ["axes that are no neighbours", [3, 14, 5, 11], [1, 3]],
    ["one axis of three", [4, 3, 1000], [0, 2]],
    ["a number", [], undefined],
    ["axes of one", [1, 5, 1], [0, 2]],
    ["one number", [1, 1], undefined],
  ])("sum and mean over %s", async (_, shape, axis) => {
    // Of positive numbers: sums of mixed signs cancel.
    await expectSame(
      [positive(shape)],
      (x) => [tf.sum(x, axis), tf.sum(x, axis, true), tf.mean(x, axis), tf.mean(x, axis, true)],
      "webgpu",
    );
  });

  test("any axes of any shape", async () => {
    const axes = fc.tuple(fc.array(fc.integer({ min: 1, max: 19 }), { minLength: 1, maxLength: 4 }), fc.nat(15));
    await fc.assert(
      fc.asyncProperty(axes, fc.boolean(), async ([shape, which], keepDims) => {
        const axis = shape.map((_, i) => i).filter((i) => which & (1 << i));
        await expectSame(
          [filled(shape).values.length > 0 ? positive(shape) : filled(shape)],
          (x) => [tf.sum(x, axis, keepDims), tf.mean(x, axis, keepDims)],
          "webgpu",
        );
      }),
      { numRuns: 40, seed: 3 },
    );
  });

  test("at most two programs for rows, columns and everything", async () => {
    for (const [shape, axis] of [
      [[3, 200000], 1],
      [[100000, 5], 0],
      [[1000003], undefined],
      [[64, 64, 64], undefined],
    ] as const) {
      const x = tf.ones([...shape]);
      expect(programsOf(() => tf.sum(x, axis))).toBeLessThanOrEqual(2);
      expect(programsOf(() => tf.mean(x, axis))).toBeLessThanOrEqual(2);
      x.dispose();
    }
  });

  test("sums of nothing, of whole numbers and of truths", async () => {
    await expectSame([filled([0, 4]), filled([3, 0])], (x, y) => [tf.sum(x, 0), tf.sum(y, 1), tf.sum(y, 0)], "webgpu");
    await expectSame(
      [{ values: [1, 2, 3, 4, 5, 6], shape: [2, 3], dtype: "int32" }],
      (x) => [tf.sum(x, 0), tf.sum(x), tf.mean(x, 1), tf.sum(tf.greater(x, 2))],
      "webgpu",
    );
  });

  test("NaN and ∞ come out as on cpu", async () => {
    const rows = [
      [1, Number.NaN, 2],
      [1, Number.POSITIVE_INFINITY, 2],
      [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, 1],
      [1, 2, 3],
    ];
    const kinds: number[][] = [];
    for (const backend of ["cpu", "webgpu"]) {
      await tf.setBackend(backend);
      const sums = tf.tidy(() => tf.concat([tf.sum(rows, 1), tf.sum(tf.transpose(tf.tensor2d(rows)), 0)]));
      kinds.push(Array.from(await sums.data()));
      sums.dispose();
    }
    expect(kinds[1]).toEqual(kinds[0]);
  });
});
