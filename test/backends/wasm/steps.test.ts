import { fc, test } from "@fast-check/vitest";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect } from "vitest";
import { useBackend } from "../../../src/backends";
import "../../../src/core";
import { noGrad } from "../../../src/core";
import { runIfThere } from "../../../src/core/fused-kernels";
import { cleanGradients } from "../../../src/losses";
import { adam, updateEma } from "../../../src/train";
import { expectSame, filled } from "../../support/two-backends";

beforeAll(async () => {
  await useBackend("cpu");
  await useBackend("wasm");
});

const bits = (x: tf.Tensor) => Array.from(new Uint32Array(Float32Array.from(x.dataSync()).buffer));

test.prop({
  shapes: fc.array(fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 4 }), { minLength: 1, maxLength: 6 }),
})("tensors are packed, and unpacked into the same shapes, element by element", ({ shapes }) =>
  tf.tidy(() => {
    let next = 0;
    const all = shapes.map((shape) => {
      const size = tf.util.sizeFromShape(shape);
      next += size;
      return tf.reshape(tf.range(next - size, next), shape);
    });
    const [flat] = runIfThere("SidPack", all) as [tf.Tensor];
    expect([flat.shape, [...flat.dataSync()]]).toEqual([[next], Array.from({ length: next }, (_, i) => i)]);
    const parts = runIfThere("SidUnpack", [flat, ...all]) as tf.Tensor[];
    expect(parts.map((x) => [x.shape, x.arraySync()])).toEqual(all.map((x) => [x.shape, x.arraySync()]));
  }),
);

test("packed tensors are copies: neither side sees what becomes of the other", () =>
  tf.tidy(() => {
    const x = tf.tensor([1, 2]);
    const [flat] = runIfThere("SidPack", [x, tf.scalar(3)]) as [tf.Tensor];
    const [first] = runIfThere("SidUnpack", [flat, x, tf.scalar(0)]) as [tf.Tensor];
    flat.dispose();
    x.dispose();
    expect([...first.dataSync()]).toEqual([1, 2]);
  }));

describe("a gradient", () => {
  const { NaN: nan, POSITIVE_INFINITY: infinity } = Number;
  const odd = fc.constantFrom(nan, infinity, -infinity, 0, -0, 1e30, -3e38, 1e-40);
  const number = fc.oneof({ weight: 3, arbitrary: fc.float({ min: -100, max: 100, noNaN: true }) }, odd);

  test.prop({
    values: fc.oneof(
      fc.array(number, { minLength: 1, maxLength: 70 }),
      fc.array(odd, { minLength: 500, maxLength: 1100 }),
    ),
  })("is cleaned as cleanGradients does it, and what changed is counted", ({ values }) =>
    tf.tidy(() => {
      const g = tf.tensor1d(values);
      const [clean, figures] = runIfThere("SidClean", [g], { limit: 1e5 }) as [tf.Tensor, tf.Tensor];
      const wanted = cleanGradients([g])[0] as tf.Tensor;
      expect(bits(clean)).toEqual(bits(wanted));
      const [squares, changed] = figures.dataSync() as unknown as [number, number];
      expect(changed).toBe(values.filter((x) => !Number.isFinite(x)).length);
      const exact = [...wanted.dataSync()].reduce((sum, x) => sum + x * x, 0);
      // A square of its own, or a sum of them, may be beyond float32.
      if (exact < 1e38) expect(Math.abs(squares - exact)).toBeLessThanOrEqual(1e-5 * exact + 1e-37);
      else expect(squares).toBeGreaterThan(9e37);
    }),
  );

  test("that is clean costs no memory, and outlives what it was", () =>
    tf.tidy(() => {
      const g = tf.tensor1d([3, 4]);
      const before = tf.memory().numDataBuffers;
      const [clean, figures] = runIfThere("SidClean", [g], { limit: 1e5 }) as [tf.Tensor, tf.Tensor];
      expect(tf.memory().numDataBuffers).toBe(before + 1);
      g.dispose();
      expect([[...clean.dataSync()], [...figures.dataSync()]]).toEqual([
        [3, 4],
        [25, 0],
      ]);
    }));
});

test.prop({
  n: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constant(2 ** 15 + 3)),
  beta2: fc.constantFrom(0.9, 0.999),
  seed: fc.nat(),
})("a step of Adam is the composed one to the bit", ({ n, beta2, seed }) =>
  tf.tidy(() => {
    const [p, v, g] = [0, 1, 2].map((i) => {
      const { values, shape } = filled([n], seed + i);
      return tf.tensor(i === 1 ? values.map(Math.abs) : values, [...shape]);
    }) as [tf.Tensor, tf.Tensor, tf.Tensor];
    const [rate, epsilon] = [0.01 / (1 + (seed % 7)), 1e-8 * (1 + (seed % 3))];
    const [next, moment] = runIfThere("SidAdam", [p, v, g], { beta2, rate, epsilon }) as [tf.Tensor, tf.Tensor];
    const second = tf.add(tf.mul(v, beta2), tf.mul(tf.square(g), 1 - beta2));
    const update = tf.div(tf.mul(g, rate), tf.add(tf.sqrt(second), epsilon));
    expect(bits(moment)).toEqual(bits(second));
    expect(bits(next)).toEqual(bits(tf.sub(p, update)));
  }),
);

test("Adam's trajectory is that of the cpu backend", async () => {
  let made = 0;
  const shapes = [[3, 5], [7], [2, 2, 2]];
  const inputs = [0, 1, 2].flatMap((i) => shapes.map((shape, j) => filled(shape, 10 * i + j)));
  await expectSame(inputs, (...tensors) => {
    const variables = tensors.slice(0, 3).map((x) => tf.variable(x, true, `wasm-steps/${made++}`));
    const optimizer = adam(variables, { learningRate: 0.1 });
    for (const at of [3, 6]) optimizer.step(tensors.slice(at, at + 3));
    const results = variables.map((x) => noGrad(() => tf.clone(x)));
    optimizer.dispose();
    tf.dispose(variables);
    return results;
  });
});

test("what is no float goes the long way", () => {
  const [a, b, c, d] = [1, 2, 3, 4].map((value, i) =>
    tf.tidy(() => tf.variable(tf.fill([2], value, "int32"), true, `wasm-steps/whole/${i}`, "int32")),
  ) as [tf.Variable, tf.Variable, tf.Variable, tf.Variable];
  expect(runIfThere("SidPack", [a, b])).toBeUndefined();
  updateEma([a, b], [c, d], 0);
  expect([a, b].map((x) => [x.dtype, ...x.dataSync()])).toEqual([
    ["int32", 3, 3],
    ["int32", 4, 4],
  ]);
  tf.dispose([a, b, c, d]);
});
