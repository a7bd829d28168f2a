import { fc, test } from "@fast-check/vitest";
import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeAll, describe, expect, test as plainTest } from "vitest";
import { useBackend } from "../../../src/backends";
import "../../../src/core";
import { setCapabilities } from "../../../src/backends/webgpu/program";
import type { WebgpuBackend } from "../../../src/backends/webgpu/types";
import { expectSame, filled, positive } from "../../support/two-backends";

beforeAll(async () => {
  await useBackend("cpu");
  await tf.setBackend("webgpu");
});
afterEach(() => tf.setBackend("webgpu"));

type Padding = "same" | "valid" | number | [[0, 0], [number, number], [number, number], [0, 0]];

/** A convolution and both its gradients. */
const both = (strides: [number, number], pad: Padding) => (x: tf.Tensor, filter: tf.Tensor) => {
  const f = (y: tf.Tensor, w: tf.Tensor) => tf.conv2d(y as tf.Tensor4D, w as tf.Tensor4D, strides, pad);
  const y = f(x, filter);
  const dy = tf.tensor(
    Array.from({ length: y.size }, (_, i) => 1 + (i % 7)),
    y.shape,
  );
  return [y, ...tf.grads(f as (...x: tf.Tensor[]) => tf.Tensor)([x, filter], dy)];
};

/** Relative, for sums of one sign, whose length is at most a few thousands. */
const tolerance = 2e-5;

/** A software driver compiles each pipeline for seconds; fast-check would go on with the next test when the time is up. */
const slow = 600_000;

const size = (max: number) => fc.integer({ min: 1, max });
const channels = fc.oneof(size(9), fc.constantFrom(12, 16, 33, 40));
const geometry = fc
  .record({
    batch: size(3),
    input: fc.tuple(size(9), size(9)),
    inChannels: channels,
    outChannels: channels,
    filter: fc.tuple(size(4), size(4)),
    strides: fc.tuple(size(3), size(3)),
    pad: fc.oneof(
      fc.constantFrom("same" as const, "valid" as const),
      fc.nat(3),
      fc.tuple(fc.nat(3), fc.nat(3), fc.nat(3), fc.nat(3)),
    ),
  })
  .map(({ pad, filter: [fh, fw], strides: [sy, sx], ...rest }) => {
    // tfjs computes the output's size for a single number of square windows only.
    const square = typeof pad === "number";
    const padding: Padding = Array.isArray(pad)
      ? [
          [0, 0],
          [pad[0], pad[1]],
          [pad[2], pad[3]],
          [0, 0],
        ]
      : pad;
    return {
      ...rest,
      filter: [fh, square ? fh : fw] as const,
      strides: [sy, square ? sy : sx] as [number, number],
      pad: padding,
    };
  })
  .filter(({ input: [height, width], filter: [fh, fw], pad }) => {
    if (pad === "same") return true;
    const [, [top, bottom], [left, right]] = Array.isArray(pad)
      ? pad
      : ([0, [pad, pad].map(Number), [pad, pad].map(Number)].map((x) => (pad === "valid" ? [0, 0] : x)) as never);
    return height + top + bottom >= fh && width + left + right >= fw;
  });

