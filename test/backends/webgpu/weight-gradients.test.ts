import { fc, test } from "@fast-check/vitest";
import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeAll, beforeEach, describe, expect } from "vitest";
import { useBackend } from "../../../src/backends";
import { vjp } from "../../../src/core";
import { conv2d, linear } from "../../../src/models/nn/linear";
import { expectSame, filled, type HostInput } from "../../support/two-backends";

beforeAll(async () => {
  await useBackend("cpu");
  await tf.setBackend("webgpu");
});
beforeEach(() => tf.env().set("WEBGPU_CPU_FORWARD", false));
afterEach(async () => {
  tf.env().set("WEBGPU_CPU_FORWARD", true);
  await tf.setBackend("webgpu");
});

const same = (inputs: readonly HostInput[], run: (...tensors: tf.Tensor[]) => tf.Tensor[]) =>
  expectSame(inputs, run, "webgpu", 2e-5);

/** A layer's value and its gradients: all at once, and each alone, when the others are frozen. */
function everyWay(f: (...xs: tf.Tensor[]) => tf.Tensor, inputs: tf.Tensor[]): tf.Tensor[] {
  const y = f(...inputs);
  const dy = tf.add(y, 1);
  const alone = inputs.flatMap((x, i) =>
    vjp((x) => f(...inputs.map((other, j) => (j === i ? (x as tf.Tensor) : other))), [x], dy),
  );
  return [y, ...vjp(f, inputs, dy), ...alone];
}

describe("a layer and the gradients of its input, weight and bias", () => {
  test.prop(
    {
      rows: fc.constantFrom(1, 5, 16, 67, 300),
      from: fc.constantFrom(1, 3, 16, 64, 65),
      to: fc.constantFrom(1, 7, 16, 80),
    },
    { numRuns: 12 },
  )("linear", ({ rows, from, to }) =>
    same([filled([rows, from]), filled([from, to], 2), filled([to], 3)], (...xs) =>
      everyWay((x, w, b) => linear(x as tf.Tensor, w as tf.Tensor, b), xs),
    ),
  );

  test.prop(
    {
      batch: fc.constantFrom(1, 2),
      side: fc.integer({ min: 3, max: 9 }),
      kernel: fc.constantFrom(1, 2, 3),
      from: fc.constantFrom(1, 4, 13),
      to: fc.constantFrom(1, 8, 17),
      stride: fc.constantFrom(1, 2),
      pad: fc.constantFrom(0, 1, [0, 1] as const, "same" as const),
    },
    { numRuns: 12 },
  )("convolution", ({ batch, side, kernel, from, to, stride, pad }) =>
    same([filled([batch, side, side + 1, from]), filled([kernel, kernel, from, to], 2), filled([to], 3)], (...xs) =>
      everyWay((x, w, b) => conv2d(x as tf.Tensor, w as tf.Tensor, b, { stride, pad }), xs),
    ),
  );
});

describe("what is added to a layer's result", () => {
  test.each([
    [[3, 5, 12], 20],
    [[4, 64], 64],
    [[1, 1], 1],
    // Sums in parts.
    [[2, 2000], 3],
  ] as const)("linear %j", (shape, to) =>
    same(
      [
        filled(shape),
        filled([shape[shape.length - 1] as number, to], 2),
        filled([to], 3),
        filled([...shape.slice(0, -1), to], 4),
      ],
      (...xs) => everyWay((x, w, b, addend) => linear(x as tf.Tensor, w as tf.Tensor, b, addend), xs),
    ),
  );

  test.each([1, 3])("convolution of width %i", (kernel) =>
    same(
      [filled([2, 5, 6, 8]), filled([kernel, kernel, 8, 12], 2), filled([12], 3), filled([2, 5, 6, 12], 4)],
      (...xs) =>
        everyWay((x, w, b, addend) => conv2d(x as tf.Tensor, w as tf.Tensor, b, { pad: (kernel - 1) / 2 }, addend), xs),
    ),
  );

  test("is the same tensor as the input", () =>
    same([filled([6, 10]), filled([10, 10], 2), filled([10], 3)], (...xs) =>
      everyWay((x, w, b) => linear(x as tf.Tensor, w as tf.Tensor, b, x), xs),
    ));
});

test("gradients of a weight and a bias are one product", () => {
  expect(tf.getKernel("SidLinearGradient", "webgpu")).toBeDefined();
  expect(tf.getKernel("SidConvGradient", "webgpu")).toBeDefined();
});
