import { fc, test } from "@fast-check/vitest";
import { gather, mul, type Tensor, tensor, tensor1d, tensor2d } from "@tensorflow/tfjs-core";
import { describe, expect } from "vitest";
import { vjp } from "../../src/core";
import {
  adversarialLoss,
  discriminatorLoss,
  type FDivergenceName,
  fDivergences,
  fDivergenceWeights,
  type LossInputs,
  type LossWeight,
  type SidCotangents,
  type SimDistance,
  type SimLossOptions,
  type StoppedGradientOptions,
  sidCotangents,
  sidLoss,
  simCotangents,
  simLoss,
  stoppedGradientCotangent,
  stoppedGradientLoss,
} from "../../src/losses";
import { expectSidError } from "../support/errors";
import { expectClose, numbers } from "../support/matchers";
import { draw, free, levels, seeds, shapes } from "../support/values";

const batches = shapes.chain((shape) => fc.tuple(fc.constant(shape), levels(shape[0] as number)));
const reductions = fc.constantFrom("sum" as const, "mean" as const);
const weights = fc.constantFrom<LossWeight>(
  "none",
  "l1",
  "alpha-l1",
  "alpha-sigma",
  "alpha-squared-sigma",
  "alpha-over-sigma",
  "one-minus-sigma-squared",
  "inverse-sigma",
  "inverse-sigma-squared",
);

function inputsOf(seed: number, shape: readonly number[]): LossInputs {
  const [generated, teacher, fake] = draw(seed, shape, 3) as [Tensor, Tensor, Tensor];
  return { generated, teacher, fake };
}

/** One sample of the golden values: z = (.3, −.8, .5), ε = (−.4, .6, 1.1) at a = .8, s = .6. */
const sample = (guidance = 1): LossInputs => {
  const [cond, uncond] = [
    [0.3742992874, -0.3139667458, 1.360807601],
    [0.1472, -0.2112, 1.136],
  ] as const;
  const teacher = cond.map((x, i) => (uncond[i] as number) + guidance * (x - (uncond[i] as number)));
  return {
    generated: tensor2d([[0.53, -0.78, 0.95]]),
    teacher: tensor2d([teacher]),
    fake: tensor2d([[0.2204795487, -0.1935401975, 1.3386459803]]),
  };
};
const level = { alpha: [0.8], sigma: [0.6] };

