import { longGuidance, lsg, type Method } from "sid-lsg";
import type { WritableFolder } from "sid-lsg/io";
import {
  type Discriminator,
  type GeneratorModel,
  type GeneratorOptions,
  generatorFrom,
  type ScoreModel,
  type TextConditioner,
} from "sid-lsg/models";
import {
  type DistillEma,
  type DistillMetrics,
  type DistillOptions,
  distill,
  type ImageSource,
  promptConditions,
} from "sid-lsg/train";
import { type ModelFolder, makeUnet } from "./model-folder";
import { sampleShape } from "./picture-format";
import type { Subject } from "./world";

/** Which networks are guided by κ: all of them (LSG), or the teacher alone. */
export const guidances = { lsg, teacher: longGuidance } as const;

/** How fast the moving average forgets. */
type DistillEmaTimes = Omit<DistillEma, "target">;

/** What the distillation needs beside its recipe. */
export interface DistillationInputs {
  readonly world: Pick<Subject, "recipe" | "drawScenes" | "caption">;
  readonly teacher: ModelFolder;
  readonly teacherUnet: ScoreModel;
  readonly text: TextConditioner;
  readonly method: Method;
  readonly iterations: number;
  readonly seed: number;
  /** @defaultValue `false` */
  readonly resume?: boolean | "if-present";
  readonly allowOtherArithmetic?: boolean;
  /** @defaultValue the world's */
  readonly learningRate?: number;
  /** @defaultValue the world's */
  readonly ema?: DistillEmaTimes;
  /** @defaultValue one pass at t = 625 */
  readonly generatorOptions?: GeneratorOptions;
  /**
   * What each network that is made here is handed on as.
   * @defaultValue itself
   */
  readonly watch?: (network: ScoreModel) => ScoreModel;
  /** For methods that have one; borrowed. */
  readonly discriminator?: Discriminator;
  /** For methods that learn from real pictures. */
  readonly images?: ImageSource;
  /** @defaultValue none: what is stopped is lost */
  readonly checkpoint?: string;
  /** Where the checkpoint lies if not on the disk. */
  readonly folder?: WritableFolder;
  /**
   * Iterations from one checkpoint to the next.
   * @defaultValue `25`
   */
  readonly saveEvery?: number;
  /**
   * Iterations from one look to the next.
   * @defaultValue `20`
   */
  readonly lookEvery?: number;
  /** The other programs of this run, how often their weights are compared, and whether they share the moments. */
  readonly distributed?: DistillOptions["distributed"];
  readonly checkRanks?: DistillOptions["checkRanks"];
  readonly shardOptimizer?: DistillOptions["shardOptimizer"];
  readonly signal: AbortSignal;
  /** Sees each iteration's figures. */
  readonly onMetrics: (metrics: DistillMetrics) => void | Promise<void>;
  /** Sees each network's gradients as they come, before they are used. */
  readonly onGradients?: DistillOptions["onGradients"];
  /** Looks at the averaged generator now and then. */
  readonly onSnapshot?: (generator: GeneratorModel, iteration: number) => Promise<void>;
  /** Told what is doubtful; on the console otherwise. */
  readonly onWarning?: DistillOptions["onWarning"];
}

/**
 * Makes a generator of the teacher, of one step unless told otherwise, and from captions alone unless it is given pictures.
 * Three more U-Nets start as copies of the teacher: the generator, its moving average and, where the method has one, the
 * fake score. Returns the average; the caller disposes of it.
 */
export async function distillTeacher(inputs: DistillationInputs): Promise<GeneratorModel> {
  const {
    world,
    teacher,
    teacherUnet,
    text,
    resume = false,
    checkpoint,
    folder,
    saveEvery = 25,
    lookEvery = 20,
    allowOtherArithmetic,
    onMetrics,
    onSnapshot,
    ...others
  } = inputs;
  const { generatorOptions, watch = (network) => network, ema = world.recipe.ema, ...rest } = others;
  const { batch, learningRate } = world.recipe;
  const copy = (name: string) => watch(makeUnet(teacher, name));
  const fakeScore = inputs.method.fakeScore && copy("fake-score");
  const generator = generatorFrom(copy("generator"), generatorOptions);
  const average = generatorFrom(copy("generator-average"), generatorOptions);

  const options: DistillOptions = {
    learningRate,
    ...rest,
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
    batch,
    ...(checkpoint !== undefined && {
      checkpoint: { path: checkpoint, folder, every: saveEvery, resume, allowOtherArithmetic },
    }),
    ...(onSnapshot && {
      snapshots: { every: lookEvery, run: (snapshot) => onSnapshot(snapshot.generator, snapshot.iteration) },
    }),
  };
  try {
    for await (const metrics of distill(options)) await onMetrics(metrics);
  } catch (error) {
    average.dispose();
    throw error;
  } finally {
    for (const network of [fakeScore, generator]) network?.dispose();
  }
  return average;
}
