import { fc, test } from "@fast-check/vitest";
import { mul, slice, type Tensor, type Tensor1D, tensor, tensor1d, tensor2d } from "@tensorflow/tfjs-core";
import { describe, expect } from "vitest";
import { type PredictionType, vjp } from "../../src/core";
import {
  cleanGradients,
  fakeScoreLoss,
  finiteSamples,
  type LossWeight,
  sidCotangents,
  sidLoss,
} from "../../src/losses";
import { expectSidError } from "../support/errors";
import { expectClose, numbers } from "../support/matchers";
import { draw, free, notFinite, seeds, shapes } from "../support/values";

/** The tensor with one element of each of these samples replaced. */
function spoil(x: Tensor, samples: readonly number[], value: number): Tensor {
  const size = x.size / (x.shape[0] as number);
  const values = numbers(x);
  for (const i of samples) values[i * size + (size >> 1)] = value;
  return tensor(values, x.shape, "float32");
}

const level = { alpha: [0.8, 0.6, 0.3], sigma: [0.6, 0.8, 0.9] };
const tail = { alpha: [0.6, 0.3], sigma: [0.8, 0.9] };
const shape = [3, 2, 2];
const rest = (x: Tensor) => slice(x, 1);

/** Fails unless sample 0 of a gradient is exactly 0 and the others are 2/3 of those of a batch of two. */
function expectLeft(gradient: Tensor, ofTheRest: Tensor): void {
  for (const value of numbers(slice(gradient, 0, 1))) expect(value === 0, String(value)).toBe(true);
  expectClose(rest(gradient), mul(ofTheRest, 2 / 3), 1e-5);
}

describe("samples that leave the batch", () => {
  const weights = fc.constantFrom<LossWeight>("l1", "none", "snr", "one-minus-sigma", ({ generated }) =>
    // 1/0 for a sample of zeros: a weight must not bring the sample back as NaN.
    tensor1d(numbers(generated).flatMap((x, i) => (i % 4 === 0 ? [1 / x] : []))),
  );

  test.prop([seeds, notFinite, weights, fc.constantFrom(0, 1, 2), fc.constantFrom("sum" as const, "mean" as const)])(
    "sidLoss: exactly 0, and nothing changes for the others but that the divisor stays B",
    (seed, value, weight, which, reduction) =>
      free(() => {
        const whole = draw(seed, shape, 3) as [Tensor, Tensor, Tensor];
        const spoilt = whole.map((x, i) => (i === which ? spoil(x, [0], value) : x)) as [Tensor, Tensor, Tensor];
        const options = { alpha: 0.7, weight, reduction };
        const left = { ...options, level, valid: finiteSamples(...spoilt) };
        const two = { ...options, level: tail };
        const loss = (...[generated, teacher, fake]: Tensor[]) =>
          sidLoss({ generated, teacher, fake } as never, generated?.shape[0] === 3 ? left : two);
        const ofTheRest = whole.map(rest);
        expectClose(loss(...spoilt), mul(loss(...ofTheRest), 2 / 3), 1e-4);
        const wanted = vjp(loss, ofTheRest, tensor(1));
        vjp(loss, spoilt, tensor(1)).forEach((gradient, i) => {
          expectLeft(gradient, wanted[i] as Tensor);
        });
        const [generated, teacher, fake] = spoilt;
        Object.values(sidCotangents({ generated, teacher, fake }, left)).forEach((gradient, i) => {
          expectLeft(gradient, wanted[i] as Tensor);
        });
      }),
  );

  test.prop([
    seeds,
    notFinite,
    fc.constantFrom<PredictionType>("eps", "x0", "v", "score", "flow"),
    fc.constantFrom(0, 1, 2),
    fc.constantFrom("sum" as const, "mean" as const),
  ])("fakeScoreLoss: the same", (seed, value, predicts, which, reduction) =>
    free(() => {
      const whole = draw(seed, shape, 3) as [Tensor, Tensor, Tensor];
      const [prediction, generated, noise] = whole.map((x, i) =>
        i === which ? spoil(x, [0], value) : x,
      ) as typeof whole;
      const valid = finiteSamples(prediction, generated, noise);
      const loss = (p: Tensor) =>
        fakeScoreLoss({ prediction: p, generated, noise, level }, { predicts, reduction, valid });
      const [restPrediction, restGenerated, restNoise] = whole.map(rest) as typeof whole;
      const others = { generated: restGenerated, noise: restNoise, level: tail };
      const wanted = (p: Tensor) => fakeScoreLoss({ prediction: p, ...others }, { predicts, reduction });
      expectClose(loss(prediction), mul(wanted(restPrediction), 2 / 3), 1e-5);
      const [gradient] = vjp(loss, [prediction], tensor(1)) as [Tensor];
      expectLeft(gradient, vjp(wanted, [restPrediction], tensor(1))[0] as Tensor);
    }),
  );

  test("without the mask, one bad sample spoils the loss", () =>
    free(() => {
      const [generated, teacher, fake] = draw(1, shape, 3) as [Tensor, Tensor, Tensor];
      const spoilt = spoil(generated, [0], Number.NaN);
      expect(numbers(sidLoss({ generated: spoilt, teacher, fake }))[0]).toBeNaN();
    }));

  test("a batch without any valid sample costs 0", () =>
    free(() => {
      const [generated, teacher, fake] = draw(1, shape, 3) as [Tensor, Tensor, Tensor];
      const valid = tensor1d([0, 0, 0]);
      expect(numbers(sidLoss({ generated, teacher, fake }, { valid }))[0]).toBe(0);
    }));
});

