import { tensor2d } from "@tensorflow/tfjs-core";
import { describe, expect, test } from "vitest";
import { randomStream } from "../../src/core";
import { nearest } from "../../src/core/nearest";
import { sidLoss } from "../../src/losses";
import { ddimSample, gaussianModel, generatorFrom, mlp, type ScoreModel } from "../../src/models";
import { ddimTimesteps, ddpmSchedule, edmSchedule, uniformTimesteps } from "../../src/schedules";
import { adam, type DistillOptions, distill, emaBeta } from "../../src/train";
import { expectSidError } from "../support/errors";
import { numbers } from "../support/matchers";
import { tinyNetwork } from "../support/tiny-network";

const as = (value: unknown) => value as never;

describe("a key that options do not have", () => {
  test.each([
    ["learningrate", "learningRate"],
    ["learning_rate", "learningRate"],
    ["learninRate", "learningRate"],
    ["rounds", "accumulationRounds"],
    ["lossscale", "lossScale"],
    ["checkpoints", "checkpoint"],
    ["onMetrics", undefined],
    ["zzz", undefined],
    ["", undefined],
    ["x".repeat(1e6), undefined],
  ])("%s: %s", (key, meant) => {
    const known = [
      "learningRate",
      "fakeLearningRate",
      "accumulationRounds",
      "lossScale",
      "fakeLossScale",
      "checkpoint",
      "checkTeacher",
      "onIteration",
    ];
    expect(nearest(key, known)).toBe(meant);
  });

  test("is refused where it is, with the name that was meant or with all of them", () => {
    const schedule = ddpmSchedule();
    const x = tensor2d([[1]]);
    const model = gaussianModel({ mean: [0], variance: 1, schedule });
    const inputs = { generated: x, teacher: x, fake: x };
    const refused: [RegExp, () => unknown][] = [
      [/^edmSchedule: options has no "sigmaMn"; did you mean sigmaMin\?$/, () => edmSchedule(as({ sigmaMn: 1 }))],
      [/^uniformTimesteps: options has no "from"; it takes min, max\.$/, () => uniformTimesteps(as({ from: 1 }))],
      [/no "numInferenceSteps"; did you mean steps\?$/, () => ddimTimesteps(as({ numInferenceSteps: 1 }))],
      [/^sidLoss: options has no "Alpha"; did you mean alpha\?$/, () => sidLoss(inputs, as({ Alpha: 1 }))],
      [/^sidLoss: inputs has no "student"/, () => sidLoss(as({ ...inputs, student: x }))],
      [/^generatorFrom: options has no "tinit"; did you mean tInit\?$/, () => generatorFrom(model, as({ tinit: 1 }))],
      [
        /^ddimSample: options has no "guidance_scale"; did you mean guidanceScale\?$/,
        () => ddimSample(model, as({ noise: x, guidance_scale: 1 })),
      ],
      [/^mlp: config has no "width"; it takes dim, hidden/, () => mlp(as({ dim: 2, width: 3 }), as({}))],
      [/^mlp: options has no "weight"; did you mean weights\?$/, () => mlp({ dim: 2 }, as({ weight: 1 }))],
      [/^emaBeta: schedule has no "halflife"/, () => emaBeta(as({ nimg: 0, batch: 1, halflife: 1 }))],
      [/no "constructor"/, () => edmSchedule(as({ constructor: 1 }))],
      [/no "seed"/, () => edmSchedule(as({ seed: undefined }))],
    ];
    for (const [message, call] of refused) expectSidError("invalid-argument", call, message);
    x.dispose();
  });

  test("in the options of distill, at every depth", () => {
    const models = ["t", "f", "g", "e"].map((name) => tinyNetwork(`checks/${name}`, 1));
    const [teacher, fakeScore, model, average] = models as [ScoreModel, ScoreModel, ScoreModel, ScoreModel];
    const options: DistillOptions = {
      ...{ teacher, fakeScore, generator: generatorFrom(model), sampleShape: [3], iterations: 1 },
    };
    const target = generatorFrom(average);
    const refused: [object, RegExp][] = [
      [{ learningrate: 1 }, /^distill: options has no "learningrate"; did you mean learningRate\?$/],
      [{ adam: { beta_1: 0.5 } }, /^distill: adam has no "beta_1"; did you mean beta1\?$/],
      [{ ema: { target, half_life: 1 } }, /^distill: ema has no "half_life"; did you mean halfLife\?$/],
      [
        { checkpoint: { file: "x" } },
        /^distill: checkpoint has no "file"; it takes path, folder, every, keep, resume, allowOtherArithmetic\.$/,
      ],
      [{ snapshots: { evry: 1, run: () => {} } }, /^distill: snapshots has no "evry"; did you mean every\?$/],
    ];
    for (const [changes, message] of refused)
      expectSidError("invalid-argument", () => distill({ ...options, ...changes }), message);
    expectSidError(
      "invalid-argument",
      () => adam(model.variables, as({ lr: 1 })),
      /^adam: options has no "lr"; it takes learningRate/,
    );
    for (const m of models) m.dispose();
  });
});

