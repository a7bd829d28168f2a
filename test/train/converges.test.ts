import { add, div, exp, mul, sub } from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { perSample } from "../../src/core/per-sample";
import { sidLsg } from "../../src/methods";
import { functionModel, type GeneratorModel, gaussianModel, generatorFrom, type ScoreModel } from "../../src/models";
import { ddpmSchedule } from "../../src/schedules";
import { type DistillOptions, distill } from "../../src/train";
import { numbers } from "../support/matchers";
import { weight } from "../support/weights";

const schedule = ddpmSchedule();
const tInit = 625;

/** A fake score that can be exact: the posterior mean of N(m, exp(l)), which trains in m and l. */
function gaussianScore(): ScoreModel {
  const mean = weight("converges/mean", [0, 0], [1, 2]);
  const logVariance = weight("converges/logVariance", [0], [1, 1]);
  return functionModel({
    name: "fake",
    predicts: "x0",
    schedule,
    variables: [mean, logVariance],
    predict(xt, t) {
      const alpha = perSample(t.map(schedule.alpha), 2);
      const noise = perSample(
        t.map((x) => schedule.sigma(x) ** 2),
        2,
      );
      const variance = exp(logVariance);
      const gain = div(mul(variance, alpha), add(mul(mul(alpha, alpha), variance), noise));
      return add(mean, mul(gain, sub(xt, mul(alpha, mean))));
    },
  });
}

/** x = m + exp(l)·z. */
function affineGenerator(name: string): GeneratorModel {
  const mean = weight(`converges/${name}-mean`, [0, 0], [1, 2]);
  const logScale = weight(`converges/${name}-logScale`, [0], [1, 1]);
  const network = functionModel({
    name,
    predicts: "x0",
    schedule,
    variables: [mean, logScale],
    predict: (xt) => add(mean, mul(exp(logScale), div(xt, schedule.sigma(tInit)))),
  });
  return generatorFrom(network, { tInit });
}

// With both networks able to be exact, the generator must find the teacher's law N((1, −0.5), 0.25).
test.each<[string, Partial<DistillOptions>]>([
  ["the default recipe", {}],
  ["α = 0.5 without a weight, on one tape", { method: sidLsg({ alpha: 0.5, weight: "none" }), backward: "joint" }],
])("distill finds the teacher's law with %s", async (_, options) => {
  const teacher = gaussianModel({ mean: [1, -0.5], variance: 0.25, schedule });
  const fakeScore = gaussianScore();
  const generator = affineGenerator("generator");
  const average = affineGenerator("average");
  const run = distill({
    teacher,
    fakeScore,
    generator,
    ema: { target: average, halfLife: 1500 },
    sampleShape: [2],
    method: sidLsg(),
    iterations: 140,
    batch: 64,
    learningRate: 0.03,
    fakeLearningRate: 0.05,
    ...options,
  });
  const meanOf = (from: number[]) => from.reduce((a, b) => a + b, 0) / from.length;
  const deltas: number[] = [];
  for await (const { deltaSquared } of run) deltas.push(deltaSquared);
  const [mean, logScale] = average.variables.map((v) => numbers(v)) as [number[], number[]];
  expect(Math.hypot((mean[0] as number) - 1, (mean[1] as number) + 0.5)).toBeLessThan(0.12);
  expect(Math.abs((logScale[0] as number) - Math.log(0.5))).toBeLessThan(0.2);

  expect(meanOf(deltas.slice(-10)) / meanOf(deltas.slice(0, 10))).toBeLessThan(0.2);
  for (const m of [teacher, fakeScore, generator, average]) m.dispose();
});