describe("stoppedGradientLoss", () => {
  test.prop([seeds, batches, weights, reductions, fc.constantFrom(undefined, 0.001, 1)])(
    "its gradient is the closed cotangent, and nothing flows into the networks' predictions",
    (seed, [shape, at], weight, reduction, huber) =>
      free(() => {
        const { generated, teacher, fake } = inputsOf(seed, shape);
        const options = { weight, reduction, level: at, huber };
        const [gradient] = vjp(
          (x) => stoppedGradientLoss({ generated: x, teacher, fake }, options),
          [generated],
          tensor(1),
        );
        expectClose(gradient as Tensor, stoppedGradientCotangent({ generated, teacher, fake }, options), 1e-6);
        for (const name of ["teacher", "fake"] as const)
          expectSidError("invalid-argument", () =>
            vjp((x) => stoppedGradientLoss({ generated, teacher, fake, [name]: x }, options), [x0(shape)], tensor(1)),
          );
      }),
  );

  test.prop([seeds, batches, weights])(
    "where both predictions agree nothing moves (Q10)",
    (seed, [shape, at], weight) =>
      free(() => {
        const { generated, teacher } = inputsOf(seed, shape);
        const g = stoppedGradientCotangent({ generated, teacher, fake: teacher }, { weight, level: at });
        for (const value of numbers(g)) expect(value).toBeCloseTo(0, 12);
      }),
  );

  test.prop([seeds, batches, weights])("samples that do not count are exactly 0", (seed, [shape, at], weight) =>
    free(() => {
      const inputs = inputsOf(seed, shape);
      const count = shape[0] as number;
      const valid = tensor1d(Array.from({ length: count }, (_, i) => (i === 0 ? 0 : 1)));
      const spoilt = { ...inputs, generated: mul(inputs.generated, Number.NaN) };
      const kept = stoppedGradientCotangent(inputs, { weight, level: at, valid });
      const all = stoppedGradientCotangent(inputs, { weight, level: at });
      const rest = tensor1d(
        Array.from({ length: count - 1 }, (_, i) => i + 1),
        "int32",
      );
      expectClose(gather(kept, rest), gather(all, rest), 1e-6);
      for (const value of numbers(gather(kept, tensor1d([0], "int32")))) expect(value).toBe(0);
      const none = tensor1d(Array<number>(count).fill(0));
      for (const value of numbers(stoppedGradientCotangent(spoilt, { weight, level: at, valid: none })))
        expect(value).toBe(0);
    }),
  );

  test.each<[string, number, StoppedGradientOptions, number[]]>([
    ["Diff-Instruct", 1, {}, [-0.1538197388, 0.1204265484, -0.0221616207]],
    ["VSD, κ 7.5", 7.5, { weight: "alpha-sigma" }, [-0.7823832513, 0.3784369903, -0.7120372929]],
    ["DMD, eq. 7 and 8", 1, { weight: "alpha-l1" }, [-0.3575326985, 0.2799148481, -0.0515116208]],
    ["DMD2", 1, { weight: "l1" }, [-0.4469158731, 0.3498935602, -0.064389526]],
    ["DMD2, κ 1.75", 1.75, { weight: "l1" }, [-0.9892546414, 0.6027545135, -0.5822021669]],
    ["TDM's distance", 1, { weight: "l1", huber: 1e-3 }, [-2.9053906391, 2.9053518707, -2.9024986642]],
  ])("one sample's g is that of %s", (_, kappa, options, wanted) =>
    free(() => {
      expectClose(stoppedGradientCotangent(sample(kappa), { level, ...options }), wanted, 1e-6);
    }),
  );

  test.each<[number, number[]]>([
    [1, [0.074736342, -0.223695962, -0.1971876485]],
    [100, [-10.7170217957, 4.6597798005, -10.8800448456]],
  ])("SDS at κ %d: x_g in the place of the fake score", (kappa, wanted) =>
    free(() => {
      const { generated, teacher } = sample(kappa);
      const inputs = { generated, teacher, fake: generated };
      expectClose(stoppedGradientCotangent(inputs, { weight: "alpha-sigma", level }), wanted, 2e-6);
    }),
  );

  test("CSD: the teacher without and with the text", () =>
    free(() => {
      const inputs = { ...sample(1), fake: sample(0).teacher };
      const wanted = [-0.109007658, 0.049328038, -0.1079076485];
      expectClose(stoppedGradientCotangent(inputs, { weight: "alpha-sigma", level }), wanted, 1e-6);
    }));

  test("bad options are refused", () =>
    free(() => {
      expectSidError("out-of-range", () => stoppedGradientLoss(sample(), { huber: -1 }), /huber/);
      expectSidError("invalid-argument", () => stoppedGradientLoss(sample(), { weight: "alpha-l1" }), /noise level/);
      const clean = { alpha: [1], sigma: [0] };
      expectSidError(
        "out-of-range",
        () => stoppedGradientLoss(sample(), { weight: "inverse-sigma", level: clean }),
        /infinite.*sample 0/,
      );
    }));
});

describe("the weights of SiD-DiT", () => {
  test.each<[LossWeight, number]>([
    ["one-minus-sigma", -0.06264152],
    ["one-minus-sigma-squared", -0.1096226599 * (0.8 / 1.4) ** 2],
    ["inverse-sigma", (-0.1096226599 * 1.4) / 0.6],
    ["inverse-sigma-squared", -0.1096226599 * (1.4 / 0.6) ** 2],
    ["alpha-over-sigma", (-0.1096226599 * 0.8) / 0.6],
    ["snr", (-0.1096226599 * 0.64) / 0.36],
    ["l1", -0.3185033805],
  ])("%s", (weight, wanted) =>
    free(() => {
      expectClose(sidLoss(sample(), { weight, level }), [wanted], 1e-6);
    }),
  );
});

