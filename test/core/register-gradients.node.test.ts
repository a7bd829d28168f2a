import { readdirSync, readFileSync } from "node:fs";
import * as tf from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { randomStream, vjp } from "../../src/core";

beforeAll(async () => {
  await import("@tensorflow/tfjs-backend-cpu");
  await tf.setBackend("cpu");
});
afterAll(() => expect(tf.memory().numTensors).toBe(0));

test("every gradient of tfjs-core is registered", () => {
  const folder = "node_modules/@tensorflow/tfjs-core/dist/gradients";
  const kernels = readdirSync(folder)
    .filter((name) => name.endsWith("_grad.js"))
    .map((name) => /kernelName: (\w+)/.exec(readFileSync(`${folder}/${name}`, "utf8"))?.[1] ?? name);
  expect(kernels.length).toBeGreaterThan(90);
  const names = { ...tf } as Readonly<Record<string, unknown>>;
  expect(kernels.filter((kernel) => !tf.getGradient(names[kernel] as string))).toEqual([]);
});

/** The operations whose gradients need code that the build inlines or redirects. */
const image = [1, 4, 4, 2];
const volume = [1, 2, 4, 4, 1];
const filter = (shape: number[]) => tf.cos(tf.reshape(tf.range(0, tf.util.sizeFromShape(shape)), shape));
test.each<[string, number[], (x: tf.Tensor) => tf.Tensor]>([
  ["conv2d, input", image, (x) => tf.conv2d(x as tf.Tensor4D, filter([3, 3, 2, 3]) as tf.Tensor4D, 1, "same")],
  ["conv2d, filter", [3, 3, 2, 3], (w) => tf.conv2d(filter(image) as tf.Tensor4D, w as tf.Tensor4D, 1, "same")],
  [
    "depthwise, input",
    image,
    (x) => tf.depthwiseConv2d(x as tf.Tensor4D, filter([3, 3, 2, 1]) as tf.Tensor4D, 1, "same"),
  ],
  [
    "depthwise, filter",
    [3, 3, 2, 1],
    (w) => tf.depthwiseConv2d(filter(image) as tf.Tensor4D, w as tf.Tensor4D, 1, "same"),
  ],
  ["conv3d, input", volume, (x) => tf.conv3d(x as tf.Tensor5D, filter([2, 2, 2, 1, 2]) as tf.Tensor5D, 1, "same")],
  ["conv3d, filter", [2, 2, 2, 1, 2], (w) => tf.conv3d(filter(volume) as tf.Tensor5D, w as tf.Tensor5D, 1, "same")],
  ["maxPool", image, (x) => tf.maxPool(x as tf.Tensor4D, 2, 2, "same")],
  ["maxPool3d", volume, (x) => tf.maxPool3d(x as tf.Tensor5D, 2, 2, "same")],
  ["avgPool", image, (x) => tf.avgPool(x as tf.Tensor4D, 2, 2, "same")],
  ["avgPool3d", volume, (x) => tf.avgPool3d(x as tf.Tensor5D, 2, 2, "same")],
  ["localResponseNormalization", image, (x) => tf.localResponseNormalization(x as tf.Tensor4D, 1)],
  ["selu", [6], (x) => tf.selu(x)],
  ["slice", [4, 3], (x) => tf.slice(x, [1, 0], [2, 2])],
  ["broadcasting", [1, 3], (x) => tf.div(filter([2, 3]), tf.add(x, 5))],
  ["mean and max over axes", [2, 3, 2], (x) => tf.mul(tf.mean(x, [0, 2], true), tf.max(x, 1, true))],
  ["cumsum", [3, 2], (x) => tf.square(tf.cumsum(x, 1))],
  ["gather", [4, 2], (x) => tf.gather(x, tf.tensor1d([3, 1, 3], "int32"))],
  ["matMul and transpose", [2, 3], (x) => tf.matMul(x as tf.Tensor2D, tf.transpose(x))],
])("the gradient of %s is the slope", (_, shape, f) => {
  tf.tidy(() => {
    const stream = randomStream(1);
    const x = stream.normal(shape);
    const weights = stream.normal(f(x).shape);
    const value = (at: tf.Tensor) => tf.sum(tf.mul(f(at), weights)).dataSync()[0] ?? Number.NaN;
    const [gradient] = vjp((at) => f(at as tf.Tensor), [x], weights);
    const direction = stream.normal(shape);
    const step = 1e-2;
    const slope = (value(tf.add(x, tf.mul(direction, step))) - value(tf.sub(x, tf.mul(direction, step)))) / (2 * step);
    const claimed = tf.sum(tf.mul(gradient as tf.Tensor, direction)).dataSync()[0] ?? Number.NaN;
    expect(Math.abs(slope - claimed)).toBeLessThan(5e-3 * Math.max(1, Math.abs(slope)));
  });
});
