import { longGuidance, lsg, type Method } from "sid-lsg";
import {
  type Discriminator,
  type GeneratorModel,
  generatorFrom,
  type TextConditioner,
  type Unet,
} from "sid-lsg/models";
import { type DistillMetrics, type DistillOptions, distill, type ImageSource, promptConditions } from "sid-lsg/train";
import { type ModelFolder, makeUnet } from "./model-folder";
import { sampleShape } from "./picture-format";
import type { World } from "./world";

/** Which networks are guided by κ: all of them (LSG), or the teacher alone. */
export const guidances = { lsg, teacher: longGuidance } as const;

/** What the distillation needs beside its recipe. */
export interface DistillationInputs {
  readonly world: World;
  readonly teacher: ModelFolder;
  readonly teacherUnet: Unet;
  readonly text: TextConditioner;
  readonly method: Method;
  readonly iterations: number;
  readonly seed: number;
  readonly resume: boolean | "if-present";
  /** @defaultValue the world's */
  readonly learningRate?: number;
  /** For methods that have one; borrowed. */
  readonly discriminator?: Discriminator;
  /** For methods that learn from real pictures. */
  readonly images?: ImageSource;
  readonly checkpoint: string;
  readonly signal: AbortSignal;
  /** Sees each iteration's figures. */
  readonly onMetrics: (metrics: DistillMetrics) => void | Promise<void>;
  /** Looks at the averaged generator now and then. */
  readonly onSnapshot?: (generator: GeneratorModel, iteration: number) => Promise<void>;
  /** Told what is doubtful; on the console otherwise. */
  readonly onWarning?: DistillOptions["onWarning"];
}

/**
 * Makes a one-step generator of the teacher from captions alone: no picture is shown to it. Three more
 * U-Nets start as copies of the teacher: the generator, its moving average and the fake score.
 * Returns the average; the caller disposes of it.
 */
export async function distillTeacher(inputs: DistillationInputs): Promise<GeneratorModel> {
  const { world, teacher, teacherUnet, text, resume, checkpoint, onMetrics, onSnapshot, ...rest } = inputs;
  const { batch, learningRate, ema } = world.recipe;
  const fakeScore = makeUnet(teacher, "fake-score");
  const generator = generatorFrom(makeUnet(teacher, "generator"));
  const average = generatorFrom(makeUnet(teacher, "generator-average"));

  const run = distill({
    learningRate,
    ...rest,
    teacher: teacherUnet,
    fakeScore: inputs.method.fakeScore && fakeScore,
    generator,
    ema: { target: average, ...ema },
    sampleShape: sampleShape(teacher.pictures),
    conditions: promptConditions({
      prompts: (stream, count) =>
        world.drawScenes("trained", count, stream).map((scene) => world.caption(scene, stream)),
      conditioner: text,
    }),
    backward: "joint", // generator and teacher run forward once instead of twice; the memory for it is small here
    batch,
    checkpoint: { path: checkpoint, every: 25, resume },
    ...(onSnapshot && {
      snapshots: { every: 20, run: (snapshot) => onSnapshot(snapshot.generator, snapshot.iteration) },
    }),
  });
  try {
    for await (const metrics of run) await onMetrics(metrics);
  } catch (error) {
    average.dispose();
    throw error;
  } finally {
    for (const network of [fakeScore, generator]) network.dispose();
  }
  return average;
}
