import { fc, test } from "@fast-check/vitest";
import { add, memory, mul, type Tensor, tensor2d, tidy, variable } from "@tensorflow/tfjs-core";
import { describe, expect } from "vitest";
import { pullback, randomStream, SidError } from "../../src/core";
import {
  ddimSample,
  functionModel,
  gaussianMixtureModel,
  gaussianModel,
  generatorFrom,
  predictX0,
} from "../../src/models";
import { addNoise, noiseLevel } from "../../src/predict";
import { ddpmSchedule, edmSchedule, flowSchedule } from "../../src/schedules";
import { generatorContract } from "../contracts/generator-contract";
import { scoreModelContract } from "../contracts/score-model-contract";
import { expectClose, numbers } from "../support/matchers";

const schedule = ddpmSchedule();
const mixture = {
  weights: [1, 2],
  means: [
    [-1, 0.5],
    [0.8, -0.2],
  ],
  variances: [0.1, 0.3],
  schedule,
};

/** x̂0 = w_i·x_t, with a variable of its own for each of the given times. */
function scalers(times: readonly number[], name = "scalers") {
  const weights = tidy(() => times.map((_, i) => variable(tensor2d([[0.5 + i]]), true, `${name}/w${i}`)));
  return functionModel({
    name,
    schedule,
    predicts: "x0",
    variables: weights,
    predict: (xt, t) => {
      const terms = weights.map((w, i) => mul(w, times[i] === t[0] ? 1 : 0));
      return mul(xt, terms.reduce((a, b) => add(a, b)) as Tensor);
    },
  });
}

/** x̂0 = w·x_t + c with a bias that depends on the time. */
function affineModel() {
  const w = tidy(() => variable(tensor2d([[0.4, -0.7]]), true, "affine/w"));
  const predict = (xt: Tensor, t: readonly number[], cond?: Tensor) => {
    const scaled = add(mul(xt, w), mul(tensor2d([...t], [t.length, 1]), 1e-3));
    return cond === undefined ? scaled : add(scaled, cond);
  };
  return functionModel({ name: "affine", schedule, predicts: "v", variables: [w], predict });
}

scoreModelContract("functionModel", { make: affineModel, sampleShape: [2], t: [0, 300, 999] });
generatorContract("generatorFrom in one step", { make: () => generatorFrom(affineModel()), sampleShape: [2] });
generatorContract("generatorFrom with a condition", {
  make: () => generatorFrom(affineModel(), { tInit: 900 }),
  sampleShape: [2],
  cond: (batch) => randomStream(8).normal([batch, 2]),
});
generatorContract("generatorFrom in four steps", {
  make: () => generatorFrom(affineModel(), { steps: 4 }),
  sampleShape: [2],
});
generatorContract("generatorFrom with the gradient through the last of three steps", {
  make: () => generatorFrom(affineModel(), { steps: 3, gradientThrough: "last" }),
  sampleShape: [2],
});
generatorContract("generatorFrom an exact law", {
  make: () => generatorFrom(gaussianMixtureModel({ ...mixture, predicts: "eps" }), { steps: 2 }),
  sampleShape: [2],
});

