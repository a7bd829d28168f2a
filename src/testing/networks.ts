import { clone, customGrad, dispose, type Tensor, zeros } from "@tensorflow/tfjs-core";
import { randomStream } from "../core/random";
import type { Method } from "../methods/types";
import { networkDiscriminator } from "../models/discriminators/network";
import { generatorFrom } from "../models/generator";
import { mlp } from "../models/toy/mlp";
import type { Discriminator, GeneratorModel, ScoreModel } from "../models/types";
import type { TrainBatch } from "../train/batch";
import type { ConditionSource } from "../train/conditions";
import { imageSource } from "../train/images";
import { lawsOf, momentOn, type Stage } from "./inputs";

/** Features of a sample. */
const dim = 3;

/** Small networks with conditions, all that any method asks, and how often a backward pass went through each. */
export function networksOn({ schedule, tInit }: Stage, steps: number) {
  const backward: Record<string, number> = { teacher: 0, fakeScore: 0, generator: 0, average: 0, discriminator: 0 };
  const count = (name: string) =>
    customGrad((x) => ({
      value: clone(x as Tensor),
      gradFunc: (dy: Tensor) => {
        backward[name] = (backward[name] as number) + 1;
        return clone(dy);
      },
    }));
  const counting = (name: string, seed: number): ScoreModel => {
    const counted = count(name);
    const model = mlp(
      { dim, hidden: 4, depth: 1, condDim: 2, timeDim: 4 },
      { name: `method-contract/${name}`, schedule, predicts: "v", weights: randomStream(seed) },
    );
    return { ...model, predict: (xt, t, cond) => counted(model.predict(xt, t, cond)) };
  };
  const [teacher, fakeScore] = [counting("teacher", 1), counting("fakeScore", 2)];
  const [generator, average] = (["generator", "average"] as const).map((name) =>
    generatorFrom(counting(name, 3), { tInit, steps }),
  ) as [GeneratorModel, GeneratorModel];
  const alone = networkDiscriminator({
    ...{ name: "method-contract/discriminator", schedule, sampleShape: [dim] },
    ...{ hidden: 4, depth: 1, timeDim: 4, weights: randomStream(4) },
  });
  const judged = count("discriminator");
  const discriminator: Discriminator = { ...alone, logit: (xt, t) => judged(alone.logit(xt, t)) };
  const networks = { teacher, fakeScore, generator, average, discriminator };
  return {
    networks,
    backward,
    dispose: () => {
      for (const network of Object.values(networks)) network.dispose();
    },
  };
}

/** Conditions of two numbers. */
export const conditions: ConditionSource = {
  sample: (stream, count) => stream.normal([count, 2]),
  unconditional: () => zeros([1, 2]),
};

/** Eight images with their conditions; the caller disposes of them. */
export function imagesOf() {
  const stream = randomStream(5);
  const [images, cond] = [stream.normal([8, dim]), stream.normal([8, 2])];
  return { source: imageSource({ images, conditions: cond }), dispose: () => dispose([images, cond]) };
}

/** All that an update of either network may need; the caller disposes of it. */
export function batchOn(method: Method, stage: Stage, steps: number, whose: "generator" | "fakeScore") {
  const stream = randomStream(9);
  const count = 4;
  const laws = lawsOf(method);
  const moment = momentOn(stage);
  const other = laws[whose === "generator" ? "generator.otherTimesteps" : "fakeScore.discriminator.timesteps"];
  const normal = () => stream.normal([count, dim]);
  const batch: TrainBatch & { readonly cond: Tensor } = {
    noises: Array.from({ length: steps }, normal),
    noise: normal(),
    t: (laws[`${whose}.timesteps`] ?? method.generator.timesteps)(stream, count, moment),
    cond: stream.normal([count, 2]),
    uncond: conditions.unconditional(),
    other: other && { noise: normal(), t: other(stream, count, moment) },
    images: normal(),
    imageCond: stream.normal([count, 2]),
    uniforms: [...stream.uniform(count)],
  };
  const { noises, noise, cond, uncond, images, imageCond } = batch;
  const all = [...noises, noise, cond, uncond, images, imageCond, batch.other?.noise].filter((x) => x !== undefined);
  return { batch, dispose: () => dispose(all) };
}
