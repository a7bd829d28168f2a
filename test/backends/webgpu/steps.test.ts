import { fc, test } from "@fast-check/vitest";
import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeAll, describe, expect } from "vitest";
import { useBackend } from "../../../src/backends";
import { noGrad } from "../../../src/core";
import { runIfThere } from "../../../src/core/fused-kernels";
import { adam, updateEma } from "../../../src/train";
import { expectSame, filled } from "../../support/two-backends";

beforeAll(async () => {
  await useBackend("cpu");
  await tf.setBackend("webgpu");
});
afterEach(() => tf.setBackend("webgpu"));

/** Reads what `run` returns; nothing else may stay. */
async function read(run: () => tf.Tensor[]): Promise<{ shape: number[]; values: Float32Array }[]> {
  const count = () => ({ tensors: tf.memory().numTensors, ids: tf.engine().backend.numDataIds() });
  const before = count();
  const results = tf.tidy(run);
  const numbers: { shape: number[]; values: Float32Array }[] = [];
  try {
    for (const x of results) numbers.push({ shape: x.shape, values: (await x.data()) as Float32Array });
  } finally {
    tf.dispose(results);
  }
  expect(count(), "left behind").toEqual(before);
  return numbers;
}

const bits = (values: Float32Array | readonly number[]) =>
  Array.from(new Uint32Array(Float32Array.from(values).buffer));

const shape = fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 4 });

test.prop({ shapes: fc.array(shape, { minLength: 1, maxLength: 40 }) }, { numRuns: 30 })(
  "tensors are packed, and unpacked into the same shapes, element by element",
  async ({ shapes }) => {
    const sizes = shapes.map((shape) => tf.util.sizeFromShape(shape));
    const total = sizes.reduce((a, b) => a + b, 0);
    const [flat, ...parts] = await read(() => {
      let next = 0;
      const all = shapes.map((shape, i) => {
        next += sizes[i] as number;
        return tf.tensor(
          Array.from({ length: sizes[i] as number }, (_, j) => next - (sizes[i] as number) + j),
          shape,
        );
      });
      const [flat] = runIfThere("SidPack", all) as [tf.Tensor];
      return [flat, ...(runIfThere("SidUnpack", [flat, ...all]) as tf.Tensor[])];
    });
    expect(flat).toEqual({ shape: [total], values: Float32Array.from({ length: total }, (_, i) => i) });
    let next = 0;
    for (const [i, { shape, values }] of parts.entries()) {
      expect(shape).toEqual(shapes[i]);
      expect([...values]).toEqual(Array.from({ length: sizes[i] as number }, () => next++));
    }
  },
);

test("bits pass as they are: NaN with its payload, the least numbers, and the same tensor twice", async () => {
  const odd = new Float32Array(Uint32Array.of(0x7fc12345, 0xff800000, 1, 0x80000000).buffer);
  const [flat] = await read(() => {
    const x = tf.tensor1d(odd);
    return runIfThere("SidPack", [x, tf.scalar(1), x]) as tf.Tensor[];
  });
  const wanted = [...new Uint32Array(odd.buffer)];
  expect([...new Uint32Array(flat?.values.buffer as ArrayBuffer)]).toEqual([...wanted, 0x3f800000, ...wanted]);
});

test("packed tensors are copies: neither side sees what becomes of the other", async () => {
  const [first] = await read(() => {
    const x = tf.tensor([1, 2]);
    const [flat] = runIfThere("SidPack", [x, tf.scalar(3)]) as [tf.Tensor];
    const [first] = runIfThere("SidUnpack", [flat, x, tf.scalar(0)]) as [tf.Tensor];
    flat.dispose();
    x.dispose();
    return [first];
  });
  expect([...(first?.values ?? [])]).toEqual([1, 2]);
});

describe("a gradient", () => {
  const { NaN: nan, POSITIVE_INFINITY: infinity } = Number;
  const odd = fc.constantFrom(nan, infinity, -infinity, 0, -0, 1e18, -3e18, 1e-40);
  const number = fc.oneof({ weight: 3, arbitrary: fc.float({ min: -100, max: 100, noNaN: true }) }, odd);
  const lengths = fc.constantFrom(1, 2, 255, 256, 257, 70_001);

  test.prop({ pattern: fc.array(number, { minLength: 1, maxLength: 90 }), length: lengths }, { numRuns: 30 })(
    "is cleaned, and what changed is counted",
    async ({ pattern, length }) => {
      const values = Float32Array.from({ length }, (_, i) => pattern[i % pattern.length] as number);
      const [clean, figures] = await read(
        () => runIfThere("SidClean", [tf.tensor1d(values)], { limit: 1e5 }) as tf.Tensor[],
      );
      const wanted = values.map((x) => (Number.isNaN(x) ? 0 : Number.isFinite(x) ? x : Math.sign(x) * 1e5));
      expect(bits(clean?.values ?? [])).toEqual(bits(wanted));
      const [squares, changed] = (figures as { values: Float32Array }).values as unknown as [number, number];
      expect(changed).toBe(values.filter((x) => !Number.isFinite(x)).length);
      const exact = [...wanted].reduce((sum, x) => sum + x * x, 0);
      // A GPU may take a square below the least normal number for 0; a sum of squares may be beyond float32.
      if (exact < 1e38) expect(Math.abs(squares - exact)).toBeLessThan(1e-5 * exact + 1.2e-38 * (length + 1));
      else expect(squares).toBeGreaterThan(9e37);
    },
  );

  test("is summed in the same order each time", async () => {
    const { values } = filled([100_003]);
    const run = () =>
      read(() => [(runIfThere("SidClean", [tf.tensor1d(values)], { limit: 1 }) as tf.Tensor[])[1] as tf.Tensor]);
    expect(await run()).toEqual(await run());
  });
});

test.each([1, 7, 1000, 2 ** 15 + 3])("Adam's trajectory of %i weights is that of cpu", async (n) => {
  let made = 0;
  const shapes = [[n], [3, 5], [2, 2, 2]];
  const inputs = [0, 1, 2].flatMap((i) => shapes.map((shape, j) => filled(shape, 10 * i + j)));
  const run = (...tensors: tf.Tensor[]) => {
    const variables = tensors.slice(0, 3).map((x) => tf.variable(x, true, `webgpu-steps/${made++}`));
    const optimizer = adam(variables, { learningRate: 0.1 });
    for (const at of [3, 6]) optimizer.step(tensors.slice(at, at + 3));
    const results = variables.map((x) => noGrad(() => tf.clone(x)));
    results.push(tf.mul(optimizer.state().moments[0] as tf.Tensor, 1));
    optimizer.dispose();
    tf.dispose(variables);
    return results;
  };
  await expectSame(inputs, run, "webgpu");
});

test("an average follows its weights as on cpu", async () => {
  let made = 0;
  const inputs = [[70], [3, 5], [1], [70], [3, 5], [1]].map((shape, i) => filled(shape, i));
  const run = (...tensors: tf.Tensor[]) => {
    const variables = tensors.map((x) => tf.variable(x, true, `webgpu-ema/${made++}`));
    updateEma(variables.slice(0, 3), variables.slice(3), 0.75);
    updateEma(variables.slice(0, 3), variables.slice(3), 0.5);
    const results = variables.map((x) => noGrad(() => tf.clone(x)));
    tf.dispose(variables);
    return results;
  };
  await expectSame(inputs, run, "webgpu");
});
