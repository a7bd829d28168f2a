/** Each method of this family through `distill`, on networks of a few numbers. */
import { memory, square, sum, type Tensor1D, tensor } from "@tensorflow/tfjs-core";
import { describe, expect, test } from "vitest";
import { randomStream } from "../../src/core";
import { antiCfg, lsg } from "../../src/guidance";
import { fewStepSid, lcm, type Method, sid, sida, sidDit, sidLsg, sim, withReward } from "../../src/methods";
import { generatorFrom, networkDiscriminator } from "../../src/models";
import { type ConditionSource, type DistillOptions, distill, imageSource } from "../../src/train";
import { numbers } from "../support/matchers";
import { features, tinyNetwork } from "../support/tiny-network";

const conditions: ConditionSource = {
  name: "noise",
  sample: (stream, count) => stream.normal([count, features]),
  unconditional: () => tensor([[0.5, -0.5, 0]]),
};

/** The generator's weights at the start and after each iteration of 4 images. */
async function weightsOf(method: Method, more: (at: ReturnType<typeof stage>) => Partial<DistillOptions> = () => ({})) {
  const live = memory().numTensors;
  const at = stage();
  const [teacher, fakeScore] = [tinyNetwork("runs/teacher", 1), tinyNetwork("runs/fake", 2)];
  const weights = () => at.model.variables.flatMap((v) => numbers(v));
  const seen = [weights()];
  const options: DistillOptions = {
    ...{ teacher, generator: at.generator, sampleShape: [features], conditions, method },
    ...(method.fakeScore && { fakeScore }),
    ...{ iterations: 3, batch: 4, learningRate: 0.01, checkTeacher: false },
  };
  try {
    for await (const metrics of distill({ ...options, ...more(at) })) {
      expect(Number.isFinite(metrics.generatorLoss)).toBe(true);
      seen.push(weights());
    }
  } finally {
    for (const network of [teacher, fakeScore, at.model, at.averaged, at.discriminator]) network.dispose();
    at.images.dispose();
  }
  expect(memory().numTensors, "tensors left by the run").toBe(live);
  return seen;
}

/** What a method may need beside teacher and fake score. */
function stage() {
  const [model, averaged] = [tinyNetwork("runs/generator", 3), tinyNetwork("runs/average", 3)];
  return {
    ...{ model, averaged, generator: generatorFrom(model, { steps: 2, gradientThrough: "last" }) },
    average: generatorFrom(averaged, { steps: 2 }),
    discriminator: networkDiscriminator({
      ...{ name: "runs/discriminator", schedule: model.schedule, sampleShape: [features] },
      ...{ hidden: 4, depth: 1, timeDim: 4, weights: randomStream(4) },
    }),
    images: randomStream(5).normal([10, features]),
  };
}

const moved = (weights: readonly (readonly number[])[]) =>
  weights.slice(1).map((now, i) => now.some((x, j) => x !== (weights[i] as readonly number[])[j]));

describe("distill carries out", () => {
  test.each([
    sid(),
    sid({ guidance: lsg(2), alpha: 1 }),
    sidLsg({ guidance: lsg(1.5) }),
    fewStepSid(),
    fewStepSid({ guidance: antiCfg(-0.5) }),
    sidDit(),
    sim(),
    sim({ distance: { huber: 0.1 }, guidance: lsg(1.5) }),
    withReward(sidLsg(), { reward: (x) => sum(square(x), 1) as Tensor1D, weight: 1, startsAt: 4 }),
  ])("$name", async (method) => {
    const weights = await weightsOf(method);
    expect(moved(weights)).toEqual([true, true, true]);
    expect(weights.flat().every(Number.isFinite)).toBe(true);
  });

  test("SiDA, whose generator waits, and whose adversarial term comes later", async () => {
    const needed = ({ discriminator, images }: ReturnType<typeof stage>) => ({
      ...{ discriminator, images: imageSource({ images, conditions: images }) },
    });
    const waits = await weightsOf(sida({ startsAt: 4, adversarialStartsAt: 8 }), needed);
    expect(moved(waits)).toEqual([false, true, true]);
    const never = await weightsOf(sida({ startsAt: 4, adversarialStartsAt: 12 }), needed);
    expect(never[2]).toEqual(waits[2]);
    expect(never[3]).not.toEqual(waits[3]);
  });

  test("LCM, without a fake score", async () => {
    const weights = await weightsOf(lcm(), ({ average, images }) => ({
      ...{ images: imageSource({ images, conditions: images }), ema: { target: average, halfLife: 10 } },
    }));
    expect(moved(weights)).toEqual([true, true, true]);
  });
});
