import { fc, test } from "@fast-check/vitest";
import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeAll, describe, expect } from "vitest";
import { useBackend } from "../../../src/backends";
import { noGrad } from "../../../src/core";
import { finiteSamples } from "../../../src/losses";
import { onlyValid } from "../../../src/losses/reduce";
import { gegluGate } from "../../../src/models/nn/activations";
import { fused } from "../../../src/models/nn/fused";
import { expectSame, filled, type HostInput } from "../../support/two-backends";

beforeAll(async () => {
  await useBackend("cpu");
  await tf.setBackend("webgpu");
});
afterEach(() => tf.setBackend("webgpu"));

const same = (inputs: readonly HostInput[], run: (...tensors: tf.Tensor[]) => tf.Tensor | tf.Tensor[], tolerance = 0) =>
  expectSame(inputs, run, "webgpu", tolerance);

const batch = fc.integer({ min: 1, max: 6 });
const sample = fc.array(fc.constantFrom(1, 2, 3, 7, 40), { maxLength: 3 });
const odd = fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 3e38, 1e-40);

/** Numbers with some that are odd, at places of their own. */
const spoiled = (shape: readonly number[], places: readonly (readonly [number, number])[], seed: number): HostInput => {
  const input = filled(shape, seed);
  for (const [at, value] of places) input.values[at % input.values.length] = value;
  return input;
};
const places = fc.array(fc.tuple(fc.nat(), odd), { maxLength: 4 });

describe("samples that are not finite", () => {
  test.prop({ batch, samples: fc.array(sample, { minLength: 1, maxLength: 16 }), places }, { numRuns: 30 })(
    "are told from the others in any number of tensors",
    ({ batch, samples, places }) =>
      same(
        samples.map((sample, i) => spoiled([batch, ...sample], places.slice(i % 5), i)),
        (...xs) => finiteSamples(...xs),
      ),
  );

  test("are told beside a tape", async () => {
    const f = (x: tf.Tensor) =>
      tf.mul(
        onlyValid(
          x,
          noGrad(() => finiteSamples(x)),
        ),
        2,
      );
    const x = tf.tensor2d([1, 2, Number.NaN, 4, 5, 6], [3, 2]);
    const slope = tf.grad(f)(x);
    expect([...(await slope.data())]).toEqual([2, 2, 0, 0, 2, 2]);
    tf.dispose([x, slope]);
  });

  test.prop({ batch, sample, places, seed: fc.nat() }, { numRuns: 30 })(
    "leave nothing behind, in values and gradients",
    ({ batch, sample, places, seed }) => {
      const shape = [batch, ...sample];
      const valid = {
        values: Array.from({ length: batch }, (_, i) => ((seed >> i) % 2 === 0 ? 1 : 0)),
        shape: [batch],
      };
      // Odd values in samples that do not count alone.
      const input = spoiled(shape, places, seed);
      const size = input.values.length / batch;
      const values = input.values.map((x, i) =>
        valid.values[Math.floor(i / size)] === 1 && !(Math.abs(x) < 1) ? 0.5 : x,
      );
      const f = (x: tf.Tensor, valid: tf.Tensor) => onlyValid(x, valid as tf.Tensor1D);
      return same([{ ...input, values }, valid, spoiled(shape, [], 7)], (x, valid, dy) => [
        f(x, valid),
        tf.grad((x: tf.Tensor) => f(x, valid))(x, dy),
      ]);
    },
  );
});

describe("GEGLU of both halves side by side", () => {
  test.each([[[1, 2]], [[3, 10]], [[2, 5, 14]], [[7, 2048]]])(
    "%j is that of the halves, forward and backward",
    (shape) => {
      const width = (shape[shape.length - 1] as number) / 2;
      const halves = (x: tf.Tensor) => tf.split(x, 2, -1) as [tf.Tensor, tf.Tensor];
      const f = (x: tf.Tensor) => fused("SidGeglu", [x]) ?? gegluGate(...halves(x));
      const input = filled(shape);
      const large = { ...input, values: input.values.map((x, i) => (i % 9 === 0 ? 30 * x : x)) };
      return same(
        [large, filled([...shape.slice(0, -1), width], 2)],
        (x, dy) => [f(x), tf.grad((x) => tf.mul(f(x), 1))(x, dy)],
        1e-5,
      );
    },
  );
});
