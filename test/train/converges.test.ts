import { expect, test } from "vitest";
import { sidLsg } from "../../src/methods";
import { gaussianModel } from "../../src/models";
import { ddpmSchedule } from "../../src/schedules";
import { type DistillOptions, distill } from "../../src/train";
import { gaussianGenerator, gaussianScore } from "../support/gaussian-networks";
import { numbers } from "../support/matchers";

const schedule = ddpmSchedule();
const tInit = 625;

const start = { mean: [0, 0], variance: 1 };

// With both networks able to be exact, the generator must find the teacher's law N((1, −0.5), 0.25).
test.each<[string, Partial<DistillOptions>]>([
  ["the default recipe", {}],
  ["α = 0.5 without a weight, on one tape", { method: sidLsg({ alpha: 0.5, weight: "none" }), backward: "joint" }],
])("distill finds the teacher's law with %s", async (_, options) => {
  const teacher = gaussianModel({ mean: [1, -0.5], variance: 0.25, schedule });
  const fakeScore = gaussianScore("converges/fake", schedule, start);
  const generator = gaussianGenerator("converges/generator", schedule, tInit);
  const average = gaussianGenerator("converges/average", schedule, tInit);
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