describe("finiteSamples", () => {
  test.prop([seeds, shapes, notFinite, fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }), fc.nat(2)])(
    "marks exactly the samples that are finite everywhere",
    (seed, shape, value, bad, which) =>
      free(() => {
        const batch = shape[0] as number;
        const samples = bad.flatMap((is, i) => (is && i < batch ? [i] : []));
        const tensors = draw(seed, shape, 3);
        tensors[which] = spoil(tensors[which] as Tensor, samples, value);
        const wanted = Array.from({ length: batch }, (_, i) => (samples.includes(i) ? 0 : 1));
        expect(numbers(finiteSamples(...tensors))).toEqual(wanted);
      }),
  );

  test("the shapes of one batch may differ", () =>
    free(() => {
      const [x] = draw(1, [2, 3], 1) as [Tensor];
      expect(numbers(finiteSamples(x, tensor1d([Number.NaN, 1])))).toEqual([0, 1]);
    }));

  test("large numbers are finite", () =>
    free(() => expect(numbers(finiteSamples(tensor2d([[3e38, -3e38, 3e38]])))).toEqual([1])));

  test("bad input", () =>
    free(() => {
      const [x, y] = [...draw(1, [2, 3], 1), ...draw(1, [3, 2], 1)] as [Tensor, Tensor];
      expectSidError("invalid-argument", () => finiteSamples(), /none/);
      expectSidError("shape-mismatch", () => finiteSamples(x, y), /batch sizes must agree.*\[2, 3\].*\[3, 2\]/);
      expectSidError("shape-mismatch", () => finiteSamples(tensor(1)), /float32/);
      expectSidError("shape-mismatch", () => finiteSamples(tensor1d([1], "int32")), /int32/);
      expectSidError("invalid-argument", () => finiteSamples([1] as unknown as Tensor1D), /tensor/);
    }));
});

describe("cleanGradients", () => {
  const odd = fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 3e38, -2e5, 0);
  const element = fc.oneof(odd, fc.float({ noNaN: true, noDefaultInfinity: true }));

  test.prop([fc.array(fc.array(element, { minLength: 1, maxLength: 9 }), { maxLength: 3 })])(
    "NaN becomes 0, ±∞ becomes ±1e5, and everything else stays",
    (gradients) =>
      free(() => {
        const clean = cleanGradients(gradients.map((values) => tensor1d(values, "float32")));
        expect(clean.map((g) => numbers(g))).toEqual(
          gradients.map((values) =>
            [...Float32Array.from(values)].map((x) =>
              Number.isNaN(x) ? 0 : Number.isFinite(x) ? expect.closeTo(x, 30) : Math.sign(x) * 1e5,
            ),
          ),
        );
      }),
  );

  test("shapes stay, and the gradients themselves are only borrowed", () =>
    free(() => {
      const [x, y] = [...draw(1, [2, 3], 1), ...draw(1, [3, 2, 2], 1)] as [Tensor, Tensor];
      const clean = cleanGradients([x, y]);
      expect(clean.map((g) => g.shape)).toEqual([x.shape, y.shape]);
      for (const g of clean) g.dispose();
      expect([...numbers(x), ...numbers(y)]).toHaveLength(18);
      expect(cleanGradients([])).toEqual([]);
    }));

  test("bad input", () => {
    expectSidError("invalid-argument", () => cleanGradients([null as unknown as Tensor]), /gradient 0/);
    const gone = tensor1d([1]);
    gone.dispose();
    expectSidError("invalid-argument", () => cleanGradients([gone]), /disposed/);
  });
});