describe("simLoss", () => {
  const distances = fc.constantFrom<SimDistance>("squared", { huber: 0.5 }, { huber: 0 }, (y) => mul(y, 3));
  const at = ({ generated, teacher, fake }: LossInputs) => [generated, teacher, fake];
  const tape = (inputs: LossInputs, options: SimLossOptions) =>
    vjp(
      (...[generated, teacher, fake]) => simLoss({ generated, teacher, fake } as LossInputs, options),
      at(inputs),
      tensor(1),
    );

  test.prop([seeds, batches, reductions])(
    "squared, it is twice SiD at α = 1: values and all cotangents",
    (seed, [shape], reduction) =>
      free(() => {
        const inputs = inputsOf(seed, shape);
        const options = { weight: "none", reduction } as const;
        expectClose(simLoss(inputs, { reduction }), mul(sidLoss(inputs, options), 2), 1e-5);
        const [sim, sid] = [simCotangents(inputs, { reduction }), sidCotangents(inputs, options)];
        for (const name of ["generated", "teacher", "fake"] as const) expectClose(sim[name], mul(sid[name], 2), 1e-5);
      }),
  );

  test.prop([seeds, batches, distances, weights, reductions])(
    "cotangents are the tape's gradient",
    (seed, [shape, noiseLevel], distance, weight, reduction) =>
      free(() => {
        const inputs = inputsOf(seed, shape);
        const options = { distance, weight, reduction, level: noiseLevel };
        const closed = simCotangents(inputs, options);
        const [generated, teacher, fake] = tape(inputs, options) as [Tensor, Tensor, Tensor];
        expectClose(closed.generated, generated, 1e-6);
        expectClose(closed.teacher, teacher, 1e-6);
        expectClose(closed.fake, fake, 1e-6);
      }),
  );

  test.prop([seeds, batches])(
    "squared is the distance whose slope is 2y, and a slope's scale is the loss's",
    (seed, [shape]) =>
      free(() => {
        const inputs = inputsOf(seed, shape);
        expectClose(simLoss(inputs, { distance: (y) => mul(y, 2) }), simLoss(inputs), 1e-6);
        expectClose(simLoss(inputs, { distance: (y) => mul(y, 6) }), mul(simLoss(inputs), 3), 1e-5);
      }),
  );

  test("one sample's loss", () =>
    free(() => {
      expectClose(simLoss(sample(), { distance: { huber: 0.5 } }), [-0.2040381575], 1e-6);
    }));

  test("one tensor in two places gets each place's gradient", () =>
    free(() => {
      const { teacher, fake } = sample();
      const [same, apart] = [fake, mul(fake, 1)].map((generated) => simCotangents({ generated, teacher, fake }));
      for (const name of ["generated", "teacher", "fake"] as const)
        expectClose((same as SidCotangents)[name], (apart as SidCotangents)[name], 1e-7);
    }));

  test("equal fields and c = 0 give zeros, not NaN", () =>
    free(() => {
      const { generated, teacher } = sample();
      const cotangents = simCotangents({ generated, teacher, fake: teacher }, { distance: { huber: 0 } });
      for (const value of numbers(cotangents.generated)) expect(value).toBe(0);
      for (const value of numbers(cotangents.fake)) expect(value).not.toBeNaN();
    }));

  test("bad distances are refused", () =>
    free(() => {
      expectSidError("out-of-range", () => simLoss(sample(), { distance: { huber: -1 } }), /huber/);
      expectSidError("invalid-argument", () => simLoss(sample(), { distance: "cubed" as "squared" }), /squared/);
      expectSidError("shape-mismatch", () => simLoss(sample(), { distance: () => tensor1d([1]) }), /distance/);
    }));
});

