import { fc, test } from "@fast-check/vitest";
import {
  add,
  gather,
  mean,
  mul,
  square,
  sub,
  type Tensor,
  type Tensor1D,
  tensor,
  tensor1d,
  tensor2d,
} from "@tensorflow/tfjs-core";
import { describe, expect } from "vitest";
import { type PredictionType, vjp } from "../../src/core";
import {
  fakeScoreLoss,
  type LossInputs,
  type LossWeight,
  type SidLossOptions,
  sidCotangents,
  sidLoss,
} from "../../src/losses";
import { addNoise, convertPrediction, predictionTarget } from "../../src/predict";
import { expectClose, numbers } from "../support/matchers";
import { draw, free, levels, seeds, shapes } from "../support/values";

const types: readonly PredictionType[] = ["eps", "x0", "v", "score", "flow"];
const batches = shapes.chain((shape) => fc.tuple(fc.constant(shape), levels(shape[0] as number)));
const alphas = fc.oneof(fc.constantFrom(0, 0.5, 1, 1.2), fc.double({ min: -2, max: 3, noNaN: true }));
const reductions = fc.constantFrom("sum" as const, "mean" as const);

/** A weight of one's own that depends on all three inputs: it must still count as a constant. */
const own = ({ generated, teacher, fake }: LossInputs) => {
  const axes = generated.shape.map((_, i) => i).slice(1);
  const each = add(square(sub(generated, fake)), square(teacher));
  return add(axes.length > 0 ? mean(each, axes) : each, 0.5) as Tensor1D;
};
const weights = fc.constantFrom<LossWeight>("l1", "none", "snr", "one-minus-sigma", own);

function inputsOf(seed: number, shape: readonly number[]): LossInputs {
  const [generated, teacher, fake] = draw(seed, shape, 3) as [Tensor, Tensor, Tensor];
  return { generated, teacher, fake };
}

/** The tape's gradient of sidLoss in all three inputs. */
function tape({ generated, teacher, fake }: LossInputs, options: SidLossOptions): Tensor[] {
  const loss = (...[x, y, z]: Tensor[]) =>
    sidLoss({ generated: x as Tensor, teacher: y as Tensor, fake: z as Tensor }, options);
  return vjp(loss, [generated, teacher, fake], tensor(1));
}

/** Row `i` as a batch of one. */
const row = (x: Tensor, i: number) => gather(x, tensor1d([i], "int32"));

describe("sidLoss", () => {
  test.prop([seeds, batches, alphas, weights, reductions])(
    "closed cotangents are the tape's gradient",
    (seed, [shape, level], alpha, weight, reduction) =>
      free(() => {
        const inputs = inputsOf(seed, shape);
        const options = { alpha, weight, reduction, level };
        const closed = sidCotangents(inputs, options);
        const [generated, teacher, fake] = tape(inputs, options) as [Tensor, Tensor, Tensor];
        expectClose(closed.generated, generated, 1e-5);
        expectClose(closed.teacher, teacher, 1e-5);
        expectClose(closed.fake, fake, 1e-5);
      }),
  );

  test.prop([seeds, batches, alphas, weights])(
    "samples do not see each other: a batch's loss is the mean of its samples' losses",
    (seed, [shape, level], alpha, weight) =>
      free(() => {
        const inputs = inputsOf(seed, shape);
        const each = level.alpha.map((a, i) => {
          const sample = {
            generated: row(inputs.generated, i),
            teacher: row(inputs.teacher, i),
            fake: row(inputs.fake, i),
          };
          const at = { alpha: [a], sigma: [level.sigma[i] as number] };
          return numbers(sidLoss(sample, { alpha, weight, level: at }))[0] as number;
        });
        const scale = Math.max(...each.map(Math.abs));
        const difference =
          (numbers(sidLoss(inputs, { alpha, weight, level }))[0] as number) -
          each.reduce((a, b) => a + b, 0) / each.length;
        expect(Math.abs(difference)).toBeLessThanOrEqual(1e-5 * scale);
      }),
  );

  test.prop([seeds, batches, alphas, weights])(
    "a mean is a sum over the elements",
    (seed, [shape, level], alpha, weight) =>
      free(() => {
        const inputs = inputsOf(seed, shape);
        const size = shape.slice(1).reduce((a, b) => a * b, 1);
        const sums = sidCotangents(inputs, { alpha, weight, level });
        const means = sidCotangents(inputs, { alpha, weight, level, reduction: "mean" });
        for (const name of ["generated", "teacher", "fake"] as const)
          expectClose(mul(means[name], size), sums[name], 1e-5);
      }),
  );

  test.prop([seeds, shapes, alphas])(
    "where teacher and fake agree, the generator's own cotangent is 0",
    (seed, shape, alpha) =>
      free(() => {
        const { generated, teacher } = inputsOf(seed, shape);
        const inputs = { generated, teacher, fake: teacher };
        expect(numbers(sidLoss(inputs, { alpha }))[0]).toBe(0);
        const cotangents = sidCotangents(inputs, { alpha });
        for (const value of numbers(cotangents.generated)) expect(value).toBeCloseTo(0, 12);
        // What flows back through equal networks at equal inputs cancels as well (P7).
        for (const value of numbers(add(cotangents.teacher, cotangents.fake))) expect(value).toBeCloseTo(0, 6);
      }),
  );

  test("the numbers of a small case, by hand", () =>
    free(() => {
      const inputs = {
        generated: tensor2d([
          [0, 1],
          [2, 2],
        ]),
        teacher: tensor2d([
          [1, 3],
          [2, 0],
        ]),
        fake: tensor2d([
          [2, 1],
          [0, 0],
        ]),
      };
      // δ = (−1, 2), (2, 0); f_φ − x_g = (1, 2), (0, −2); ω = 1/1.5, 1/1.
      expectClose(sidLoss(inputs), [((-1 * 2 + 2 * 0) / 1.5 + 2 * -2) / 2], 1e-6);
      expectClose(sidLoss(inputs, { alpha: 0.5, weight: "none" }), [(-1 * 1.5 + 2 * 1 + 2 * -1) / 2], 1e-6);
      const level = { alpha: [0.8, 1], sigma: [0.6, 4] };
      expectClose(sidLoss(inputs, { level, weight: "snr" }), [((-2 * 16) / 9 + -4 / 16) / 2], 1e-6);
      expectClose(sidLoss(inputs, { level, weight: "one-minus-sigma" }), [((-2 * 0.8) / 1.4 + -4 / 5) / 2], 1e-6);
      expectClose(sidLoss(inputs, { weight: () => tensor1d([3, 5]) }), [(3 * -2 + 5 * -4) / 2], 1e-6);
    }));

  test("the L1 weight is at most 1e5", () =>
    free(() => {
      const inputs = { generated: tensor2d([[1, 2]]), teacher: tensor2d([[1, 2]]), fake: tensor2d([[1, 1]]) };
      expectClose(sidCotangents(inputs).generated, tensor2d([[0, -1e5]]), 1e-6);
      expectClose(tape(inputs, {})[0] as Tensor, tensor2d([[0, -1e5]]), 1e-6);
    }));

  test("the answer is independent of coordinates' scale: 1 − σ is that of rectified flow", () =>
    free(() => {
      const inputs = inputsOf(9, [2, 3]);
      const flow = { alpha: [0.7, 0.2], sigma: [0.3, 0.8] };
      const edm = { alpha: [1, 1], sigma: [0.3 / 0.7, 4] };
      for (const weight of ["snr", "one-minus-sigma"] as const)
        expectClose(sidLoss(inputs, { weight, level: edm }), sidLoss(inputs, { weight, level: flow }), 1e-5);
    }));
});

