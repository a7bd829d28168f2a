import { fc, test } from "@fast-check/vitest";
import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeAll, beforeEach, describe, expect } from "vitest";
import { useBackend } from "../../../src/backends";
import { expectSame, filled, type HostInput } from "../../support/two-backends";

beforeAll(async () => {
  await useBackend("cpu");
  await tf.setBackend("webgpu");
});
// Or small tensors would be worked on by the host.
beforeEach(() => tf.env().set("WEBGPU_CPU_FORWARD", false));
afterEach(async () => {
  tf.env().set("WEBGPU_CPU_FORWARD", true);
  await tf.setBackend("webgpu");
});

const same = (inputs: readonly HostInput[], run: (...tensors: tf.Tensor[]) => tf.Tensor | tf.Tensor[]) =>
  expectSame(inputs, run, "webgpu", 0);

const length = fc.constantFrom(1, 2, 3, 4, 5, 8, 12, 17);
const shape = fc.array(length, { minLength: 1, maxLength: 4 });
const dtype = fc.constantFrom("float32", "int32") as fc.Arbitrary<"float32" | "int32">;
const numbers = (shape: readonly number[], seed: number, dtype: "float32" | "int32"): HostInput => {
  const { values } = filled(shape, seed);
  return { values: dtype === "int32" ? values.map((x) => Math.round(1000 * x)) : values, shape, dtype };
};

describe("parts of tensors and the whole", () => {
  test.prop({ shape, dtype, seed: fc.nat() }, { numRuns: 60 })("slices along any axes", ({ shape, dtype, seed }) => {
    const begin = shape.map((length, i) => (seed >> (3 * i)) % length);
    const size = shape.map((length, i) =>
      (seed >> (i + 1)) % 3 === 0 ? length - (begin[i] as number) : Math.max(0, 1 - (seed % 7 === 0 ? 1 : 0)),
    );
    const one = shape.map((length, i) => (i === seed % shape.length ? Math.ceil(length / 2) : length));
    return same([numbers(shape, seed, dtype)], (x) => [
      tf.slice(x, begin, size),
      tf.slice(
        x,
        shape.map(() => 0),
        one,
      ),
      tf.slice(
        x,
        shape.map((length, i) => length - (one[i] as number)),
        one,
      ),
    ]);
  });

  test.prop(
    { shape, dtype, parts: fc.array(length, { minLength: 1, maxLength: 20 }), seed: fc.nat() },
    { numRuns: 60 },
  )("joins along any axis, and splits again", async ({ shape, dtype, parts, seed }) => {
    const axis = seed % shape.length;
    const shapes = parts.map((length) => shape.map((old, i) => (i === axis ? length : old)));
    await same(
      shapes.map((shape, i) => numbers(shape, i, dtype)),
      (...xs) => {
        const whole = tf.concat(xs, axis);
        return [whole, ...tf.split(whole, parts, axis - shape.length)];
      },
    );
  });

  test.prop({ shape, count: fc.integer({ min: 1, max: 9 }), seed: fc.nat() }, { numRuns: 30 })(
    "stacks along a new axis, and takes the stack apart",
    ({ shape, count, seed }) => {
      const axis = seed % (shape.length + 1);
      const inputs = Array.from({ length: count }, (_, i) => filled(shape, i));
      return same(inputs, (...xs) => {
        const whole = tf.stack(xs, axis);
        return [whole, ...tf.unstack(whole, axis)];
      });
    },
  );

  test("what has no elements is left out", () =>
    same([{ values: [], shape: [2, 0, 3] }, filled([2, 4, 3]), { values: [], shape: [2, 0, 3] }], (a, b, c) => [
      tf.concat([a, b, c], 1),
      tf.concat([a, c], 1),
      ...tf.split(b, [0, 3, 1], 1),
      tf.stack([a, c]),
    ]));
});

test("a whole slice, and the one part of a join, share memory, and each outlives the others", async () => {
  const [x, none] = [tf.tidy(() => tf.neg(tf.tensor1d([1, 2, 3, 4]))), tf.zeros([0])];
  const before = tf.memory().numDataBuffers;
  const y = tf.slice(x, [0], [4]);
  const z = tf.concat([y, none], 0);
  expect(tf.memory().numDataBuffers - before).toBe(0);
  tf.dispose([x, y, none]);
  expect([...(await z.data())]).toEqual([-1, -2, -3, -4]);
  z.dispose();
});

test.each([true, false])("small tensors on the host, with tfjs's own kernels there: %s", (forward) => {
  tf.env().set("WEBGPU_CPU_FORWARD", forward);
  return same([filled([2, 3]), filled([2, 3], 2)], (a, b) => {
    const whole = tf.concat([a, b], 1);
    return [
      whole,
      ...tf.split(whole, 3, 1),
      tf.stack([a, b]),
      tf.slice(a, [0, 1], [2, 2]),
      tf.cast(tf.greater(a, 0), "float32"),
    ];
  });
});

describe("constants and casts", () => {
  test.prop({ shape, value: fc.constantFrom(0, 1, -2.5, -0, 3e38) }, { numRuns: 40 })(
    "fills of any size; what computes with them leaves them as they are",
    ({ shape, value }) =>
      expectSame(
        [filled(shape)],
        (x) => {
          const constant = tf.fill(shape, value);
          return [constant, tf.add(x, constant), tf.zerosLike(x), tf.onesLike(x), tf.zeros(shape, "int32")];
        },
        "webgpu",
        0,
      ),
  );

  test("zeros are zeros in memory that was used before", async () => {
    for (let i = 0; i < 3; i++) {
      tf.dispose(tf.tidy(() => tf.neg(tf.ones([1000]))));
      const zeros = tf.zeros([1000]);
      expect((await zeros.data()).every((x) => x === 0)).toBe(true);
      zeros.dispose();
    }
  });

  test.each([5, 3000])("whole numbers and truths become floats: %i of them", (n) => {
    const shape = [n];
    return expectSame(
      [numbers(shape, 1, "int32"), filled(shape)],
      (whole, x) => [
        tf.cast(whole, "float32"),
        tf.cast(tf.add(whole, 1), "float32"),
        tf.cast(tf.greater(x, 0), "float32"),
        tf.cast(tf.greater(x, 0), "int32"),
        tf.cast(tf.mul(x, 7), "int32"),
        tf.concat([tf.cast(tf.greater(x, 0), "float32"), x]),
        tf.stack([tf.cast(tf.add(whole, 1), "float32"), x], 1),
        tf.cast(tf.mul(x, 2), "float32"),
        tf.cast(x, "bool"),
      ],
      "webgpu",
    );
  });
});
