/** One run of the league on a text-to-image teacher: a method distilled until its passes are spent, and measured. */

import { join } from "node:path";
import { tidy } from "@tensorflow/tfjs-core";
import { randomStream, SidError } from "sid-lsg";
import { writeSafetensors } from "sid-lsg/io";
import { type GeneratorModel, generatorFrom, patchify, readWeights } from "sid-lsg/models";
import type { ImageSource } from "sid-lsg/train";
import { gaugeOf } from "../experiments/metrics-log";
import type { Job } from "../experiments/runs";
import type { PlaneMethodName } from "../plane/methods";
import { figuresOf, type GroupFigures, lostFigures } from "../study/figures";
import { measureMethod, unlessAborted, type Workplace } from "../study/jobs";
import { startClock } from "../text-to-image/clock";
import { distillTeacher } from "../text-to-image/distillation";
import { type Group, judgeMethod } from "../text-to-image/measure";
import { generatorMethod } from "../text-to-image/methods";
import { type LeagueTraining, type MemoryWatch, median, passesOf } from "./cost";
import { type EmojiMethod, emojiMethods, fourPassStarts } from "./emoji-methods";
import { countPasses } from "./passes";
import { type MethodRun, tuningSeed } from "./search";

/** Where the league is done. */
export interface LeaguePlace extends Omit<Workplace, "iterations"> {
  /** Captions that the search is measured on, trained on as the teacher was, and none of the table's. */
  readonly searched: Group;
  readonly memory: MemoryWatch;
}

/** What was measured of a method; of a run of the search, on its own captions of trained pairs. */
export interface EmojiFigures {
  readonly trained: GroupFigures;
  readonly heldOut?: GroupFigures;
  /** Absent for what is compared with. */
  readonly training?: EmojiTraining;
}

/** What training cost, and how it ended. */
export interface EmojiTraining extends LeagueTraining {
  /** Samples that left a batch because they were not finite. */
  readonly droppedSamples: number;
  /** Whether it broke off: then there are no pictures. */
  readonly diverged: boolean;
}

/** No iteration takes less than one pass. */
const fewestPasses = 1;

/** A run of a method. What is interrupted is done anew: it takes a minute. */
export function emojiJob(place: LeaguePlace, run: MethodRun<PlaneMethodName>): Job<EmojiFigures> {
  const { jobName, name, learningRate, seed, passes } = run;
  const { world, teacher, text, captions, searched } = place;
  const { method, generator: generatorOptions }: EmojiMethod = emojiMethods[name];
  const { batch } = world.recipe;
  const isSearch = seed === tuningSeed;
  return {
    ...{ name: jobName, seed },
    settings: {
      ...{ learningRate, passes, batch, captions: isSearch ? searched.captions.length : captions },
      ...{ generator: generatorOptions ?? {}, method: method.settings },
    },
    async carryOut(folder, signal) {
      const clock = startClock();
      const trained = await train(place, run, signal);
      if (!trained || signal.aborted) {
        trained?.generator?.dispose();
        return undefined;
      }
      const { generator, training } = trained;
      clock.lap("distillation");
      const seconds = () => ({
        distillation: clock.laps["distillation"] ?? 0,
        measurement: clock.laps["measurement"] ?? 0,
      });
      if (!generator) return { figures: { trained: lostFigures, heldOut: lostFigures, training }, seconds: seconds() };
      try {
        const drawn = generatorMethod({ generator, text, pictures: teacher.pictures });
        if (isSearch) {
          const verdict = await judgeMethod(place.measuring, searched, drawn.draw);
          const figures = { trained: figuresOf(verdict, searched), training };
          clock.lap("measurement");
          return { figures, seconds: seconds() };
        }
        await writeSafetensors(join(folder, "generator.safetensors"), await readWeights(generator));
        const figures = await measureMethod(place, folder, drawn, clock);
        return { figures: { ...figures, training }, seconds: seconds() };
      } finally {
        generator.dispose();
      }
    },
  };
}

