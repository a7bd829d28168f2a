import { dispose } from "@tensorflow/tfjs-core";
import {
  addNoise,
  ddpmSchedule,
  fakeScoreLoss,
  flowSchedule,
  type NoiseSchedule,
  noiseLevel,
  type PredictionName,
  type RandomStream,
  valueAndGradients,
} from "sid-lsg";
import { gaussianMixtureModel, mlp, type ScoreModel } from "sid-lsg/models";
import { adam, type ConditionSource, cosineRate, type ImageSource } from "sid-lsg/train";
import { classConditions, classShares, type Law, ring } from "./law";

/** A forward process, and what the networks predict under it. */
export type Process = "ddpm" | "flow";

const processes: Readonly<Record<Process, { readonly schedule: NoiseSchedule; readonly predicts: PredictionName }>> = {
  ddpm: {
    schedule: ddpmSchedule({ betaSchedule: "scaled_linear", betaStart: 0.00085, betaEnd: 0.012 }),
    predicts: "v",
  },
  flow: { schedule: flowSchedule(), predicts: "flow" },
};

/** A law and its exact teacher: its score is known, and so is that of each class. */
export type World = ReturnType<typeof makeWorld>;

/** A law under a forward process, with conditions and real samples to learn from. */
export function makeWorld(process: Process, law: Law = ring) {
  const { schedule, predicts } = processes[process];
  const { weights, means, variance, classes } = law;
  const classOf = (component: number) => classes[component] as number;
  const share = classShares(law)[0] as number;
  const teacher = gaussianMixtureModel({ weights, means, variances: weights.map(() => variance), schedule });
  const conditions: ConditionSource = {
    name: "classes of a mixture",
    sample: (stream, count) =>
      classConditions(
        law,
        stream.uniform(count).map((u) => (u < share ? 0 : 1)),
      ),
    unconditional: () => classConditions(law, [undefined]),
  };
  const images: ImageSource = {
    name: "a mixture of Gaussians",
    sample(stream, count) {
      const components = teacher.components(stream, count);
      return { images: teacher.sample(stream, components), cond: classConditions(law, components.map(classOf)) };
    },
  };
  return {
    law,
    schedule,
    teacher,
    conditions,
    images,
    /** An untrained network of the teacher's kind. */
    network: (name: string, stream: RandomStream) =>
      mlp({ dim: 2, hidden, depth: 3, condDim: weights.length }, { name, schedule, predicts, weights: stream }),
    /** Samples of one class, `[count, 2]`. */
    sampleClass(stream: RandomStream, c: number, count: number) {
      const found: number[] = [];
      while (found.length < count) found.push(...teacher.components(stream, count).filter((k) => classOf(k) === c));
      return teacher.sample(stream, found.slice(0, count));
    },
  };
}

/** Width of the networks, and so the number of their features. */
export const hidden = 64;

/** Fits a network to the mixture by denoising its samples, one in ten without its class: stands in for pretraining. */
export function pretrain(model: ScoreModel, world: World, stream: RandomStream, steps: number): void {
  for (const _ of pretraining(model, world, stream, steps));
}

/** {@link pretrain}, one step at a time; yields how many are done. */
export function* pretraining(
  model: ScoreModel,
  { law, teacher, schedule }: World,
  stream: RandomStream,
  steps: number,
): Generator<number, void> {
  const optimizer = adam(model.variables, { learningRate: cosineRate(3e-3, { totalSteps: steps }), beta1: 0.9 });
  const batch = 256;
  try {
    for (let step = 0; step < steps; step++) {
      const t = schedule.discrete ? stream.integers(batch, 0, schedule.tMax + 1) : stream.uniform(batch);
      const level = noiseLevel(schedule, t);
      const components = teacher.components(stream, batch);
      const told = stream.uniform(batch).map((u) => u > 0.1);
      const x0 = teacher.sample(stream, components);
      const cond = classConditions(
        law,
        components.map((k, i) => (told[i] ? law.classes[k] : undefined)),
      );
      const noise = stream.normal([batch, 2]);
      const xt = addNoise({ x0, noise, level });
      const { value, gradients } = valueAndGradients(
        () =>
          fakeScoreLoss(
            { prediction: model.predict(xt, t, cond), generated: x0, noise, level },
            { predicts: model.predicts, weight: "none" },
          ),
        model.variables,
      );
      optimizer.step(gradients);
      dispose([x0, cond, noise, xt, value, ...gradients]);
      yield step + 1;
    }
  } finally {
    optimizer.dispose();
  }
}