describe("fDivergenceWeights", () => {
  const byHand: Readonly<Record<FDivergenceName, (r: number) => number>> = {
    "reverse-kl": () => 1,
    "forward-kl": (r) => r,
    "jensen-shannon": (r) => r / (1 + r),
    "softened-reverse-kl": (r) => 1 / (1 + r),
    hellinger: Math.sqrt,
    jeffreys: (r) => 1 + r,
    neyman: (r) => 1 / r,
  };
  /** f of each, up to what is linear in r. */
  const f: Readonly<Record<FDivergenceName, (r: number) => number>> = {
    "reverse-kl": (r) => -Math.log(r),
    "forward-kl": (r) => r * Math.log(r),
    "jensen-shannon": (r) => r * Math.log(r) - (1 + r) * Math.log((1 + r) / 2),
    "softened-reverse-kl": (r) => (1 + r) * Math.log((1 + r) / r),
    hellinger: (r) => 4 * (1 - Math.sqrt(r)),
    jeffreys: (r) => (r - 1) * Math.log(r),
    neyman: (r) => (1 - r) ** 2 / (2 * r),
  };

  test.prop([fc.constantFrom(...fDivergences), fc.double({ min: -2, max: 2.9, noNaN: true })])(
    "h(r) is r²·f″(r)",
    (divergence, logit) =>
      free(() => {
        const r = Math.exp(logit);
        const [h] = numbers(fDivergenceWeights({ logit: tensor1d([logit]) }, { divergence }));
        const step = 1e-3 * r;
        const second = (f[divergence](r + step) - 2 * f[divergence](r) + f[divergence](r - step)) / step ** 2;
        expect(h).toBeCloseTo(byHand[divergence](r), 4);
        expect(Math.abs((h as number) - r * r * second)).toBeLessThan(1e-4 * Math.max(1, h as number));
      }),
  );

  test("a batch in one bin, both normalisations, as the official code has it", () =>
    free(() => {
      const logit = tensor1d([1.0471755426, Math.log(0.5)]);
      const weights = fDivergenceWeights({ logit, bins: [3, 3] }, { normalize: true });
      expectClose(weights, [1.4651657984, 0.5348295491], 1e-6);
    }));

  test("samples that do not count enter no mean and weigh 0, whatever they hold", () =>
    free(() => {
      const options = { divergence: "forward-kl", normalize: true } as const;
      const [logit, bins] = [tensor1d([0.3, Number.NaN, -0.7, 1.1]), [2, 2, 2, 5]];
      const kept = fDivergenceWeights({ logit, bins, valid: tensor1d([1, 0, 1, 1]) }, options);
      const alone = numbers(fDivergenceWeights({ logit: tensor1d([0.3, -0.7, 1.1]), bins: [2, 2, 5] }, options));
      expectClose(kept, [alone[0] as number, 0, alone[1] as number, alone[2] as number], 1e-6);
      const none = fDivergenceWeights({ logit, bins, valid: tensor1d([0, 0, 0, 0]) }, options);
      expect(numbers(none)).toEqual([0, 0, 0, 0]);
    }));

  test("ratios are clipped, unless told otherwise; bins do not see each other", () =>
    free(() => {
      const logit = tensor1d([-50, 50, 0]);
      const options = { divergence: "forward-kl" } as const;
      expectClose(fDivergenceWeights({ logit }, options), [0.1, 20, 1], 1e-6);
      const near = tensor1d([Math.log(50), 0]);
      expectClose(fDivergenceWeights({ logit: near }, { ...options, clip: null }), [50, 1], 1e-4);
      expectClose(fDivergenceWeights({ logit, bins: [0, 0, 1] }, options), [0.1 / 10.05, 20 / 10.05, 1], 1e-6);
    }));

  test("one's own divergence, and what is none", () =>
    free(() => {
      const logit = tensor1d([0]);
      const wrong = () => tensor1d([1, 2]);
      expectSidError("shape-mismatch", () => fDivergenceWeights({ logit }, { divergence: wrong }), /h\(r\)/);
      expectClose(fDivergenceWeights({ logit }, { divergence: (r) => mul(r, 2) }), [2], 1e-6);
      expectSidError(
        "invalid-argument",
        () => fDivergenceWeights({ logit }, { divergence: "kl" as "neyman" }),
        /one of/,
      );
      expectSidError("out-of-range", () => fDivergenceWeights({ logit }, { clip: [0, 1] }), /clip/);
      expectSidError("shape-mismatch", () => fDivergenceWeights({ logit, bins: [1, 2] }), /bins/);
    }));
});

describe("the adversarial losses", () => {
  test.prop([fc.array(fc.double({ min: -9, max: 9, noNaN: true }), { minLength: 1, maxLength: 6 })])(
    "are binary cross entropies",
    (logits) =>
      free(() => {
        const x = tensor1d(logits);
        const mean = (f: (logit: number) => number) => logits.reduce((all, l) => all + f(l), 0) / logits.length;
        const real = mean((l) => Math.log1p(Math.exp(-l)));
        const fake = mean((l) => Math.log1p(Math.exp(l)));
        expectClose(adversarialLoss(x), [real], 1e-5);
        expectClose(discriminatorLoss({ generated: x, real: x }), [real + fake], 1e-5);
      }),
  );

  test("beyond ±10 a logit counts no further", () =>
    free(() => {
      expectClose(adversarialLoss(tensor1d([-1e4])), adversarialLoss(tensor1d([-10])), 0);
    }));
});

const x0 = (shape: readonly number[]) => tensor(Array<number>(shape.reduce((p, q) => p * q, 1)).fill(1), [...shape]);