describe.each([true, false])("subgroups %s", (subgroups) => {
  beforeAll(() => setCapabilities(tf.backend() as unknown as WebgpuBackend, { subgroups }));

  test.prop([geometry], { numRuns: 20 })(
    "conv2d and its gradients are cpu's",
    async (c) => {
      const x = positive([c.batch, ...c.input, c.inChannels], 1);
      const filter = positive([...c.filter, c.inChannels, c.outChannels], 2);
      await expectSame([x, filter], both(c.strides, c.pad), "webgpu", tolerance);
    },
    slow,
  );

  plainTest.each([
    ["3×3", [2, 8, 8, 64], [3, 3, 64, 72], [1, 1], "same"],
    ["of few pixels and many channels", [1, 4, 4, 160], [3, 3, 160, 96], [1, 1], "same"],
    ["of many pixels and few channels", [2, 33, 31, 4], [3, 3, 4, 3], [1, 1], "same"],
    ["by a stride", [2, 16, 15, 32], [3, 3, 32, 32], [2, 2], "same"],
    [
      "by a stride, padded as diffusers does",
      [1, 16, 16, 8],
      [3, 3, 8, 8],
      [2, 2],
      [
        [0, 0],
        [0, 1],
        [0, 1],
        [0, 0],
      ],
    ],
    ["1×1", [2, 9, 9, 40], [1, 1, 40, 24], [1, 1], "valid"],
    ["1×1 by a stride, past which pixels lie", [1, 9, 9, 4], [1, 1, 4, 4], [2, 2], "valid"],
    ["patches", [1, 12, 12, 3], [4, 4, 3, 16], [4, 4], "valid"],
  ] as [string, number[], number[], [number, number], Padding][])(
    "%s",
    async (_, xShape, filterShape, strides, pad) => {
      await expectSame([positive(xShape), positive(filterShape, 2)], both(strides, pad), "webgpu", tolerance);
    },
  );
});

plainTest("with a bias and an activation; others, and dilated ones, are the stock kernel's", async () => {
  const inputs = [filled([2, 7, 7, 6]), filled([3, 3, 6, 10], 2), filled([10], 3)];
  for (const activation of ["linear", "relu", "elu"] as const)
    await expectSame(
      inputs,
      (x, filter, bias) => tf.fused.conv2d({ x, filter, bias, strides: 1, pad: "same", activation } as never),
      "webgpu",
      tolerance,
    );
  const dilated = (x: tf.Tensor, w: tf.Tensor) => tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, 1, "same", "NHWC", 2);
  await expectSame(
    inputs.slice(0, 2).map((x) => ({ ...x, values: x.values.map((v) => v + 2) })),
    dilated,
    "webgpu",
    tolerance,
  );
});

plainTest("filters of packed halves", async () => {
  for (const [inChannels, outChannels, strides] of [
    [8, 12, [1, 1]],
    [3, 5, [2, 2]],
    [4, 4, [2, 1]],
  ] as const) {
    const filter = positive([3, 3, inChannels, outChannels], 2);
    const halves = { ...filter, values: filter.values.map((x) => Math.round(64 * x) / 64) };
    const x = positive([2, 6, 7, inChannels]);
    const run = (x: tf.Tensor, w: tf.Tensor) => {
      const f = (y: tf.Tensor) => tf.conv2d(y as tf.Tensor4D, packed(w) as tf.Tensor4D, [...strides], "same");
      return [f(x), tf.grad(f)(x)];
    };
    await expectSame([x, halves], run, "webgpu", tolerance);
  }
  function packed(w: tf.Tensor): tf.Tensor {
    if (tf.getBackend() === "cpu") return w;
    return [tf.engine().runKernel("SidHalf", { x: w }) as tf.Tensor | tf.Tensor[]].flat()[0] as tf.Tensor;
  }
});

plainTest("the filter gradient is the same bits each time", async () => {
  const shape: [number, number, number, number] = [4, 16, 16, 8];
  const [x, dy] = [tf.randomNormal(shape, 0, 1, "float32", 1), tf.randomNormal(shape, 0, 1, "float32", 2)];
  const once = async () => {
    const dw = tf
      .engine()
      .runKernel(
        "Conv2DBackpropFilter",
        { x, dy },
        { ...{ strides: [1, 1], pad: "same", dataFormat: "NHWC" }, filterShape: [3, 3, 8, 8] },
      ) as tf.Tensor;
    const values = [...(await dw.data())];
    dw.dispose();
    return values;
  };
  expect(await once()).toEqual(await once());
  tf.dispose([x, dy]);
});
