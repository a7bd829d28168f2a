import { longGuidance, lsg, sidLsg } from "sid-lsg";
import { type GeneratorModel, generatorFrom, type TextConditioner, type Unet } from "sid-lsg/models";
import { type DistillMetrics, distill, promptConditions } from "sid-lsg/train";
import { type ModelFolder, makeUnet } from "./model-folder";
import type { JobOptions } from "./options";
import { sampleShape } from "./picture-format";
import type { World } from "./world";

/** Which networks are guided by κ: all of them (LSG), or the teacher alone. */
export const guidances = { lsg, teacher: longGuidance } as const;

/** What the distillation needs beside the options. */
export interface DistillationInputs {
  readonly world: World;
  readonly teacher: ModelFolder;
  readonly teacherUnet: Unet;
  readonly text: TextConditioner;
  readonly options: JobOptions;
  readonly checkpoint: string;
  readonly signal: AbortSignal;
  /** Sees each iteration's figures. */
  readonly onMetrics: (metrics: DistillMetrics) => Promise<void>;
  /** Looks at the averaged generator now and then. */
  readonly onSnapshot: (generator: GeneratorModel, iteration: number) => Promise<void>;
}

/**
 * Makes a one-step generator of the teacher from captions alone: no picture is shown to it. Three more
 * U-Nets start as copies of the teacher: the generator, its moving average and the fake score.
 * Returns the average; the caller disposes of it.
 */
export async function distillTeacher(inputs: DistillationInputs): Promise<GeneratorModel> {
  const { world, teacher, teacherUnet, text, options, checkpoint, signal, onMetrics, onSnapshot } = inputs;
  const { batch, learningRate, ema } = world.recipe;
  const fakeScore = makeUnet(teacher, "fake-score");
  const generator = generatorFrom(makeUnet(teacher, "generator"));
  const average = generatorFrom(makeUnet(teacher, "generator-average"));

  const run = distill({
    teacher: teacherUnet,
    fakeScore,
    generator,
    ema: { target: average, ...ema },
    sampleShape: sampleShape(teacher.pictures),
    conditions: promptConditions({
      prompts: (stream, count) =>
        world.drawScenes("trained", count, stream).map((scene) => world.caption(scene, stream)),
      conditioner: text,
    }),
    backward: "joint", // generator and teacher run forward once instead of twice; the memory for it is small here
    method: sidLsg({ guidance: guidances[options.guidance](options.kappa), alpha: options.alpha }),
    iterations: options.iterations,
    batch,
    learningRate,
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
