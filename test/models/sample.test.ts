import { readFileSync } from "node:fs";
import { fc, test } from "@fast-check/vitest";
import { memory, type Tensor, tensor2d, tidy } from "@tensorflow/tfjs-core";
import { describe, expect } from "vitest";
import { randomStream, SidError } from "../../src/core";
import { ddimSample, functionModel, gaussianMixtureModel, gaussianModel, type ScoreModel } from "../../src/models";
import { ddpmSchedule, edmSchedule, flowSchedule, scheduleFromConfig } from "../../src/schedules";
import { expectClose, numbers } from "../support/matchers";

interface Golden {
  law: { weights: number[]; means: number[][]; variances: number[]; components: number[] };
  cases: {
    config: Record<string, unknown>;
    steps: number;
    guidanceScale: number;
    noise: number[];
    timesteps: number[];
    states: number[][];
    sample: number[];
  }[];
}
const golden: Golden = JSON.parse(readFileSync(new URL("../golden/ddim.json", import.meta.url), "utf8"));

describe("ddimSample walks as diffusers' DDIMScheduler does", () => {
  for (const [i, wanted] of golden.cases.entries())
    test(`case ${i}: ${wanted.config["prediction_type"]}, κ = ${wanted.guidanceScale}, ${wanted.config["timestep_spacing"] ?? "leading"}`, () =>
      tidy(() => {
        const { schedule, predicts, sampling } = scheduleFromConfig(wanted.config);
        const { weights, means, variances } = golden.law;
        const law = gaussianMixtureModel({ weights, means, variances, schedule, predicts });
        const states: number[][] = [];
        const times: number[] = [];
        const model = recording(law, (xt, t) => {
          states.push(numbers(xt).slice(0, wanted.noise.length));
          times.push(t[0] as number);
        });
        const sample = ddimSample(model, {
          noise: tensor2d(wanted.noise, [4, 2]),
          cond: law.condition(golden.law.components),
          uncond: law.marginal(),
          steps: wanted.steps,
          guidanceScale: wanted.guidanceScale,
          ...sampling,
        });
        expect(times).toEqual(wanted.timesteps);
        states.forEach((state, at) => {
          expectClose(state, wanted.states[at] as number[], 1e-4);
        });
        expectClose(sample, wanted.sample, 1e-4);
      }));
});

