import { lsg, sidLsg } from "sid-lsg";
import { type GeneratorModel, generatorFrom, type TextConditioner, type Unet } from "sid-lsg/models";
import { type DistillMetrics, distill, promptConditions } from "sid-lsg/train";
import { caption, drawPairs, trainedPairs } from "./captions";
import type { QuickStartOptions } from "./options";
import { imageShape } from "./pixels";
import { type ModelFolder, makeUnet } from "./text-to-image";

/** Captions per training step. */
const batch = 32;

/** What the distillation needs beside the options. */
export interface DistillationInputs {
  readonly teacher: ModelFolder;
  readonly teacherUnet: Unet;
  readonly text: TextConditioner;
  readonly options: QuickStartOptions;
  readonly checkpoint: string;
  readonly signal: AbortSignal;
  /** Sees each iteration's figures. */
  readonly onMetrics: (metrics: DistillMetrics) => Promise<void>;
  /** Looks at the averaged generator now and then. */
  readonly onSnapshot: (generator: GeneratorModel, iteration: number) => Promise<void>;
}

/**
 * Makes a one-step generator of the teacher from captions alone: no image is shown to it. Three more
 * U-Nets start as copies of the teacher: the generator, its moving average and the fake score.
 * Returns the average; the caller disposes of it.
 */
export async function distillTeacher(inputs: DistillationInputs): Promise<GeneratorModel> {
  const { teacher, teacherUnet, text, options, checkpoint, signal, onMetrics, onSnapshot } = inputs;
  const fakeScore = makeUnet(teacher, "fake-score");
  const generator = generatorFrom(makeUnet(teacher, "generator"));
  const average = generatorFrom(makeUnet(teacher, "generator-average"));

  const run = distill({
    teacher: teacherUnet,
    fakeScore,
    generator,
    ema: { target: average, halfLife: 2500, rampUp: 0.5 },
    sampleShape: imageShape,
    conditions: promptConditions({
      prompts: (stream, count) => drawPairs(trainedPairs, count, stream).map((pair) => caption(pair, stream)),
      conditioner: text,
    }),
    backward: "joint", // generator and teacher run forward once instead of twice; the memory for it is small here
    method: sidLsg({ guidance: lsg(options.kappa) }),
    iterations: options.iterations,
    batch,
    learningRate: 2e-4,
    seed: options.seed,
    signal,
    checkpoint: { path: checkpoint, every: 25, resume: options.resume },
    snapshots: { every: 20, run: (snapshot) => onSnapshot(snapshot.generator, snapshot.iteration) },
  });
  try {
    for await (const metrics of run) await onMetrics(metrics);
  } finally {
    for (const network of [fakeScore, generator]) network.dispose();
  }
  return average;
}
