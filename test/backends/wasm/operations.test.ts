import type { Tensor, Tensor1D, Tensor4D } from "@tensorflow/tfjs-core";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, test } from "vitest";
import "../../../src/core";
import { useBackend } from "../../../src/backends";
import { expectSame, filled } from "../../support/two-backends";

type Operation = (x: Tensor, y: Tensor) => Tensor;

const image = [2, 4, 4, 6];
const positive = (x: Tensor) => tf.add(tf.square(x), 0.1);

/** What the networks, losses and optimisers call, by kernel; shapes of two inputs, the call. */
const differentiable: Readonly<Record<string, [number[], number[], Operation]>> = {
  "add, same": [image, image, tf.add],
  "add, per channel": [image, [6], tf.add],
  "add, per sample and channel": [image, [2, 1, 1, 6], tf.add],
  "add, per group": [[2, 16, 3, 2], [2, 1, 3, 1], tf.add],
  "add, scalar": [image, [], tf.add],
  "sub, per channel": [image, [6], tf.sub],
  "sub, from a scalar": [[], image, tf.sub],
  "mul, per sample and channel": [image, [2, 1, 1, 6], tf.mul],
  "mul, per sample": [image, [2, 1, 1, 1], tf.mul],
  "mul, outer": [[2, 4, 1], [1, 5], tf.mul],
  "div, per channel": [image, [6], (x, y) => tf.div(x, positive(y))],
  squaredDifference: [image, image, tf.squaredDifference],
  maximum: [image, image, tf.maximum],
  minimum: [image, image, tf.minimum],
  pow: [image, [], (x, y) => tf.pow(positive(x), positive(y))],
  square: [image, [], (x) => tf.square(x)],
  sqrt: [image, [], (x) => tf.sqrt(positive(x))],
  rsqrt: [image, [], (x) => tf.rsqrt(positive(x))],
  reciprocal: [image, [], (x) => tf.reciprocal(positive(x))],
  exp: [image, [], (x) => tf.exp(x)],
  log: [image, [], (x) => tf.log(positive(x))],
  abs: [image, [], (x) => tf.abs(x)],
  neg: [image, [], (x) => tf.neg(x)],
  sin: [image, [], (x) => tf.sin(x)],
  cos: [image, [], (x) => tf.cos(x)],
  sigmoid: [image, [], (x) => tf.sigmoid(x)],
  tanh: [image, [], (x) => tf.tanh(x)],
  relu: [image, [], (x) => tf.relu(x)],
  softplus: [image, [], (x) => tf.softplus(x)],
  erf: [image, [], (x) => tf.erf(x)],
  elu: [image, [], (x) => tf.elu(x)],
  clipByValue: [image, [], (x) => tf.clipByValue(x, -0.5, 0.5)],
  softmax: [[2, 3, 4, 5], [], (x) => tf.softmax(x)],
  logSoftmax: [[6, 5], [], (x) => tf.logSoftmax(x)],
  "sum, all": [image, [], (x) => tf.sum(x)],
  "sum, last": [image, [], (x) => tf.sum(x, -1)],
  "sum, first": [image, [], (x) => tf.sum(x, [0, 1, 2])],
  "sum, middle": [image, [], (x) => tf.sum(x, [1, 2], true)],
  "sum, interleaved": [image, [], (x) => tf.sum(x, [1, 3])],
  "mean, all": [image, [], (x) => tf.mean(x)],
  "mean, last": [image, [], (x) => tf.mean(x, -1, true)],
  "mean, middle": [image, [], (x) => tf.mean(x, [1, 2], true)],
  "mean, interleaved": [image, [], (x) => tf.mean(x, [1, 3], true)],
  "moments, interleaved": [image, [], (x) => tf.moments(x, [1, 3], true).variance],
  "max, last": [image, [], (x) => tf.max(x, -1)],
  transpose: [image, [], (x) => tf.transpose(x, [0, 2, 1, 3])],
  "transpose, reversed": [image, [], (x) => tf.transpose(x)],
  reshape: [image, [], (x) => tf.reshape(x, [-1])],
  "concat, batch": [image, image, (x, y) => tf.concat([x, y], 0)],
  "concat, channels": [image, [2, 4, 4, 3], (x, y) => tf.concat([x, y, x], 3)],
  "concat, middle": [image, [2, 4, 1, 6], (x, y) => tf.concat([x, y], 2)],
  stack: [image, image, (x, y) => tf.stack([x, y], 1)],
  "split, channels": [image, [], (x) => tf.mul(...(tf.split(x, 2, 3) as [Tensor, Tensor]))],
  unstack: [image, [], (x) => tf.mul(...(tf.unstack(x, 0) as [Tensor, Tensor]))],
  "slice, batch": [image, [], (x) => tf.slice(x, [1, 0, 0, 0], [1, -1, -1, -1])],
  "slice, channels": [image, [], (x) => tf.slice(x, [0, 0, 0, 2], [-1, -1, -1, 3])],
  "slice, inside": [image, [], (x) => tf.slice(x, [0, 1, 2, 1], [2, 2, 1, 4])],
  "slice, rank 5": [[2, 2, 3, 2, 3], [], (x) => tf.slice(x, [0, 1, 1, 0, 1], [2, 1, 2, 2, 2])],
  pad: [
    image,
    [],
    (x) =>
      tf.pad(x, [
        [0, 0],
        [1, 2],
        [0, 1],
        [0, 0],
      ]),
  ],
  tile: [image, [], (x) => tf.tile(x, [2, 1, 3, 1])],
  "tile, one sample": [[1, 4, 6], [], (x) => tf.tile(x, [3, 1, 1])],
  broadcastTo: [[2, 1, 1, 6], [], (x) => tf.broadcastTo(x, image)],
  reverse: [image, [], (x) => tf.reverse(x, [1, 2])],
  where: [image, image, (x, y) => tf.where(tf.greaterEqual(x, y), x, tf.mul(y, 2))],
  "where, broadcast": [image, [2, 1, 1, 1], (x, y) => tf.where(tf.greaterEqual(y, 0), x, tf.zerosLike(x))],
  gather: [
    [5, 4],
    [],
    (x) =>
      tf.gather(
        x,
        tf.tensor2d(
          [
            [0, 3, 3],
            [4, 1, 0],
          ],
          [2, 3],
          "int32",
        ),
      ),
  ],
  "gather, middle": [[2, 5, 3], [], (x) => tf.gather(x, tf.tensor1d([0, 3, 3, 1], "int32"), 1)],
  // One image: the gradient of the cpu backend is wrong for a batch.
  resizeNearestNeighbor: [[1, 4, 4, 6], [], (x) => tf.image.resizeNearestNeighbor(x as Tensor4D, [8, 8])],
  resizeBilinear: [image, [], (x) => tf.image.resizeBilinear(x as Tensor4D, [7, 9])],
  avgPool: [image, [], (x) => tf.avgPool(x as Tensor4D, 2, 2, "same")],
  cast: [image, [], (x) => tf.cast(x, "float32")],
  clone: [image, [], (x) => tf.clone(x)],
  cumsum: [image, [], (x) => tf.cumsum(x, 3)],
  "matMul, fused": [
    [7, 50],
    [50, 6],
    (a, b) => tf.fused.matMul({ a: a as never, b: b as never, bias: tf.ones([6]), activation: "relu" }),
  ],
};