describe("ddimSample", () => {
  const law = { mean: [1, -2], variance: 0.25 };

  test("brings noise to the law, on every schedule", () => {
    const n = 2000;
    const flow = flowSchedule();
    const edm = edmSchedule();
    const steps = 40;
    const cases = [
      { model: gaussianModel({ ...law, schedule: ddpmSchedule(), predicts: "eps" }), options: { steps: 50 } },
      {
        model: gaussianModel({ ...law, schedule: flow, predicts: "flow" }),
        options: { times: Array.from({ length: steps }, (_, i) => 1 - i / steps) },
      },
      {
        model: gaussianModel({ ...law, schedule: edm, predicts: "x0" }),
        options: { times: Array.from({ length: steps }, (_, i) => 80 * 1e-4 ** (i / (steps - 1))) },
      },
    ] as const;
    for (const { model, options } of cases) {
      const x = tidy(() => numbers(ddimSample(model, { noise: randomStream(1).normal([n, 2]), ...options })));
      for (const i of [0, 1]) {
        const column = x.filter((_, at) => at % 2 === i);
        const mean = column.reduce((a, b) => a + b, 0) / n;
        const deviation = Math.sqrt(column.reduce((a, b) => a + (b - mean) ** 2, 0) / n);
        // Four standard errors, and 3 % for the steps' finite length.
        expect(Math.abs(mean - (law.mean[i] as number))).toBeLessThan((4 * 0.5) / Math.sqrt(n) + 0.03);
        expect(Math.abs(deviation - 0.5)).toBeLessThan((4 * 0.5) / Math.sqrt(2 * n) + 0.015);
      }
    }
  });

  test("with η = 1 it brings noise to the law as well, on every schedule", () => {
    const n = 2000;
    const steps = 60;
    const edm = edmSchedule();
    const cases = [
      { model: gaussianModel({ ...law, schedule: ddpmSchedule(), predicts: "v" }), options: { steps } },
      {
        model: gaussianModel({ ...law, schedule: edm, predicts: "x0" }),
        options: { times: Array.from({ length: steps }, (_, i) => 80 * 1e-4 ** (i / (steps - 1))) },
      },
      {
        model: gaussianModel({ ...law, schedule: flowSchedule(), predicts: "flow" }),
        options: { times: Array.from({ length: steps }, (_, i) => 0.999 * (1 - i / steps)) },
      },
    ] as const;
    for (const { model, options } of cases) {
      const x = tidy(() => {
        const stream = randomStream(2);
        const stepNoises = Array.from({ length: steps }, () => stream.normal([n, 2]));
        return numbers(ddimSample(model, { noise: stream.normal([n, 2]), eta: 1, stepNoises, ...options }));
      });
      for (const i of [0, 1]) {
        const column = x.filter((_, at) => at % 2 === i);
        const mean = column.reduce((a, b) => a + b, 0) / n;
        const deviation = Math.sqrt(column.reduce((a, b) => a + (b - mean) ** 2, 0) / n);
        expect(Math.abs(mean - (law.mean[i] as number))).toBeLessThan((4 * 0.5) / Math.sqrt(n) + 0.03);
        expect(Math.abs(deviation - 0.5)).toBeLessThan((4 * 0.5) / Math.sqrt(2 * n) + 0.03);
      }
    }
  });

  test("keeps only its answer, and nothing when the model throws half-way", () => {
    const model = gaussianModel({ ...law, schedule: ddpmSchedule() });
    const noise = randomStream(0).normal([3, 2]);
    const before = memory().numTensors;
    const x = ddimSample(model, { noise, steps: 5 });
    expect(memory().numTensors).toBe(before + 1);
    x.dispose();
    let calls = 0;
    const failing = recording(model, () => {
      if (++calls === 3) throw new Error("the network fell over");
    });
    expect(() => ddimSample(failing, { noise, steps: 5 })).toThrow("fell over");
    expect(memory().numTensors).toBe(before);
    noise.dispose();
  });

  test.prop({
    bad: fc.constantFrom<object>(
      { steps: 0 },
      { steps: 1001 },
      { steps: 2.5 },
      { steps: Number.NaN },
      { stepsOffset: -1 },
      { stepsOffset: 999 },
      { stepsOffset: 0.5 },
      { stepsOffset: 20, steps: 1000 },
      { spacing: "karras" },
      { clip: 0 },
      { clip: Number.NaN },
      { eta: -0.1 },
      { eta: 1.1 },
      { eta: 0.5 },
      { eta: 0.5, stepNoises: [] },
      { eta: 1, steps: 1, stepNoises: [undefined] },
      { eta: 1, times: [3], stepNoises: [[1, 2]] },
      { guidanceScale: Number.NaN },
      { guidanceScale: 2 },
      { times: [] },
      { times: [5, 5] },
      { times: [3, 9] },
      { times: [1000] },
      { times: [Number.NaN] },
      { times: [9.5] },
      { noise: undefined },
      { noise: [[1, 2]] },
    ),
  })("options that make no sense are refused", ({ bad }) => {
    const model = gaussianModel({ ...law, schedule: ddpmSchedule() });
    tidy(() => {
      const noise = randomStream(0).normal([3, 2]);
      const before = memory().numTensors;
      expect(() => ddimSample(model, { noise, ...bad })).toThrow(SidError);
      expect(() => ddimSample({} as ScoreModel, { noise })).toThrow(SidError);
      const continuous = gaussianModel({ ...law, schedule: flowSchedule() });
      expect(() => ddimSample(continuous, { noise })).toThrow(/needs the option times/);
      expect(memory().numTensors).toBe(before);
    });
  });
});

/** The model, with a look at every call. */
function recording(model: ScoreModel, look: (xt: Tensor, t: readonly number[]) => void): ScoreModel {
  const { name, schedule, predicts } = model;
  const predict = (xt: Tensor, t: readonly number[], cond?: Tensor) => {
    look(xt, t);
    return model.predict(xt, t, cond);
  };
  return functionModel({ name, schedule, predicts, predict });
}
