import * as tf from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { useBackend } from "../../../src/backends";
import { kernelFunc } from "../../../src/backends/webgpu/kernel";
import type { Program } from "../../../src/backends/webgpu/program";

const broken: Program<null> = {
  name: "broken",
  shader: () => ({ reads: { x: "f32" }, writes: { y: "f32" }, body: "nonsense" }),
};

test("a program that does not compile ends in words at the next read, and never in numbers", async () => {
  await useBackend("webgpu");
  const x = tf.tensor1d([1, 2]);
  const kernel = kernelFunc(({ inputs: [x], output, run }) => {
    const y = output(x.shape);
    run(broken, null, { reads: { x }, writes: { y }, groups: 1 });
    return y;
  });
  const y = tf
    .engine()
    .makeTensorFromTensorInfo(kernel({ inputs: { x }, attrs: {}, backend: tf.backend() }) as tf.TensorInfo);
  await expect(y.data()).rejects.toMatchObject({
    name: "SidError",
    message: expect.stringMatching(/broken|refused a command/),
  });
  expect(() => tf.square(x)).toThrow(/^webgpu backend: /);
  tf.dispose([x, y]);

  await useBackend("webgpu");
  const z = tf.tensor1d([3]);
  const square = tf.square(z);
  expect(Array.from(await square.data())).toEqual([9]);
  tf.dispose([z, square]);
});
