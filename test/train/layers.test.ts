import { concat, div, tensor, tidy } from "@tensorflow/tfjs-core";
import { layers, sequential } from "@tensorflow/tfjs-layers";
import { expect, test } from "vitest";
import { randomStream } from "../../src/core";
import { lsg } from "../../src/guidance";
import { sidLsg } from "../../src/methods";
import { generatorFrom, layersModel, mlp, type ScoreModel } from "../../src/models";
import { ddpmSchedule } from "../../src/schedules";
import { distill } from "../../src/train";
import { numbers } from "../support/matchers";

const schedule = ddpmSchedule();

/** A network of tf.layers for points in the plane with a condition `[B, 1]`. */
function ofLayers(name: string, seed: number): ScoreModel {
  const network = sequential({
    layers: [layers.dense({ units: 8, activation: "tanh", inputShape: [4] }), layers.dense({ units: 2 })],
  });
  const model = layersModel(network, {
    name,
    predicts: "eps",
    schedule,
    inputs: (xt, t, cond) => concat([xt, div(t, 1000), ...(cond ? [cond] : [])], 1),
  });
  // tf.layers draws its start from the host's own randomness.
  const stream = randomStream(seed);
  for (const v of model.variables) tidy(() => v.assign(tensor([...stream.normals(v.size)], v.shape)));
  return model;
}

function ofCore(name: string, seed: number): ScoreModel {
  const weights = randomStream(seed);
  return mlp(
    { dim: 2, hidden: 8, depth: 1, condDim: 1 },
    { name: `train-layers/${name}`, schedule, predicts: "eps", weights },
  );
}

test.each([
  ["tf.layers", ofLayers, ofLayers],
  ["tf.layers for the fake score, tfjs-core for the generator", ofLayers, ofCore],
  ["tfjs-core for the fake score, tf.layers for the generator", ofCore, ofLayers],
])("distills networks written in %s", async (_, fakeOf, generatorOf) => {
  const teacher = ofLayers("teacher", 1);
  const fakeScore = fakeOf("fake", 2);
  const model = generatorOf("generator", 3);
  const average = generatorOf("average", 3);
  const all = [teacher, fakeScore, model, average];
  const before = all.map((m) => m.variables.map((v) => numbers(v)));
  const seen: number[] = [];
  const run = distill({
    teacher,
    fakeScore,
    generator: generatorFrom(model),
    ema: { target: generatorFrom(average) },
    conditions: {
      sample: (stream, count) => stream.normal([count, 1]),
      unconditional: () => tensor([[0]]),
    },
    method: sidLsg({ guidance: lsg(1.5) }),
    sampleShape: [2],
    iterations: 2,
    batch: 4,
    learningRate: 0.01,
    checkTeacher: false,
  });
  for await (const { deltaSquared, droppedSamples } of run) {
    seen.push(deltaSquared);
    expect(droppedSamples).toBe(0);
  }
  expect(seen.length).toBe(2);
  expect(seen.every((x) => x > 0)).toBe(true);
  all.forEach((m, i) => {
    m.variables.forEach((v, k) => {
      if (i === 0) expect(numbers(v)).toEqual(before[i]?.[k]);
      else expect(numbers(v)).not.toEqual(before[i]?.[k]);
    });
  });
  for (const m of all) m.dispose();
});
