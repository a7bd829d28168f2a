/** A run of any method that was interrupted and resumed goes on bit for bit like one that was not, wherever it was. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dispose } from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { randomStream } from "../../src/core";
import { lsg } from "../../src/guidance";
import * as methods from "../../src/methods";
import { generatorFrom, headDiscriminator, mlp } from "../../src/models";
import { ddpmSchedule } from "../../src/schedules";
import { type DistillOptions, distill, imageSource } from "../../src/train";
import { numbers } from "../support/matchers";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sid-lsg-resume-"));
});
afterAll(() => rm(folder, { recursive: true }));

const schedule = ddpmSchedule();
const network = (name: string, seed: number) =>
  mlp(
    { dim: 2, hidden: 4, depth: 1, timeDim: 4, condDim: 3 },
    { name: `resume/${name}`, schedule, predicts: "v", weights: randomStream(seed) },
  );

/** The weights of all that trains, and the last figures. */
async function run(method: methods.Method, changes: Partial<DistillOptions>) {
  const [teacher, fakeScore, student, averaged] = [
    network("phi", 1),
    network("psi", 2),
    network("G", 3),
    network("E", 3),
  ];
  const discriminator = headDiscriminator({
    ...{ name: "resume/D", reads: "fakeScore", channels: 4, features: "vector", weights: randomStream(9) },
  });
  const [images, captions] = [randomStream(7).normal([12, 2]), randomStream(8).normal([12, 3])];
  const generator = generatorFrom(student, { steps: 3, gradientThrough: "last" });
  const all = [teacher, fakeScore, student, averaged, discriminator];
  try {
    const { metrics } = await distill({
      ...{ teacher, generator, method, sampleShape: [2], iterations: 4, batch: 4, accumulationRounds: 2 },
      ...{
        learningRate: 0.01,
        checkTeacher: false,
        ema: { target: generatorFrom(averaged, { steps: 3 }), halfLife: 10 },
      },
      ...(method.fakeScore && { fakeScore }),
      ...(method.fakeScore?.discriminator && { discriminator }),
      images: imageSource({ images, conditions: captions, name: "points" }),
      conditions: { sample: (s, count) => s.normal([count, 3]), unconditional: () => randomStream(1).normal([1, 3]) },
      ...changes,
    });
    const weights = all.map(({ variables }) => variables.flatMap((v) => numbers(v)));
    return { weights, metrics: { ...metrics, seconds: 0 } };
  } finally {
    for (const one of all) one.dispose();
    dispose([images, captions]);
  }
}

const { sid, sidLsg, fewStepSid, sidDit, sida, sds, csd, vsd, swiftBrush, diffInstruct } = methods;
const { dmd, dmd2, decoupledDmd, tdm, sim, fDistill, lcm } = methods;

test.each<[string, methods.Method]>([
  ["sid", sid()],
  ["sidLsg", sidLsg({ guidance: lsg(2) })],
  ["fewStepSid", fewStepSid()],
  ["sidDit", sidDit()],
  // Waits, then without and then with the adversarial term; neither begins with an iteration.
  ["sida", sida({ startsAt: 6, adversarialStartsAt: 9 })],
  ["sds", sds()],
  ["csd", csd()],
  ["vsd", vsd()],
  ["swiftBrush", swiftBrush()],
  ["diffInstruct", diffInstruct()],
  ["dmd", dmd()],
  ["dmd2", dmd2({ fakeUpdates: 2 })],
  ["dmd2 with a discriminator", dmd2({ fakeUpdates: 2, adversarialWeight: 0.1 })],
  ["decoupledDmd", decoupledDmd({ fakeUpdates: 2 })],
  ["tdm", tdm()],
  ["sim", sim()],
  ["fDistill", fDistill({ fakeUpdates: 2 })],
  ["lcm", lcm()],
])("%s", async (name, method) => {
  const whole = await run(method, {});
  for (const stop of [1, 2, 3]) {
    const path = join(folder, `${name}-${stop}-${process.env["SID_TEST_BACKEND"]}.safetensors`);
    await run(method, { iterations: stop, checkpoint: { path } });
    expect(await run(method, { checkpoint: { path, resume: true } }), `after ${stop}`).toEqual(whole);
  }
});
