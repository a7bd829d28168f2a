import { fc, test } from "@fast-check/vitest";
import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeAll, describe, expect } from "vitest";
import { useBackend } from "../../../src/backends";
import { noGrad } from "../../../src/core";
import { runIfThere } from "../../../src/core/fused-kernels";
import { cleanGradients } from "../../../src/losses";
import { gegluGate, silu } from "../../../src/models/nn/activations";
import { attention } from "../../../src/models/nn/attention";
import { adam } from "../../../src/train";
import { registeredBackend } from "../../support/backend";
import { expectSame, filled, type HostInput, positive } from "../../support/two-backends";

/** tfjs-node's own kernels and this library's, all against plain JavaScript. */
const same = (inputs: readonly HostInput[], run: (...tensors: never[]) => tf.Tensor | tf.Tensor[]) =>
  expectSame(inputs, run as (...tensors: tf.Tensor[]) => tf.Tensor, "tensorflow");

beforeAll(async () => {
  await useBackend("cpu");
  await tf.setBackend(registeredBackend);
});
afterEach(() => tf.setBackend(registeredBackend));

const size = fc.integer({ min: 1, max: 3 });
const side = fc.integer({ min: 4, max: 7 });
const pads = fc.integer({ min: 0, max: 2 });

describe("convolution and its gradients", () => {
  const shapes = { batch: size, h: side, w: side, kernel: fc.constantFrom(1, 2, 3), from: size, to: size };
  test.prop(
    { ...shapes, stride: fc.constantFrom(1, 2), before: pads, after: pads, valid: fc.boolean() },
    { numRuns: 40 },
  )("at any stride and padding", async ({ batch, h, w, kernel, from, to, stride, before, after, valid }) => {
    type Sides = [number, number];
    const none: Sides = [0, 0];
    const pad = valid ? "valid" : ([none, [before, after], [before, after], none] as [Sides, Sides, Sides, Sides]);
    const inputs = [filled([batch, h, w, from]), filled([kernel, kernel, from, to], 2)];
    await same(inputs, (x: tf.Tensor4D, filter: tf.Tensor4D) => {
      const f = (x: tf.Tensor, filter: tf.Tensor) =>
        tf.conv2d(x as tf.Tensor4D, filter as tf.Tensor4D, stride, pad, "NHWC", 1, valid ? undefined : "floor");
      const y = f(x, filter);
      return [y, ...tf.grads(f)([x, filter], tf.add(y, 1))];
    });
  });

  test("refuses channels first", () =>
    tf.tidy(() => {
      const [x, filter] = [tf.ones([1, 3, 4, 4]), tf.ones([2, 2, 3, 1])] as [tf.Tensor4D, tf.Tensor4D];
      expect(() => tf.conv2d(x, filter, 1, "valid", "NCHW")).toThrow(/wants dataFormat "NHWC"/);
    }));
});

test.prop({ batch: size, m: side, k: side, n: side, transposeA: fc.boolean(), transposeB: fc.boolean() })(
  "products of one matrix and of many",
  async ({ batch, m, k, n, transposeA, transposeB }) => {
    const [a, b] = [transposeA ? [k, m] : [m, k], transposeB ? [n, k] : [k, n]];
    const run = (a: tf.Tensor, b: tf.Tensor) => tf.matMul(a, b, transposeA, transposeB);
    await same([filled(a), filled(b, 2)], run);
    await same([filled([batch, ...a]), filled([batch, ...b], 2)], run);
  },
);

describe("shapes", () => {
  test("reshaped tensors share their memory, and each outlives the others", () => {
    const before = tf.memory().numDataBuffers;
    const x = tf.tensor1d([1, 2, 3, 4, 5, 6]);
    const y = tf.reshape(x, [2, 3]);
    const z = tf.reshape(y, [3, 2, 1]);
    const sums = (t: tf.Tensor) => tf.tidy(() => Array.from(tf.sum(t, 0).dataSync()));
    expect(tf.memory().numDataBuffers - before).toBe(1);
    expect([sums(y), sums(z), sums(x)]).toEqual([[5, 7, 9], [9, 12], [21]]);
    x.dispose();
    expect([sums(y), sums(z)]).toEqual([
      [5, 7, 9],
      [9, 12],
    ]);
    y.dispose();
    expect(sums(z)).toEqual([9, 12]);
    z.dispose();
    expect(tf.memory().numDataBuffers).toBe(before);
    expect(() => y.dataSync()).toThrow(/disposed/);
  });

  test.prop({ a: size, b: size, c: side })("sums, means, slices and transposes", async ({ a, b, c }) => {
    await same([positive([a, b, c])], (x: tf.Tensor3D) => [
      tf.sum(x),
      tf.sum(x, [0, 1]),
      tf.sum(x, -1, true),
      tf.sum(x, [0, 2]),
      tf.mean(x, 1),
      tf.mean(x, [0, 1], true),
      tf.slice(x, [0, 0, 1], [-1, 1, c - 1]),
      tf.transpose(x, [2, 0, 1]),
      tf.reshape(x, [c, -1]),
    ]);
    await same([{ ...positive([a, c]), values: Array(a * c).fill(3), dtype: "int32" }], (x: tf.Tensor2D) => [
      tf.sum(x, 0),
      tf.mean(x, 1),
    ]);
  });
});

