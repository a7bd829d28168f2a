/** Each method of the stopped-gradient family through `distill`, on laws where both networks can be exact. */
import { add, mul, ones, square, sub, sum, type Tensor, tidy, zeros } from "@tensorflow/tfjs-core";
import { describe, expect, test } from "vitest";
import type { RandomStream } from "../../src/core";
import {
  csd,
  decoupledDmd,
  diffInstruct,
  dmd,
  dmd2,
  fDistill,
  type Method,
  sds,
  swiftBrush,
  tdm,
  vsd,
} from "../../src/methods";
import { type Discriminator, functionModel, gaussianModel } from "../../src/models";
import { ddpmSchedule } from "../../src/schedules";
import { type DistillOptions, distill } from "../../src/train";
import { gaussianGenerator, gaussianScore } from "../support/gaussian-networks";
import { numbers } from "../support/matchers";
import { weight } from "../support/weights";

const schedule = ddpmSchedule();
const tInit = 625;
const law = { mean: [1, -0.5], variance: 0.25 };

const start = { mean: [0, 0], variance: 1 };

/** A logit that is right for two Gaussians at one level: a quadratic of x_t. */
function quadratic(): Discriminator {
  const [ofSquare, ofX, constant] = [
    weight("family/d-square", [0], [1]),
    weight("family/d-x", [0, 0], [2]),
    weight("family/d-constant", [0], [1]),
  ];
  return {
    name: "family/d",
    variables: [ofSquare, ofX, constant],
    logit: (xt) => tidy(() => add(add(mul(sum(square(xt), 1), ofSquare), sum(mul(xt, ofX), 1)), constant)),
    dispose: () => {
      for (const variable of [ofSquare, ofX, constant]) variable.dispose();
    },
  };
}

/** Mean and spread of the generator's law after training. */
async function trained(method: Method, options: Partial<DistillOptions> = {}) {
  const teacher = gaussianModel({ ...law, schedule });
  const generator = gaussianGenerator("family/g", schedule, tInit);
  const fakeScore = method.fakeScore && gaussianScore("family/fake", schedule, start);
  const discriminator = method.fakeScore?.discriminator && quadratic();
  await distill({
    ...{ teacher, generator, fakeScore, discriminator, method, sampleShape: [2], iterations: 140, batch: 64 },
    ...{ learningRate: 0.03, fakeLearningRate: 0.05, checkTeacher: false },
    ...(discriminator && {
      images: {
        sample: (stream, count) => ({ images: tidy(() => add(mul(stream.normal([count, 2]), 0.5), law.mean)) }),
      },
    }),
    ...options,
  });
  const [at, logScale] = generator.variables.map(numbers) as [number[], number[]];
  for (const model of [teacher, generator, fakeScore, discriminator]) model?.dispose();
  return { at, scale: Math.exp(logScale[0] as number) };
}

const off = (at: readonly number[]) => Math.hypot((at[0] as number) - 1, (at[1] as number) + 0.5);
const unguided = { guidanceScale: 1 } as const;

describe("trained to the end", () => {
  test.each<[string, Method]>([
    ["VSD", vsd(unguided)],
    ["SwiftBrush", swiftBrush(unguided)],
    ["Diff-Instruct", diffInstruct()],
    ["DMD", dmd(unguided)],
    ["DMD2", dmd2({ ...unguided, fakeUpdates: 2 })],
    ["DMD2 with a discriminator", dmd2({ ...unguided, fakeUpdates: 2, adversarialWeight: 1e-2 })],
    ["decoupled DMD", decoupledDmd({ ...unguided, fakeUpdates: 2 })],
    ["TDM", tdm(unguided)],
    ["TDM, squared", tdm({ ...unguided, distance: "squared" })],
    ["f-distill, Jensen–Shannon", fDistill({ ...unguided, fakeUpdates: 2 })],
    ["f-distill, forward KL", fDistill({ ...unguided, fakeUpdates: 2, divergence: "forward-kl" })],
  ])("%s finds the teacher's law", async (_, method) => {
    const { at, scale } = await trained(method);
    expect(off(at), `mean ${at}`).toBeLessThan(0.15);
    expect(Math.abs(Math.log(scale / 0.5)), `scale ${scale}`).toBeLessThan(0.25);
  });

  test("SDS finds the mean and, by design, less than the spread", async () => {
    const { at, scale } = await trained(sds(unguided));
    expect(off(at), `mean ${at}`).toBeLessThan(0.15);
    expect(scale).toBeLessThan(0.3);
  });

  // With the text N((1, −0.5), 0.25), without it N(0, 1).
  test.each<[string, Method]>([
    ["CSD", csd()],
    ["decoupled DMD with t′ of its own", decoupledDmd({ guidanceScale: 3, fakeUpdates: 2 })],
    ["DMD2", dmd2({ guidanceScale: 3, fakeUpdates: 2 })],
  ])("guidance pulls beyond the text's mean, straight on: %s", async (_, method) => {
    const [text, none] = [gaussianModel({ ...law, schedule }), gaussianModel({ mean: [0, 0], variance: 1, schedule })];
    const teacher = functionModel({
      ...{ name: "family/teacher", predicts: "x0", schedule, variables: [] },
      predict: (xt, t, cond) =>
        tidy(() => add(mul(text.predict(xt, t), cond as Tensor), mul(none.predict(xt, t), sub(1, cond as Tensor)))),
    });
    const conditions = {
      sample: (_stream: RandomStream, count: number) => ones([count, 1]),
      unconditional: () => zeros([1, 1]),
    };
    const { at } = await trained(method, { teacher, conditions });
    const [along, across] = [at[0] as number, (at[1] as number) + 0.5 * (at[0] as number)];
    expect(along, `mean ${at}`).toBeGreaterThan(1.2);
    expect(Math.abs(across / along), `mean ${at}`).toBeLessThan(0.1);
  });
});
