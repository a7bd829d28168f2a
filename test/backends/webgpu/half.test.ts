import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, test } from "vitest";
import { useBackend } from "../../../src/backends";
import { isHalf } from "../../../src/backends/webgpu/half";
import type { WebgpuBackend } from "../../../src/backends/webgpu/types";
import { runIfThere } from "../../../src/core/fused-kernels";
import { narrowF16, widenF16 } from "../../../src/io/half";
import { filled } from "../../support/two-backends";

beforeAll(() => useBackend("webgpu"));

const half = (x: tf.Tensor) => (runIfThere("SidHalf", [x]) as tf.Tensor[])[0] as tf.Tensor;
const bytes = () => (tf.memory() as unknown as { numBytesInGPU: number }).numBytesInGPU;

/** Both zeros, subnormals of float16 and of float32, ties to even, the largest, what becomes infinite. */
const corners = [
  ...[0, -0, 1, -1, 65504, -65504, 65519, 65520, 1e9, 2 ** -14, 2 ** -15, 2 ** -24, 2 ** -25, -(2 ** -25) * 1.5, 1e-40],
  ...[
    1 + 2 ** -11,
    1 + 3 * 2 ** -11,
    1 + 2 ** -10,
    0.1,
    3 * 2 ** -25,
    5 * 2 ** -25,
    2 ** -14 - 2 ** -26,
    6e-5,
    -6.2e-5,
  ],
];

describe("numbers stored as halves", () => {
  test.each([[corners], [filled([1001]).values], [[0.3]]])("are rounded as the host rounds them", async (values) => {
    const x = tf.tensor1d(values);
    const y = half(x);
    const wanted = widenF16(narrowF16(Float32Array.from(values)));
    expect(Array.from(await y.data())).toEqual(Array.from(wanted));
    expect(y.dtype).toBe("float32");
    tf.dispose([x, y]);
  });

  test("take half the bytes", async () => {
    const x = tf.ones([64, 64]);
    const square = tf.square(x);
    await square.data(); // x is on the GPU, and what sent it there is given back
    const before = bytes();
    const y = half(x);
    expect(bytes() - before).toBe(2 * 64 * 64);
    tf.dispose([x, y, square]);
  });

  test("are float32 to tfjs's own kernels, in other shapes and clones too", async () => {
    const values = filled([6, 4]).values;
    const rounded = Array.from(widenF16(narrowF16(Float32Array.from(values))));
    const x = tf.tensor2d(values, [6, 4]);
    const y = half(x);
    const results = tf.tidy(() => [
      tf.add(y, 0),
      tf.transpose(tf.transpose(y)),
      tf.reshape(y, [2, 12]),
      tf.clone(y),
      tf.gather(y, [0, 1, 2, 3, 4, 5]),
      half(y),
    ]);
    for (const result of results) expect(Array.from(await result.data())).toEqual(rounded);
    expect(results.map((result) => isHalf(result))).toEqual([false, false, true, true, false, true]);
    tf.dispose([x, y, ...results]);
  });

  test("leave nothing behind when they go", async () => {
    const count = () => (tf.backend() as unknown as WebgpuBackend & tf.KernelBackend).numDataIds();
    const before = [count(), bytes()];
    const x = tf.ones([100]);
    const y = half(x);
    const sum = tf.sum(y);
    expect(await sum.data()).toEqual(new Float32Array([100]));
    expect(await y.data()).toHaveLength(100);
    tf.dispose([x, y, sum]);
    expect([count(), bytes()]).toEqual(before);
  });
});
