import { mul, type Tensor, tidy } from "@tensorflow/tfjs-core";
import { describe, expect, test } from "vitest";
import { type PredictionType, randomStream, SidError } from "../../src/core";
import { gaussianMixtureModel, gaussianModel, type ScoreModel } from "../../src/models";
import {
  ddpmSchedule,
  edmSchedule,
  flowSchedule,
  logitNormalTimes,
  logNormalSigmas,
  type NoiseSchedule,
  sidSigmas,
  type TimestepLaw,
  uniformTimesteps,
} from "../../src/schedules";
import { checkDeclared, declarationFigures } from "../../src/train/check-declared";

const stable = ddpmSchedule({ betaSchedule: "scaled_linear", betaStart: 0.00085, betaEnd: 0.012 });
const settings: readonly [string, NoiseSchedule, TimestepLaw][] = [
  ["DDPM", ddpmSchedule(), uniformTimesteps()],
  ["Stable Diffusion's schedule", stable, uniformTimesteps()],
  ["EDM", edmSchedule(), logNormalSigmas()],
  ["EDM with SiD's law", edmSchedule(), sidSigmas()],
  ["flow", flowSchedule(), logitNormalTimes()],
  ["DDPM at low noise only", ddpmSchedule(), uniformTimesteps({ min: 20, max: 200 })],
];

/** A teacher of each kind, of one law; the samples are the law's own, as a generator's are that starts as its teacher. */
type Make = (schedule: NoiseSchedule, predicts: PredictionType) => { model: ScoreModel; samples: Tensor };
const gaussian =
  (mean: readonly number[], variance: number | number[], from = mean): Make =>
  (schedule, predicts) => ({
    model: gaussianModel({ mean, variance, schedule, predicts }),
    samples: gaussianModel({ mean: from, variance, schedule }).sample(randomStream(5), 256),
  });
const ring: Make = (schedule, predicts) => {
  const angles = [0, 1, 2, 3, 4, 5].map((k) => (k * Math.PI) / 3);
  const law = { weights: [1, 2, 1, 2, 1, 2], means: angles.map((a) => [1.4 * Math.cos(a), 1.4 * Math.sin(a)]) };
  const model = gaussianMixtureModel({ ...law, variances: angles.map(() => 0.02), schedule, predicts });
  return { model, samples: model.sample(randomStream(5), model.components(randomStream(6), 256)) };
};
/** A generator at its random start, far from the law. */
const collapsed =
  (make: Make): Make =>
  (schedule, predicts) => {
    const { model, samples } = make(schedule, predicts);
    const shrunk = tidy(() => mul(samples, 0.1));
    samples.dispose();
    return { model, samples: shrunk };
  };
const laws: Readonly<Record<string, Make>> = {
  ...Object.fromEntries([0.3, 0.5, 1, 2, 4].map((v) => [`N(0, ${v})`, gaussian([0, 0], v)])),
  "N((1, −1), 0.25)": gaussian([1, -1], 0.25),
  "N((3, 0), (0.5, 2))": gaussian([3, 0], [0.5, 2]),
  "a ring of six": ring,
};
const honestOnly: Readonly<Record<string, Make>> = {
  ...Object.fromEntries(
    [0.005, 0.01, 0.02, 0.05, 0.08, 0.1, 0.12, 0.15, 0.2].map((v) => [`N(0, ${v})`, gaussian([0, 0], v)]),
  ),
  "N((5, −3), 0.01), from elsewhere": gaussian([5, -3], 0.01, [0, 0]),
  "N((1, 0), 0.04), from elsewhere": gaussian([1, 0], 0.04, [-2, 1]),
  "N((20, 30), 1)": gaussian([20, 30], 1),
  "N((200, 100), 900)": gaussian([200, 100], 900),
  "a ring, from near its centre": collapsed(ring),
  "N(0, 1), from near 0": collapsed(gaussian([0, 0], 1)),
  "N((1, 0), 0.25), from elsewhere": gaussian([1, 0], 0.25, [-1, 2]),
};

async function verdict(
  make: Make,
  [, schedule, timesteps]: (typeof settings)[number],
  actual: PredictionType,
  declared = actual,
) {
  const { model, samples } = make(schedule, actual);
  const law = timesteps(randomStream(7), 256);
  const noise = randomStream(8).normal([256, 2]);
  const teacher = { ...model, predicts: declared };
  const figures = tidy(() => declarationFigures(teacher, { x0: samples, noise, cond: undefined, law }));
  const values = [...figures.dataSync()];
  for (const x of [samples, noise, figures]) x.dispose();
  try {
    checkDeclared(teacher, law, values);
    return "accepted";
  } catch (error) {
    return error instanceof SidError ? error.message : String(error);
  }
}

const types: readonly PredictionType[] = ["eps", "x0", "v", "score", "flow"];

describe.each(settings)("%s", (...setting) => {
  test.each(Object.entries({ ...laws, ...honestOnly }))("a truthful teacher of %s is believed", async (_, make) => {
    const refused: string[] = [];
    for (const type of types) {
      const said = await verdict(make, setting, type);
      if (said !== "accepted") refused.push(`${type}: ${said}`);
    }
    expect(refused).toEqual([]);
  });

  test.each(Object.entries(laws))("eps, v and score of %s declared as x0, and the reverse", async (_, make) => {
    const missed: string[] = [];
    for (const other of ["eps", "v", "score"] as const)
      for (const [actual, declared] of [
        [other, "x0"],
        ["x0", other],
      ] as const) {
        if ((await verdict(make, setting, actual, declared)) === "accepted") missed.push(`${actual} as ${declared}`);
      }
    expect(missed).toEqual([]);
  });
});

test("v declared as x0 is seen where it is near its input, of samples away from the law", async () => {
  const setting = settings[1] as (typeof settings)[number];
  for (const from of [-2, -1])
    expect(await verdict(gaussian([1, 0], 0.25, [from, 0]), setting, "v", "x0")).toMatch(
      /declares "x0".* of the noise/,
    );
});