test("a network without weights is told what may stand there", () => {
  const options = { name: "w", schedule: ddpmSchedule(), predicts: "eps" };
  const wanted = /^mlp: weights must be a Map of weights, a stream such as randomStream\(0\), .* got undefined\.$/;
  expectSidError("invalid-argument", () => mlp({ dim: 2 }, as(options)), wanted);
});

test("undefined is the default", () => {
  const none = {
    mean: undefined,
    std: undefined,
    sigmaMin: undefined,
    sigmaMax: undefined,
    min: undefined,
    max: undefined,
  };
  const { sigmaMin, sigmaMax, min, max } = none;
  expect(edmSchedule({ sigmaMin, sigmaMax }).tMax).toBe(edmSchedule().tMax);
  expect(uniformTimesteps({ min, max })(randomStream(1), 9)).toEqual(uniformTimesteps()(randomStream(1), 9));
  const betas = {
    numTimesteps: undefined,
    betaSchedule: undefined,
    betaStart: undefined,
    betaEnd: undefined,
    betas: undefined,
  };
  expect(ddpmSchedule({ ...betas, zeroTerminalSnr: undefined }).betas).toEqual(ddpmSchedule().betas);
  expect(
    ddimTimesteps({ numTimesteps: undefined, steps: undefined, spacing: undefined, stepsOffset: undefined }),
  ).toEqual(ddimTimesteps());
  const rampUp = undefined;
  expect(emaBeta({ nimg: 100, batch: 1, halfLife: 1, rampUp })).toBe(emaBeta({ nimg: 100, batch: 1, halfLife: 1 }));
  const model = gaussianModel({
    mean: [0.5],
    variance: 2,
    schedule: ddpmSchedule(),
    predicts: undefined,
    name: undefined,
  });
  expect([model.predicts, model.name]).toEqual(["x0", "gaussian"]);
  const noise = tensor2d([[1], [-2]]);
  const options = {
    cond: undefined,
    uncond: undefined,
    steps: undefined,
    guidanceScale: undefined,
    spacing: undefined,
  };
  const more = { stepsOffset: undefined, setAlphaToOne: undefined, clip: undefined, eta: undefined, times: undefined };
  const samples = [
    ddimSample(model, { noise, ...options, ...more, stepNoises: undefined }),
    ddimSample(model, { noise }),
  ];
  expect(numbers(samples[0] as never)).toEqual(numbers(samples[1] as never));
  const generator = generatorFrom(model, { tInit: undefined, steps: undefined, gradientThrough: undefined });
  expect(generator.settings).toBe(generatorFrom(model).settings);
  for (const x of [noise, ...samples]) x.dispose();
});