describe("what is done in pieces is what is done at once", () => {
  const large = [3, 2 ** 17 - 5];
  test.each([
    ["silu", silu as (x: tf.Tensor) => tf.Tensor, 1],
    ["gegluGate", gegluGate as (...xs: tf.Tensor[]) => tf.Tensor, 2],
  ])("%s", (_, f, count) =>
    same(
      Array.from({ length: count }, (_, i) => filled(large, i + 1)),
      (...xs: tf.Tensor[]) => [f(...(xs as [tf.Tensor])), ...tf.grads(f as never)(xs, tf.add(xs[0] as tf.Tensor, 2))],
    ),
  );

  test.each([
    ["heads", 2, 600, 1000],
    ["queries of one head", 1, 1100, 1000],
  ])("attention by %s", (_, heads, n, m) => {
    const width = 2 * heads;
    const f = (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor) => attention(q, k, v, { heads });
    const inputs = [filled([1, n, width]), filled([1, m, width], 2), positive([1, m, width], 3)];
    return same(inputs, (...xs: tf.Tensor[]) => [
      f(...(xs as [tf.Tensor, tf.Tensor, tf.Tensor])),
      ...tf.grads(f as never)(xs, tf.add(xs[0] as tf.Tensor, 2)),
    ]);
  });

  test("Adam", () => {
    let made = 0;
    return same([filled(large), filled(large, 2), filled(large, 3)], (...[p, ...gradients]: tf.Tensor[]) => {
      const x = tf.variable(p as tf.Tensor, true, `tensorflow-kernels/${made++}`);
      const optimizer = adam([x], { learningRate: 0.1 });
      for (const gradient of gradients) optimizer.step([gradient]);
      const [moment] = optimizer.state().moments as [tf.Tensor];
      const results = [noGrad(() => tf.clone(x)), tf.mul(moment, 1)];
      optimizer.dispose();
      x.dispose();
      return results;
    });
  });
});

test("tensors are packed, and unpacked into the same shapes, element by element", () => {
  tf.tidy(() => {
    const all = [tf.reshape(tf.range(0, 6), [2, 3]), tf.scalar(6), tf.range(7, 9), tf.reshape(tf.range(9, 11), [1, 2])];
    const [flat] = runIfThere("SidPack", all) as [tf.Tensor];
    expect([flat.shape, [...flat.dataSync()]]).toEqual([[11], Array.from({ length: 11 }, (_, i) => i)]);
    const parts = runIfThere("SidUnpack", [flat, ...all]) as tf.Tensor[];
    expect(parts.map((x) => [x.shape, x.arraySync()])).toEqual(all.map((x) => [x.shape, x.arraySync()]));
  });
});

test("a gradient that is not finite is cleaned as cleanGradients does it, and what changed is counted", async () => {
  const { NaN: nan, POSITIVE_INFINITY: infinity } = Number;
  for (const values of [
    [1, nan, infinity, -2, -infinity, 3e6, nan],
    [1, -2, 3],
  ])
    tf.tidy(() => {
      const [clean, figures] = runIfThere("SidClean", [tf.tensor1d(values)], { limit: 1e5 }) as [tf.Tensor, tf.Tensor];
      const wanted = values.map((x) => (Number.isNaN(x) ? 0 : Number.isFinite(x) ? x : Math.sign(x) * 1e5));
      expect([...clean.dataSync()]).toEqual(wanted);
      expect([...(cleanGradients([tf.tensor1d(values)])[0] as tf.Tensor).dataSync()]).toEqual(wanted);
      const [squares, changed] = figures.dataSync();
      expect((squares as number) / wanted.reduce((sum, x) => sum + x * x, 0)).toBeCloseTo(1, 5);
      expect(changed).toBe(values.filter((x) => !Number.isFinite(x)).length);
    });
});