/** Where the generators of four passes start. */
export function startJob(place: LeaguePlace, name: keyof typeof fourPassStarts): Job<EmojiFigures> {
  const { teacherUnet, text, teacher, captions } = place;
  return {
    ...{ name, seed: 0 },
    settings: { captions, generator: fourPassStarts[name] },
    async carryOut(folder) {
      const clock = startClock();
      const generator = generatorFrom(teacherUnet, fourPassStarts[name]);
      const drawn = generatorMethod({ generator, text, pictures: teacher.pictures });
      const figures = await measureMethod(place, folder, drawn, clock);
      return { figures, seconds: { measurement: clock.laps["measurement"] ?? 0 } };
    },
  };
}

/** Trains until the next iteration would spend more than there is. Undefined where the signal stopped it, no generator where it broke off. */
async function train(
  { world, teacher, teacherUnet, text, measuring, memory }: LeaguePlace,
  { name, learningRate, seed, passes }: MethodRun<PlaneMethodName>,
  signal: AbortSignal,
): Promise<{ readonly generator: GeneratorModel | undefined; readonly training: EmojiTraining } | undefined> {
  const { method, generator: generatorOptions, ema, discriminator, seesPictures }: EmojiMethod = emojiMethods[name];
  const { batch } = world.recipe;
  const counter = countPasses();
  const bytes = memory.from();
  const judge = discriminator?.(channelsOf(teacher.unet.config), randomStream(seed));
  const [spent, each, peaks]: [number[], number[], number[]] = [[], [], []];
  const spentUp = new AbortController();
  let gauge: LeagueTraining["gauge"] = {};
  let droppedSamples = 0;
  let diverged = false;
  const generator = await distillTeacher({
    ...{ world, teacher, text, method, learningRate, seed },
    ...(generatorOptions && { generatorOptions }),
    ...(ema && { ema }),
    ...(judge && { discriminator: counter.discriminator(judge) }),
    ...(seesPictures && { images: realPictures({ world, text, measuring }) }),
    teacherUnet: counter.network(teacherUnet),
    watch: counter.network,
    iterations: Math.ceil(passes / fewestPasses),
    signal: AbortSignal.any([signal, spentUp.signal]),
    onMetrics(metrics) {
      spent.push(counter.samples() / batch);
      each.push(metrics.seconds);
      peaks.push(bytes.peak());
      bytes.restart();
      gauge = gaugeOf(metrics);
      droppedSamples += metrics.droppedSamples;
      const total = passesOf(spent);
      if (spent.length > 1 && total + total / spent.length > passes) spentUp.abort();
    },
    onWarning: () => {},
  })
    .catch(unlessAborted)
    .catch((error: unknown) => {
      if (!(error instanceof SidError && error.code === "not-finite")) throw error;
      diverged = true;
      return undefined;
    })
    .finally(() => judge?.dispose());
  if (!generator && !diverged) return undefined;
  const total = passesOf(spent);
  const training: EmojiTraining = {
    ...{
      iterations: spent.length,
      learningRate,
      steps: generator?.steps ?? generatorOptions?.steps ?? 1,
      passes: total,
    },
    passesPerIteration: spent.length > 0 ? total / spent.length : 0,
    ...{ secondsPerIteration: median(each), peakBytes: median(peaks), gauge, droppedSamples, diverged },
  };
  return { generator, training };
}

/** The channels of the U-Net's features: those of its widest level. */
function channelsOf({ block_out_channels: channels }: Readonly<Record<string, unknown>>): number {
  return (channels as readonly number[]).at(-1) as number;
}

/** Real pictures of trained pairs with their captions, as the networks see them. */
function realPictures({ world, text, measuring }: Pick<LeaguePlace, "world" | "text" | "measuring">): ImageSource {
  return {
    name: "real pictures",
    sample(stream, count) {
      const scenes = world.drawScenes("trained", count, stream);
      const cond = text.encode(scenes.map((scene) => world.caption(scene, stream)));
      return {
        images: tidy(() => patchify(measuring.real.draw(scenes, stream), world.pictures.patch_size)),
        cond,
      };
    },
  };
}

/** Captions of trained pairs for the search, measured against the same real pictures as the table's. */
export function searchGroup({ world, measuring }: Pick<Workplace, "world" | "measuring">, count: number): Group {
  const stream = randomStream(301);
  const scenes = world.drawScenes("trained", count, stream);
  return { ...measuring.groups.trained, scenes, captions: scenes.map((scene) => world.caption(scene, stream)) };
}
