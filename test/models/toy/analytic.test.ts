import { fc, test } from "@fast-check/vitest";
import { memory, type Tensor, tensor2d, tidy } from "@tensorflow/tfjs-core";
import { describe, expect } from "vitest";
import { type PredictionType, randomStream, SidError } from "../../../src/core";
import { gaussianMixtureModel, gaussianModel } from "../../../src/models";
import { convertPrediction, noiseLevel } from "../../../src/predict";
import { ddpmSchedule, edmSchedule, flowSchedule, type NoiseSchedule } from "../../../src/schedules";
import { scoreModelContract } from "../../contracts/score-model-contract";
import { expectClose, numbers } from "../../support/matchers";

const vp = ddpmSchedule();
const types: PredictionType[] = ["eps", "x0", "v", "score", "flow"];
const law = { mean: [0.5, -0.3, 1], variance: [0.49, 0.2, 1.5] };
const mixture = {
  weights: [1, 3, 2],
  means: [
    [-1, 0.5],
    [0.8, -0.2],
    [0.3, 1.5],
  ],
  variances: [0.05, [0.2, 0.4], 0.1],
};

scoreModelContract("gaussianModel", {
  make: () => gaussianModel({ ...law, schedule: vp }),
  sampleShape: [3],
  t: [20, 400, 979],
});
scoreModelContract("gaussianModel of images", {
  make: () =>
    gaussianModel({ mean: [1, 2, 3, 4, 5, 6, 7, 8], variance: 0.3, schedule: flowSchedule(), predicts: "flow" }),
  sampleShape: [2, 2, 2],
  t: [0, 0.4, 1],
});
scoreModelContract("gaussianMixtureModel", {
  make: () => gaussianMixtureModel({ ...mixture, schedule: vp, predicts: "v" }),
  sampleShape: [2],
  t: [300, 600, 979],
});
scoreModelContract("gaussianMixtureModel with classes", {
  make: () => gaussianMixtureModel({ ...mixture, schedule: edmSchedule(), predicts: "eps" }),
  sampleShape: [2],
  t: [0.5, 1, 20],
  cond: (batch) => tensor2d(Array.from({ length: batch }, (_, i) => [0, 1, 2].map((k) => (k === i % 3 ? 1 : 0)))),
});

/** Numbers on a grid: they shrink in few steps. */
const between = (min: number, max: number) =>
  fc.integer({ min: 0, max: 256 }).map((i) => min + ((max - min) * i) / 256);

/** E[x0 | x_t] of a density in one dimension, by the midpoint rule. */
function posteriorMean(density: (x: number) => number, xt: number, alpha: number, sigma: number): number {
  let [mass, moment] = [0, 0];
  for (let x = -16; x < 16; x += 1 / 256) {
    const p = density(x) * Math.exp(-0.5 * ((xt - alpha * x) / sigma) ** 2);
    mass += p;
    moment += p * x;
  }
  return moment / mass;
}
const normal = (x: number, mean: number, variance: number) =>
  Math.exp(-0.5 * ((x - mean) ** 2 / variance)) / Math.sqrt(variance);