describe("generatorFrom", () => {
  test("one step asks at t = 625 with σ(625)·z", () =>
    tidy(() => {
      const model = gaussianMixtureModel({ ...mixture, predicts: "eps" });
      const z = randomStream(0).normal([3, 2]);
      const xt = mul(z, Math.sqrt(1 - (schedule.alphasCumprod[625] as number)));
      expectClose(generatorFrom(model).generate([z]), predictX0(model, { xt, t: [625, 625, 625] }), 1e-6);
    }));

  test("K steps ask at t·(1 − i/K), rounded down, and add the noise they were given", () =>
    tidy(() => {
      const asked: number[] = [];
      const law = gaussianModel({ mean: [1, 2], variance: 0.5, schedule });
      const model = functionModel({
        name: "recorder",
        schedule,
        predicts: "x0",
        predict: (xt, t) => {
          asked.push(t[0] as number);
          return law.predict(xt, t);
        },
      });
      const noises = [1, 2, 3].map((seed) => randomStream(seed).normal([2, 2]));
      const x = generatorFrom(model, { steps: 3, tInit: 700 }).generate(noises);
      expect(asked).toEqual([700, 466, 233]);
      let wanted = law.predict(mul(noises[0] as Tensor, schedule.sigma(700)), [700, 700]);
      for (const [i, t] of [466, 233].entries()) {
        const level = noiseLevel(schedule, [t, t]);
        wanted = law.predict(addNoise({ x0: wanted, noise: noises[i + 1] as Tensor, level }), [t, t]);
      }
      expectClose(x, wanted, 1e-6);
    }));

  test("times that are integers stay so: no rounding from below", () => {
    const asked: number[] = [];
    const predict = (xt: Tensor, t: readonly number[]) => {
      asked.push(t[0] as number);
      return xt;
    };
    const model = functionModel({ name: "recorder", schedule, predicts: "x0", predict });
    const noises = Array<Tensor>(10).fill(randomStream(0).normal([1, 2]));
    generatorFrom(model, { steps: 10, tInit: 900 }).generate(noises).dispose();
    noises[0]?.dispose();
    expect(asked).toEqual([900, 810, 720, 630, 540, 450, 360, 270, 180, 90]);
  });

  test("a schedule of continuous time is not rounded", () =>
    tidy(() => {
      for (const [continuous, tInit] of [
        [edmSchedule(), 2.5],
        [flowSchedule(), 1],
      ] as const) {
        const law = gaussianModel({ mean: [1, 2], variance: 0.5, schedule: continuous, predicts: "flow" });
        const z = randomStream(0).normal([2, 2]);
        const xt = mul(z, continuous.sigma(tInit));
        expectClose(generatorFrom(law, { tInit }).generate([z]), predictX0(law, { xt, t: [tInit, tInit] }), 1e-6);
      }
    }));

  test("between passes DDIM keeps the noise that was seen: the chain is the sampler's, whatever the later noises", () =>
    tidy(() => {
      for (const [kind, tInit] of [
        [schedule, 999],
        [edmSchedule(), 80],
        [flowSchedule(), 1],
      ] as const) {
        const law = gaussianModel({ mean: [1, 2], variance: 0.5, schedule: kind, predicts: "flow" });
        const generator = generatorFrom(law, { tInit, steps: 4, between: "ddim" });
        const noises = [1, 2, 3, 4].map((seed) => randomStream(seed).normal([2, 2]));
        const noise = kind.kind === "vp" ? mul(noises[0] as Tensor, kind.sigma(tInit)) : (noises[0] as Tensor);
        const times = generator.times as readonly number[];
        expectClose(generator.generate(noises), ddimSample(law, { noise, times }), 1e-5);
        expect(generator.settings).toMatch(/DDIM between$/);
      }
    }));

  test('"all" differentiates through every step, "last" leaves the earlier ones alone', () => {
    const z = [1, 2].map((seed) => randomStream(seed).normal([2, 2]));
    const dy = randomStream(3).normal([2, 2]);
    const gradients = (gradientThrough: "all" | "last") => {
      const generator = generatorFrom(scalers([600, 300]), { tInit: 600, steps: 2, gradientThrough });
      const all = pullback(() => generator.generate(z, undefined), dy, generator.variables);
      const read = all.map((g) => numbers(g)[0] as number);
      for (const g of all) g.dispose();
      generator.dispose();
      return read;
    };
    // x = w1·(a·w0·s0·z0 + s·z1) with w0 = 0.5, w1 = 1.5, (a, s) at t = 300.
    const [a, s, s0] = [schedule.alpha(300), schedule.sigma(300), schedule.sigma(600)];
    const along = (x: Tensor) => numbers(x).reduce((sum, v, i) => sum + v * (numbers(dy)[i] as number), 0);
    const [z0, z1] = z.map(along) as [number, number];
    const w1 = a * 0.5 * s0 * z0 + s * z1;
    expectClose(gradients("all"), [1.5 * a * s0 * z0, w1], 1e-5);
    const [first, second] = gradients("last");
    expect(Math.abs(first as number)).toBe(0);
    expectClose([second as number], [w1], 1e-5);
    for (const x of [...z, dy]) x.dispose();
  });

  test.prop({
    bad: fc.constantFrom<object>(
      { tInit: Number.NaN },
      { tInit: 1000 },
      { tInit: -1 },
      { tInit: 600.5 },
      { tInit: "625" },
      { steps: 0 },
      { steps: 1.5 },
      { steps: Number.POSITIVE_INFINITY },
      { gradientThrough: "first" },
      { between: "nothing" },
    ),
  })("options that make no sense are refused", ({ bad }) => {
    const model = gaussianMixtureModel(mixture);
    expect(() => generatorFrom(model, bad)).toThrow(SidError);
    expect(() => generatorFrom(undefined as never)).toThrow(SidError);
    expect(() => generatorFrom(gaussianModel({ mean: [0], variance: 1, schedule: flowSchedule() }))).toThrow(
      /tInit must be a time of the model.s schedule, in \[0, 1\]/,
    );
  });
});

describe("predictX0", () => {
  test.prop(
    {
      scale: fc.constantFrom(-1, 0, 0.5, 1, 1.5, 3),
      predicts: fc.constantFrom("eps" as const, "v" as const, "score" as const, "flow" as const),
      seed: fc.nat(1000),
    },
    { numRuns: 30 },
  )("guiding in any prediction is guiding x0", ({ scale, predicts, seed }) =>
    tidy(() => {
      const xt = randomStream(seed).normal([2, 2]);
      const t = [300, 700];
      const guided = (p: typeof predicts | "x0") => {
        const model = gaussianMixtureModel({ ...mixture, predicts: p });
        return predictX0(model, {
          xt,
          t,
          cond: model.condition([0, 1]),
          uncond: model.marginal(),
          guidanceScale: scale,
        });
      };
      expectClose(guided(predicts), guided("x0"), 1e-4);
    }),
  );

  test("an unconditional model needs no condition, and inputs are refused by a SidError", () =>
    tidy(() => {
      const model = gaussianMixtureModel(mixture);
      const xt = tensor2d([[0.3, -1]]);
      expectClose(predictX0(model, { xt, t: [500] }), model.predict(xt, [500]), 1e-7);
      const before = memory().numTensors;
      for (const call of [
        () => predictX0(model, { xt, t: [500], guidanceScale: 1.5 }),
        () => predictX0(model, { xt, t: [500], guidanceScale: 0 }),
        () => predictX0(model, { xt, t: [500], guidanceScale: Number.NaN }),
        () => predictX0(model, { xt, t: [500, 1] }),
        () => predictX0(model, { xt, t: [1000] }),
        () => predictX0(model, { xt: undefined as never, t: [1] }),
      ])
        expect(call).toThrow(SidError);
      expect(memory().numTensors).toBe(before);
    }));

  test("an object whose predict uses `this` is a model too", () => {
    class Half {
      readonly name = "half";
      readonly predicts = "x0";
      readonly schedule = schedule;
      readonly variables = [];
      readonly factor = 0.5;
      predict(xt: Tensor): Tensor {
        return mul(xt, this.factor);
      }
      dispose(): void {}
    }
    tidy(() => expectClose(predictX0(new Half(), { xt: tensor2d([[2, 4]]), t: [5] }), [1, 2], 1e-6));
  });
});
