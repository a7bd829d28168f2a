import { rmSync } from "node:fs";
import { join } from "node:path";
import { type HostTensor, SidError, sidLsg } from "sid-lsg";
import { writeFileAtomic, writeSafetensors } from "sid-lsg/io";
import { readWeights, type Unet } from "sid-lsg/models";
import { checkpointsOf } from "../common/checkpoints";
import { openMetricsLog } from "../experiments/metrics-log";
import type { Job } from "../experiments/runs";
import { type Clock, startClock } from "../text-to-image/clock";
import { distillTeacher } from "../text-to-image/distillation";
import { type Judged, judgeMethod, judgeReal, type Measuring } from "../text-to-image/measure";
import { generatorMethod, type Method, teacherMethods } from "../text-to-image/methods";
import type { ModelFolder, Text } from "../text-to-image/model-folder";
import { type GroupName, groupNames, type World } from "../text-to-image/world";
import { type ConfigurationName, configurations, type ReferenceName, referenceNames } from "./configurations";
import { figuresOf, type StudyFigures } from "./figures";
import { drawStrip } from "./strips";

/** Where the study is done: a world, its teacher, what it is measured with, and the budget of each run. */
export interface Workplace {
  readonly world: World;
  readonly teacher: ModelFolder;
  readonly teacherUnet: Unet;
  readonly text: Text;
  readonly measuring: Measuring;
  readonly iterations: number;
  readonly captions: number;
}

/** The judge's features of a run's pictures, of each group. */
export const featuresFile = "features.safetensors";

/** κ of the guided teacher that the generators are compared with. */
const teacherScale = 1.5;

/** All jobs, seeds outermost: wherever it stops, all configurations have had about as many. References follow the first seed. */
export function studyJobs(place: Workplace, names: readonly ConfigurationName[], seeds: number): Job<StudyFigures>[] {
  const bySeed = Array.from({ length: seeds }, (_, seed) => names.map((name) => generatorJob(place, name, seed)));
  const [first = [], ...others] = bySeed;
  return [...first, ...referenceNames.map((name) => referenceJob(place, name)), ...others.flat()];
}

function generatorJob(place: Workplace, name: ConfigurationName, seed: number): Job<StudyFigures> {
  const { world, teacher, teacherUnet, text, iterations, captions } = place;
  const { guidance, alpha } = configurations[name];
  const { batch, learningRate } = world.recipe;
  return {
    ...{ name, seed },
    settings: { ...guidance, alpha, iterations, batch, learningRate, captions },
    async carryOut(folder, signal) {
      const clock = startClock();
      const log = openMetricsLog(folder);
      const checkpoint = join(folder, "checkpoint.safetensors");
      const generator = await distillTeacher({
        ...{ world, teacher, teacherUnet, text, iterations, seed, checkpoint, signal },
        resume: "if-present",
        method: sidLsg({ guidance, alpha }),
        onMetrics: log.add,
        onWarning: () => {},
      }).catch(unlessAborted);
      if (!generator) return undefined;
      try {
        if (signal.aborted) return undefined;
        const method = generatorMethod({ generator, text, pictures: teacher.pictures });
        await writeSafetensors(join(folder, "generator.safetensors"), await readWeights(generator));
        const figures = await measureMethod(place, folder, method, clock);
        for (const file of checkpointsOf(checkpoint)) rmSync(file);
        return {
          figures: { ...figures, training: log.summary() },
          seconds: { distillation: log.seconds(), measurement: clock.laps["measurement"] ?? 0 },
        };
      } finally {
        generator.dispose();
      }
    },
  };
}

/** What the generators are compared with. */
export function referenceJob(
  place: Omit<Workplace, "iterations">,
  name: ReferenceName,
): Job<Pick<StudyFigures, GroupName>> {
  const { teacherUnet, text, teacher, captions } = place;
  return {
    ...{ name, seed: 0 },
    settings: { captions, ...(name === "teacher50Guided" && { guidanceScale: teacherScale }) },
    async carryOut(folder) {
      const clock = startClock();
      const methods = teacherMethods({ unet: teacherUnet, text, pictures: teacher.pictures }, teacherScale);
      const figures = await measureMethod(place, folder, name === "real" ? undefined : methods[name], clock);
      return { figures, seconds: { measurement: clock.laps["measurement"] ?? 0 } };
    },
  };
}

/** Measures a method, or real pictures; keeps the features and the world's prompts drawn. */
export async function measureMethod(
  { measuring, world }: Pick<Workplace, "measuring" | "world">,
  folder: string,
  method: Method | undefined,
  clock: Clock,
): Promise<Pick<StudyFigures, GroupName>> {
  clock.lap("preparation");
  const verdicts: [GroupName, Judged][] = [];
  for (const name of groupNames) {
    const group = measuring.groups[name];
    verdicts.push([name, await (method ? judgeMethod(measuring, group, method.draw) : judgeReal(measuring, group))]);
  }
  const width = measuring.judge.config.features;
  const tensors = verdicts.map(([name, { features }]): [string, HostTensor] => [
    name,
    { dtype: "F32", shape: [features.length / width, width], data: features },
  ]);
  await writeSafetensors(join(folder, featuresFile), new Map(tensors));
  await writeFileAtomic(join(folder, "strip.png"), await drawStrip(world, measuring.real.draw, method?.draw));
  const figures = verdicts.map(([name, verdict]) => [name, figuresOf(verdict, measuring.groups[name])] as const);
  clock.lap("measurement");
  return Object.fromEntries(figures) as Pick<StudyFigures, GroupName>;
}

/** For `catch`: nothing where the signal stopped it. */
export function unlessAborted(error: unknown): undefined {
  if (!(error instanceof SidError && error.code === "aborted")) throw error;
}