describe("exact posterior means", () => {
  test.prop({
    mean: between(-2, 2),
    variance: between(0.05, 2),
    xt: between(-3, 3),
    t: fc.integer({ min: 50, max: 999 }),
  })("a Gaussian's is that of numerical integration", ({ mean, variance, xt, t }) => {
    const y = tidy(() =>
      numbers(gaussianModel({ mean: [mean], variance, schedule: vp }).predict(tensor2d([[xt]]), [t])),
    );
    const wanted = posteriorMean((x) => normal(x, mean, variance), xt, vp.alpha(t), vp.sigma(t));
    expect(Math.abs((y[0] as number) - wanted)).toBeLessThan(3e-6 * (1 + Math.abs(wanted)));
  });

  test.prop({
    weights: fc.tuple(...[0, 1, 2].map(() => between(0.1, 1))),
    means: fc.tuple(...[0, 1, 2].map(() => between(-2, 2))),
    variances: fc.tuple(...[0, 1, 2].map(() => between(0.05, 1))),
    cond: fc.constantFrom<(number[] | undefined)[]>(undefined, [1, 0, 0], [0, 1, 0], [0.2, 0.3, 0.5], [4, 0, 4]),
    xt: between(-3, 3),
    t: fc.integer({ min: 100, max: 999 }),
  })("a mixture's is that of numerical integration, with and without a condition", (p) => {
    const w = p.cond ?? p.weights;
    const { weights, means, variances } = p;
    const model = gaussianMixtureModel({ weights, means: means.map((m) => [m]), variances, schedule: vp });
    const y = tidy(() => numbers(model.predict(tensor2d([[p.xt]]), [p.t], p.cond && tensor2d([p.cond]))));
    const density = (x: number) =>
      w.reduce((all, weight, k) => all + weight * normal(x, p.means[k] as number, p.variances[k] as number), 0);
    const wanted = posteriorMean(density, p.xt, vp.alpha(p.t), vp.sigma(p.t));
    expect(Math.abs((y[0] as number) - wanted)).toBeLessThan(2e-5 * (1 + Math.abs(wanted)));
  });

  test("a mixture of one component is the Gaussian, far out in the tail too", () =>
    tidy(() => {
      const xt = tensor2d([
        [0.3, -0.2, 1],
        [400, -300, 200],
      ]);
      for (const predicts of types) {
        const one = gaussianModel({ ...law, schedule: vp, predicts }).predict(xt, [30, 500]);
        const options = { weights: [2], means: [law.mean], variances: [law.variance] };
        expectClose(gaussianMixtureModel({ ...options, schedule: vp, predicts }).predict(xt, [30, 500]), one, 1e-6);
      }
    }));

  test("a component of weight zero has no say, however near it is", () =>
    tidy(() => {
      const model = gaussianMixtureModel({ ...mixture, variances: [1e-4, 1e-4, 1e-4], schedule: vp });
      const near = gaussianModel({ mean: mixture.means[0] as number[], variance: 1e-4, schedule: vp });
      const xt = tensor2d([[0.8, -0.2]]);
      expectClose(model.predict(xt, [0], model.condition([0])), near.predict(xt, [0]), 1e-6);
    }));
});

describe("prediction types", () => {
  const schedules: [string, NoiseSchedule, number[]][] = [
    ["vp", vp, [100, 500, 900]],
    ["edm", edmSchedule(), [0.1, 1, 10]],
    ["flow", flowSchedule(), [0.1, 0.5, 0.9]],
  ];
  for (const [name, schedule, t] of schedules)
    test.prop({ from: fc.constantFrom(...types), to: fc.constantFrom(...types), seed: fc.nat(1000) }, { numRuns: 25 })(
      `what a model predicts and what its prediction converts to are one on ${name}`,
      ({ from, to, seed }) =>
        tidy(() => {
          const xt = randomStream(seed).normal([3, 2]);
          const predict = (predicts: PredictionType): Tensor =>
            gaussianMixtureModel({ ...mixture, schedule, predicts }).predict(xt, t);
          const converted = convertPrediction({
            prediction: predict(from),
            xt,
            level: noiseLevel(schedule, t),
            predicts: from,
            to,
          });
          expectClose(converted, predict(to), 1e-4);
        }),
    );

  test("at the clean end and at pure noise every prediction is finite", () =>
    tidy(() => {
      for (const predicts of types)
        for (const model of [
          gaussianModel({ ...law, schedule: flowSchedule(), predicts }),
          gaussianMixtureModel({
            weights: [1, 1],
            means: [law.mean, [0, 0, 0]],
            variances: [0.1, 0.2],
            schedule: flowSchedule(),
            predicts,
          }),
        ])
          expect(numbers(model.predict(randomStream(0).normal([2, 3]), [0, 1])).every(Number.isFinite)).toBe(true);
    }));
});