describe("fakeScoreLoss", () => {
  test.prop([seeds, batches, fc.constantFrom(...types), reductions])(
    "weighted like ε, it is the ε loss whatever is predicted",
    (seed, [shape, level], predicts, reduction) =>
      free(() => {
        const [generated, noise, eps] = draw(seed, shape, 3) as [Tensor, Tensor, Tensor];
        const xt = addNoise({ x0: generated, noise, level });
        const prediction = convertPrediction({ prediction: eps, xt, level, predicts: "eps", to: predicts });
        const loss = fakeScoreLoss({ prediction, generated, noise, level }, { predicts, reduction });
        const expected = fakeScoreLoss({ prediction: eps, generated, noise, level }, { predicts: "eps", reduction });
        expectClose(loss, expected, 1e-4);
      }),
  );

  test.prop([seeds, batches, fc.constantFrom(...types)])(
    "unweighted, it is the squared distance to the target, and its gradient twice the difference",
    (seed, [shape, level], predicts) =>
      free(() => {
        const [prediction, generated, noise] = draw(seed, shape, 3) as [Tensor, Tensor, Tensor];
        const error = sub(prediction, predictionTarget({ x0: generated, noise, level, predicts }));
        const batch = shape[0] as number;
        const loss = (p: Tensor) =>
          fakeScoreLoss({ prediction: p, generated, noise, level }, { predicts, weight: "none" });
        const squares = numbers(error).reduce((total, e) => total + e * e, 0);
        expectClose(loss(prediction), [squares / batch], 1e-5);
        expectClose(vjp(loss, [prediction], tensor(1))[0] as Tensor, mul(error, 2 / batch), 1e-5);
      }),
  );

  test.prop([seeds, batches, fc.constantFrom(...types)])(
    "a perfect prediction costs nothing",
    (seed, [shape, level], predicts) =>
      free(() => {
        const [generated, noise] = draw(seed, shape, 2) as [Tensor, Tensor];
        const prediction = predictionTarget({ x0: generated, noise, level, predicts });
        expect(numbers(fakeScoreLoss({ prediction, generated, noise, level }, { predicts }))[0]).toBe(0);
      }),
  );

  test("the weights, by hand: SNR, SNR/(SNR + 1), σ² and α²", () =>
    free(() => {
      const inputs = (target: number, alpha: number, sigma: number) => ({
        prediction: tensor2d([[target + 2]]),
        generated: tensor2d([[0]]),
        noise: tensor2d([[0]]),
        level: { alpha: [alpha], sigma: [sigma] },
      });
      const loss = (predicts: PredictionType, alpha: number, sigma: number) =>
        numbers(fakeScoreLoss(inputs(0, alpha, sigma), { predicts }))[0];
      expect(loss("eps", 0.8, 0.6)).toBe(4);
      expect(loss("x0", 0.8, 0.6)).toBeCloseTo((4 * 16) / 9, 5);
      expect(loss("v", 0.8, 0.6)).toBeCloseTo((4 * (16 / 9)) / (16 / 9 + 1), 5);
      expect(loss("score", 0.8, 0.6)).toBeCloseTo(4 * 0.36, 5);
      expect(loss("flow", 0.75, 0.25)).toBeCloseTo((4 * 9) / 16, 5);
    }));

  test("at zero terminal SNR, v and x0 weigh nothing and nothing is NaN", () =>
    free(() => {
      const [prediction, generated, noise] = draw(3, [1, 4], 3) as [Tensor, Tensor, Tensor];
      const inputs = { prediction, generated, noise, level: { alpha: [0], sigma: [1] } };
      for (const predicts of ["v", "x0"] as const) expect(numbers(fakeScoreLoss(inputs, { predicts }))[0]).toBe(0);
    }));
});
