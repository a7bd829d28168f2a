import { dispose, tidy } from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { type PredictionName, type PredictionType, randomStream } from "../../src/core";
import { fakeScoreLoss } from "../../src/losses";
import {
  ddimSample,
  functionModel,
  gaussianMixtureModel,
  gaussianModel,
  generatorFrom,
  mlp,
  parseUnetConfig,
  predictX0,
  unet,
} from "../../src/models";
import { conversionCoefficients, convertPrediction, predictionTarget } from "../../src/predict";
import { ddpmSchedule } from "../../src/schedules";
import { distill } from "../../src/train";
import { expectSidError } from "../support/errors";
import { numbers } from "../support/matchers";

const pairs: readonly (readonly [PredictionName, PredictionType])[] = [
  ["epsilon", "eps"],
  ["v_prediction", "v"],
  ["sample", "x0"],
];
const schedule = ddpmSchedule();
const level = { alpha: [0.8, 0.6], sigma: [0.6, 0.8] };

test.each(pairs)("%s is %s: the factories declare the short name", (word, type) => {
  const base = { name: "names/w", schedule, predicts: word };
  const config = parseUnetConfig({
    ...{ block_out_channels: [8], norm_num_groups: 4, cross_attention_dim: 6, attention_head_dim: 2 },
    ...{ down_block_types: ["CrossAttnDownBlock2D"], up_block_types: ["CrossAttnUpBlock2D"] },
  });
  const makers = [
    () => functionModel({ ...base, predict: (xt) => xt }),
    () => mlp({ dim: 2, hidden: 4, depth: 1 }, { ...base, weights: randomStream(1) }),
    () => unet(config, { ...base, weights: randomStream(1) }),
    () => gaussianModel({ mean: [0], variance: 1, schedule, predicts: word }),
    () => gaussianMixtureModel({ weights: [1], means: [[0]], variances: [1], schedule, predicts: word }),
  ];
  for (const make of makers) {
    const model = make();
    expect(model.predicts).toBe(type);
    model.dispose();
  }
});

test.each(pairs)("%s is %s: conversions, targets and the loss take either", (word, type) => {
  const stream = randomStream(2);
  const [x, y, z] = [stream.normal([2, 3]), stream.normal([2, 3]), stream.normal([2, 3])];
  tidy(() => {
    const coefficients = (predicts: PredictionName) => conversionCoefficients({ level, predicts, to: "score" });
    expect(coefficients(word)).toEqual(coefficients(type));
    const back = (to: PredictionName) => conversionCoefficients({ level, predicts: "flow", to });
    expect(back(word)).toEqual(back(type));
    const converted = (to: PredictionName) =>
      numbers(convertPrediction({ prediction: x, xt: y, level, predicts: word, to }));
    expect(converted(type)).toEqual(numbers(x));
    expect(converted(word)).toEqual(numbers(x));
    const target = (predicts: PredictionName) => numbers(predictionTarget({ x0: x, noise: y, level, predicts }));
    expect(target(word)).toEqual(target(type));
    const inputs = { prediction: z, generated: x, noise: y, level };
    expect(numbers(fakeScoreLoss(inputs, { predicts: word }))).toEqual(
      numbers(fakeScoreLoss(inputs, { predicts: type })),
    );
  });
  dispose([x, y, z]);
});

test.each(pairs)("a model of one's own that declares %s works as %s does", async (word, type) => {
  const exact = gaussianModel({ mean: [1, 0], variance: 0.5, schedule, predicts: type });
  const own = { ...exact, predicts: word as PredictionType };
  const noise = randomStream(3).normal([4, 2]);
  tidy(() => {
    const at = { xt: noise, t: [20, 300, 600, 979] };
    expect(numbers(predictX0(own, at))).toEqual(numbers(predictX0(exact, at)));
    expect(numbers(ddimSample(own, { noise, steps: 5 }))).toEqual(numbers(ddimSample(exact, { noise, steps: 5 })));
    expect(generatorFrom(own).settings).toBe(generatorFrom(exact).settings);
  });
  noise.dispose();
  const run = async (teacher: typeof own) => {
    const [fakeScore, student] = ["fake", "student"].map((name) =>
      mlp(
        { dim: 2, hidden: 4, depth: 1 },
        { name: `names/${name}`, schedule, predicts: "v", weights: randomStream(4) },
      ),
    ) as [ReturnType<typeof mlp>, ReturnType<typeof mlp>];
    const generator = generatorFrom(student);
    const { metrics } = await distill({ teacher, fakeScore, generator, sampleShape: [2], batch: 8, iterations: 2 });
    for (const m of [fakeScore, student]) m.dispose();
    return { ...metrics, seconds: 0 };
  };
  expect(await run(own)).toEqual(await run(exact));
});

test("another word is refused, with those that there are", () => {
  const options = { mean: [0], variance: 1, schedule, predicts: "noise" as never };
  expectSidError("invalid-argument", () => gaussianModel(options), /predicts must be one of "eps", .*"epsilon"/);
});
