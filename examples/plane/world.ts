import { dispose, type Tensor, tensor2d } from "@tensorflow/tfjs-core";
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

/** A forward process, and what the networks predict under it. */
export type Process = "ddpm" | "flow";

const processes: Readonly<Record<Process, { readonly schedule: NoiseSchedule; readonly predicts: PredictionName }>> = {
  ddpm: {
    schedule: ddpmSchedule({ betaSchedule: "scaled_linear", betaStart: 0.00085, betaEnd: 0.012 }),
    predicts: "v",
  },
  flow: { schedule: flowSchedule(), predicts: "flow" },
};

/** How often each of the six Gaussians on the ring occurs. */
const weights = [1, 2, 1, 2, 1, 2];
/** Of each Gaussian, along both axes. */
export const variance = 0.03;

/** Centres of the six Gaussians, the first three of class 0, the others of class 1. */
const centres = weights.map((_, k) => {
  const angle = (2 * Math.PI * k) / weights.length;
  return [1.4 * Math.cos(angle), 1.4 * Math.sin(angle)] as const;
});

const classOf = (component: number) => Math.floor(component / 3);

/** The Gaussians of a class: where they are, and how often each occurs within the class. */
export function modesOf(c: number): { readonly centre: readonly [number, number]; readonly share: number }[] {
  const own = centres.flatMap((centre, k) => (classOf(k) === c ? [{ centre, weight: weights[k] as number }] : []));
  const all = own.reduce((sum, { weight }) => sum + weight, 0);
  return own.map(({ centre, weight }) => ({ centre, share: weight / all }));
}
const total = weights.reduce((a, b) => a + b, 0);

/** How often each class occurs. */
export const classShares = [0, 1].map(
  (c) => weights.reduce((sum, w, k) => sum + (classOf(k) === c ? w : 0), 0) / total,
);

/** The conditions "it is of this class": the weights of its Gaussians, or of all where no class is told. */
export function classConditions(classes: readonly (number | undefined)[]): Tensor {
  return tensor2d(
    classes.map((c) => {
      const own = weights.map((w, k) => (c === undefined || classOf(k) === c ? w : 0));
      const all = own.reduce((a, b) => a + b, 0);
      return own.map((w) => w / all);
    }),
  );
}

/** The exact teacher of the ring: its score is known, and so is that of each class. */
export type World = ReturnType<typeof makeWorld>;

/** The ring under a forward process, with conditions and real samples to learn from. */
export function makeWorld(process: Process) {
  const { schedule, predicts } = processes[process];
  const teacher = gaussianMixtureModel({
    weights,
    means: centres.map((centre) => [...centre]),
    variances: weights.map(() => variance),
    schedule,
  });
  const conditions: ConditionSource = {
    name: "two classes of a ring",
    sample: (stream, count) =>
      classConditions(stream.uniform(count).map((u) => (u < (classShares[0] as number) ? 0 : 1))),
    unconditional: () => classConditions([undefined]),
  };
  const images: ImageSource = {
    name: "a ring of Gaussians",
    sample(stream, count) {
      const components = teacher.components(stream, count);
      return { images: teacher.sample(stream, components), cond: classConditions(components.map(classOf)) };
    },
  };
  return {
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
export function pretrain(model: ScoreModel, { teacher, schedule }: World, stream: RandomStream, steps: number): void {
  const optimizer = adam(model.variables, { learningRate: cosineRate(3e-3, { totalSteps: steps }), beta1: 0.9 });
  const batch = 256;
  for (let step = 0; step < steps; step++) {
    const t = schedule.discrete ? stream.integers(batch, 0, schedule.tMax + 1) : stream.uniform(batch);
    const level = noiseLevel(schedule, t);
    const components = teacher.components(stream, batch);
    const told = stream.uniform(batch).map((u) => u > 0.1);
    const x0 = teacher.sample(stream, components);
    const cond = classConditions(components.map((k, i) => (told[i] ? classOf(k) : undefined)));
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
  }
  optimizer.dispose();
}
