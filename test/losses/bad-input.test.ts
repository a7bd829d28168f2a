import { fc, test } from "@fast-check/vitest";
import { max, type Tensor, tensor, tensor1d, tensor2d } from "@tensorflow/tfjs-core";
import {
  fakeScoreLoss,
  type LossInputs,
  type LossWeight,
  type SidLossOptions,
  sidCotangents,
  sidLoss,
} from "../../src/losses";
import { expectSidError } from "../support/errors";
import { draw, free, notFinite, shapes } from "../support/values";

function inputsOf(seed: number, shape: readonly number[]): LossInputs {
  const [generated, teacher, fake] = draw(seed, shape, 3) as [Tensor, Tensor, Tensor];
  return { generated, teacher, fake };
}

const level = { alpha: [0.8, 0.6], sigma: [0.6, 0.8] };
/** Both functions of the generator's loss. */
const both = (inputs: LossInputs, options: SidLossOptions = {}) => [
  () => sidLoss(inputs, options),
  () => sidCotangents(inputs, options),
];

test.prop([shapes, shapes, fc.nat(2)])("operands never broadcast", (one, other, at) =>
  free(() => {
    fc.pre(one.join() !== other.join());
    const tensors = draw(1, one, 3).with(at, (draw(2, other, 1) as [Tensor])[0]) as [Tensor, Tensor, Tensor];
    const [a, b, c] = tensors;
    const fake = () => fakeScoreLoss({ prediction: a, generated: b, noise: c, level }, { predicts: "eps" });
    for (const call of [...both({ generated: a, teacher: b, fake: c }), fake])
      expectSidError("shape-mismatch", call, /never broadcast/);
  }),
);

test.prop([notFinite])("an alpha that is not finite", (alpha) =>
  free(() => {
    for (const call of both(inputsOf(1, [2, 2]), { alpha })) expectSidError("not-finite", call, /alpha/);
  }),
);

test("weights that need a level, an unknown weight, an unknown reduction", () =>
  free(() => {
    const inputs = inputsOf(1, [2, 2]);
    for (const weight of ["snr", "one-minus-sigma"] as const) {
      for (const call of both(inputs, { weight })) expectSidError("invalid-argument", call, /needs the noise level/);
      for (const call of both(inputs, { weight, level: { alpha: [1], sigma: [1] } }))
        expectSidError("shape-mismatch", call, /one number per sample/);
    }
    for (const call of both(inputs, { weight: "snr", level: { alpha: [1, 1], sigma: [1, 0] } }))
      expectSidError("out-of-range", call, /sample 1/);
    for (const call of both(inputs, { weight: "l2" as "l1" })) expectSidError("invalid-argument", call, /weight/);
    for (const call of both(inputs, { reduction: "max" as "sum" }))
      expectSidError("invalid-argument", call, /reduction/);
  }));

test("a weight function that returns something else", () =>
  free(() => {
    const inputs = inputsOf(1, [2, 3]);
    for (const weight of [
      () => tensor1d([1, 2, 3]),
      () => tensor(1),
      ({ generated }: LossInputs) => max(generated, 1, true),
    ])
      for (const call of both(inputs, { weight: weight as LossWeight & object }))
        expectSidError("shape-mismatch", call, /must return \[2\]/);
    for (const call of both(inputs, { weight: (() => 1) as never })) expectSidError("invalid-argument", call, /tensor/);
  }));

test("a valid that does not fit", () =>
  free(() => {
    const inputs = inputsOf(1, [2, 3]);
    for (const valid of [tensor1d([1]), tensor2d([[1], [1]]) as never])
      for (const call of both(inputs, { valid })) expectSidError("shape-mismatch", call, /valid must be \[2\]/);
    for (const call of both(inputs, { valid: [1, 1] as never })) expectSidError("invalid-argument", call, /valid/);
  }));

test("the fake score's options", () =>
  free(() => {
    const [prediction, generated, noise] = draw(1, [2, 3], 3) as [Tensor, Tensor, Tensor];
    const inputs = { prediction, generated, noise, level };
    const clean = { ...inputs, level: { alpha: [1, 1], sigma: [1, 0] } };
    expectSidError("invalid-argument", () => fakeScoreLoss(inputs, { predicts: "noise" as "eps" }), /one of/);
    expectSidError(
      "invalid-argument",
      () => fakeScoreLoss(inputs, { predicts: "v", weight: "snr" as "eps" }),
      /weight/,
    );
    expectSidError("invalid-argument", () => fakeScoreLoss(inputs, { predicts: "v", reduction: "max" as "sum" }));
    expectSidError("invalid-argument", () => fakeScoreLoss({ ...inputs, level: null as never }, { predicts: "v" }));
    for (const predicts of ["x0", "score"] as const)
      expectSidError("out-of-range", () => fakeScoreLoss(clean, { predicts }), /^fakeScoreLoss.*sigma is 0.*sample 1/);
    expectSidError("out-of-range", () => fakeScoreLoss(clean, { predicts: "score", weight: "none" }), /sample 1/);
  }));