/** Kernels without a gradient. */
const plain: Readonly<Record<string, Operation>> = {
  isNaN: (x) => tf.isNaN(tf.log(x)),
  isInf: (x) => tf.isInf(tf.div(x, tf.relu(x))),
  isFinite: (x) => tf.isFinite(tf.log(x)),
  all: (x) => tf.all(tf.greater(x, -0.5), -1),
  any: (x) => tf.any(tf.greater(x, 0.9), -1),
  sign: (x) => tf.sign(x),
  step: (x) => tf.step(x),
  floor: (x) => tf.floor(tf.mul(x, 5)),
  round: (x) => tf.round(tf.mul(x, 5)),
  equal: (x, y) => tf.equal(tf.round(x), tf.round(y)),
  notEqual: (x, y) => tf.notEqual(tf.round(x), tf.round(y)),
  less: (x, y) => tf.less(x, y),
  lessEqual: (x, y) => tf.lessEqual(x, y),
  greaterEqual: (x, y) => tf.greaterEqual(x, y),
  logicalAnd: (x, y) => tf.logicalAnd(tf.greater(x, 0), tf.greater(y, 0)),
  logicalOr: (x, y) => tf.logicalOr(tf.greater(x, 0), tf.greater(y, 0)),
  logicalNot: (x) => tf.logicalNot(tf.greater(x, 0)),
  onesLike: (x) => tf.onesLike(x),
  zerosLike: (x) => tf.zerosLike(x),
  fill: () => tf.fill([2, 3], 1.5),
  range: () => tf.range(0, 10, 2),
  linspace: () => tf.linspace(0, 1, 7),
  oneHot: () => tf.oneHot(tf.tensor1d([0, 2, 1], "int32"), 4),
  argMax: (x) => tf.argMax(x, -1),
  "cast to int": (x) => tf.cast(tf.mul(x, 9), "int32"),
  "cast to bool": (x) => tf.cast(tf.round(x), "bool"),
  "concat of ints": (x) => tf.concat([tf.cast(tf.mul(x, 9), "int32"), tf.cast(tf.mul(x, 7), "int32")], 3),
  "slice of bools": (x) => tf.slice(tf.greater(x, 0), [0, 1, 1, 2], [-1, 2, 2, 3]),
  "tile of ints": (x) => tf.tile(tf.cast(tf.mul(x, 9), "int32"), [1, 2, 1, 2]),
  "tile of bools": (x) => tf.tile(tf.greater(x, 0), [1, 2, 1, 2]),
  "sum of ints": (x) => tf.sum(tf.cast(tf.mul(x, 9), "int32"), [0, 1]),
  "sum of bools": (x) => tf.sum(tf.greater(x, 0), [0, 1, 2]),
  addN: (x, y) => tf.addN([x, y, x]),
  topk: (x) => tf.topk(x, 2).values,
  unsortedSegmentSum: (x) => tf.unsortedSegmentSum(x, tf.tensor1d([1, 0], "int32") as Tensor1D, 3),
};

beforeAll(async () => {
  await useBackend("cpu");
  await useBackend("wasm");
});

describe("what the networks call gives the same on wasm as on cpu", () => {
  test.each(Object.entries(differentiable))("%s, forward and backward", async (_, [xShape, yShape, run]) => {
    const operands = [filled(xShape, 3), filled(yShape, 5)];
    await expectSame(operands, (x, y) => run(x as Tensor, y as Tensor));
    const unary = run.length === 1;
    await expectSame(operands, (x, y) => {
      const cotangent = (z: Tensor) => tf.mul(z, tf.cos(tf.reshape(tf.range(0, z.size), z.shape)));
      const f = (a: Tensor, b: Tensor) => tf.sum(cotangent(run(a, b)));
      return unary ? tf.grad((a) => f(a, y as Tensor))(x as Tensor) : tf.grads(f)([x as Tensor, y as Tensor]);
    });
  });
  test.each(Object.entries(plain))("%s", async (_, run) => {
    await expectSame([filled(image, 3), filled(image, 5)], (x, y) => run(x as Tensor, y as Tensor));
  });
});