describe("samplers", () => {
  const moments = (x: number[], d: number) =>
    Array.from({ length: d }, (_, i) => {
      const column = x.filter((_, at) => at % d === i);
      const mean = column.reduce((a, b) => a + b, 0) / column.length;
      return [mean, column.reduce((a, b) => a + (b - mean) ** 2, 0) / column.length] as const;
    });

  test("a Gaussian's samples have its moments within five standard errors", () => {
    const n = 20_000;
    const model = gaussianModel({ ...law, schedule: vp });
    const x = tidy(() => numbers(model.sample(randomStream(3), n)));
    moments(x, 3).forEach(([mean, variance], i) => {
      const v = law.variance[i] as number;
      expect(Math.abs(mean - (law.mean[i] as number))).toBeLessThan(5 * Math.sqrt(v / n));
      expect(Math.abs(variance - v)).toBeLessThan(5 * v * Math.sqrt(2 / n));
    });
  });

  test("a mixture's components come by their weights and its samples from their component", () => {
    const n = 12_000;
    const model = gaussianMixtureModel({ ...mixture, schedule: vp });
    const k = model.components(randomStream(4), n);
    [1 / 6, 3 / 6, 2 / 6].forEach((p, i) => {
      const share = k.filter((one) => one === i).length / n;
      expect(Math.abs(share - p)).toBeLessThan(5 * Math.sqrt((p * (1 - p)) / n));
    });
    const x = tidy(() => numbers(model.sample(randomStream(5), Array<number>(n).fill(1))));
    const [first, second] = moments(x, 2);
    expect(Math.abs((first?.[0] ?? 9) - 0.8)).toBeLessThan(5 * Math.sqrt(0.2 / n));
    expect(Math.abs((second?.[1] ?? 9) - 0.4)).toBeLessThan(5 * 0.4 * Math.sqrt(2 / n));
  });

  test("conditions are one-hot, the marginal is the weights, and zero weight is never drawn", () =>
    tidy(() => {
      const model = gaussianMixtureModel({ ...mixture, weights: [0, 1, 0], schedule: vp });
      expect(numbers(model.condition([2, 0]))).toEqual([0, 0, 1, 1, 0, 0]);
      expect(model.marginal().shape).toEqual([1, 3]);
      expect(numbers(model.marginal())).toEqual([0, 1, 0]);
      expect(new Set(model.components(randomStream(0), 50))).toEqual(new Set([1]));
    }));
});

describe("bad input", () => {
  const notLaw = fc.oneof(
    fc.record({ mean: fc.constant([]), variance: fc.constant(1) }),
    fc.record({ mean: fc.constant([1, 2]), variance: fc.constant([1, 2, 3]) }),
    fc.record({ mean: fc.constant([1]), variance: fc.double({ max: 0, noNaN: true }) }),
    fc.record({ mean: fc.constantFrom([Number.NaN], [1, Number.POSITIVE_INFINITY]), variance: fc.constant(1) }),
    fc.record({ mean: fc.constantFrom(undefined, null, 3, "mean"), variance: fc.constant(1) }),
    fc.record({ mean: fc.constant([1]), variance: fc.constantFrom(undefined, null, "1", [], [Number.NaN]) }),
  );
  test.prop({ bad: notLaw })("what is no law is refused", ({ bad }) => {
    expect(() => gaussianModel({ ...(bad as unknown as typeof law), schedule: vp })).toThrow(SidError);
    const one = {
      weights: [1],
      means: [bad.mean as unknown as number[]],
      variances: [bad.variance as number],
      schedule: vp,
    };
    expect(() => gaussianMixtureModel(one)).toThrow(SidError);
  });

  test.prop({
    bad: fc.constantFrom(
      { weights: [1, 1] },
      { weights: [1, -1, 1] },
      { weights: [0, 0, 0] },
      { weights: [1, Number.NaN, 1] },
      { weights: undefined },
      { means: [[1], [1, 2], [3, 4]] },
      { means: undefined },
      { variances: [1] },
      { variances: undefined },
      { predicts: "noise" },
      { schedule: undefined },
      { name: "" },
    ),
  })("what is no mixture is refused", ({ bad }) => {
    expect(() => gaussianMixtureModel({ ...mixture, schedule: vp, ...(bad as object) })).toThrow(SidError);
  });

  test("samples of another size, conditions of another width, components that are not there", () =>
    tidy(() => {
      const one = gaussianModel({ ...law, schedule: vp });
      const many = gaussianMixtureModel({ ...mixture, schedule: vp });
      const before = memory().numTensors;
      const x = tensor2d([[1, 2, 3, 4]]);
      const calls = [
        () => one.predict(x, [5]),
        () => many.predict(x, [5]),
        () => one.sample(randomStream(0), 0),
        () => one.sample(randomStream(0), 1.5),
        () => many.sample(randomStream(0), [3]),
        () => many.sample(randomStream(0), []),
        () => many.condition([-1]),
        () => many.components(randomStream(0), Number.NaN),
      ];
      for (const call of calls) expect(call).toThrow(SidError);
      expect(memory().numTensors).toBe(before + 1);
      const xt = tensor2d([[1, 2]]);
      expect(() => many.predict(xt, [5], x)).toThrow(/weights of the components \[1, 3\], got \[1, 4\]/);
    }));
});
