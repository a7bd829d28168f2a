/** One run of the league in the plane: a method distilled and measured, or what it is compared with. */
import { join } from "node:path";
import { type HostTensor, randomStream } from "sid-lsg";
import { writeSafetensors } from "sid-lsg/io";
import { generatorFrom, type ScoreModel } from "sid-lsg/models";
import { gaugeOf } from "../experiments/metrics-log";
import type { Job } from "../experiments/runs";
import { coverageOf } from "../plane/coverage";
import { type Cloud, drawGenerator, drawTruth, train } from "../plane/distillation";
import { classShares, ring } from "../plane/law";
import { type PlaneMethod, type PlaneMethodName, planeMethods } from "../plane/methods";
import { smoothedDensity, smoothedKl } from "../plane/smoothed";
import { makeWorld, type Process, pretrain, type World } from "../plane/world";
import { type LeagueTraining, median, passesOf, watchMemory } from "./cost";
import { countPasses } from "./passes";
import { affordable, backward, countedNetworks, countedWorld } from "./plane-cost";
import type { MethodRun, Rates } from "./search";

/** What each run may cost, and what is searched. */
export interface PlaneBudget extends Rates {
  /** Samples through a network, forwards or backwards, of a run per sample of the batch. */
  readonly passes: number;
  readonly tuningPasses: number;
  readonly batch: number;
  /** Points that a law is read from. */
  readonly points: number;
  /** Iterations of the pretraining that stands before all. */
  readonly pretraining: number;
}

/** What points in the plane say of their law. */
export interface LawFigures {
  /** Of the smoothed laws, in nats, by how often the classes occur; `null` where points were not finite. */
  readonly kl: number | null;
  /** Of the six Gaussians. */
  readonly covered: number;
  readonly stray: number;
}

/** What was measured of a method in the plane. */
export interface PlaneFigures extends LawFigures {
  /** What training cost; absent for what is compared with. */
  readonly training?: LeagueTraining;
}

/** Some points of each class, for pictures. */
export const pointsFile = "points.safetensors";
const kept = 1000;

/** A world and the network that was pretrained in it. */
interface Start {
  readonly world: World;
  readonly student: ScoreModel;
}

/** For all runs of a process: pretrains once per process and seed, when it is asked for; only the last one stays in memory. */
export function startsOf({ pretraining }: PlaneBudget) {
  let last: { readonly key: string; readonly starts: Map<Process, Start> } | undefined;
  const start = (process: Process, seed: number): Start => {
    const key = String(seed);
    if (last?.key !== key) {
      for (const { student } of last?.starts.values() ?? []) student.dispose();
      last = { key, starts: new Map() };
    }
    const found = last.starts.get(process);
    if (found) return found;
    const world = makeWorld(process);
    const student = world.network(`student-${process}`, randomStream(seed));
    pretrain(student, world, randomStream(seed), pretraining);
    const made = { world, student };
    last.starts.set(process, made);
    return made;
  };
  return Object.assign(start, { bytes: watchMemory() });
}

export type Starts = ReturnType<typeof startsOf>;

/** A run of a method. */
export function methodJob(
  { jobName, name, learningRate, seed, passes }: MethodRun<PlaneMethodName>,
  budget: PlaneBudget,
  starts: Starts,
): Job<PlaneFigures> {
  const { fakeLearningRate: _, ...rest }: PlaneMethod = planeMethods[name];
  const entry: PlaneMethod = { ...rest, learningRate };
  const { batch, points, pretraining } = budget;
  return {
    ...{ name: jobName, seed },
    settings: { learningRate, passes, batch, points, pretraining, method: entry.method.settings },
    async carryOut(folder, signal) {
      const { world, student } = starts(entry.process ?? "ddpm", seed);
      const place = { world, student, seed, batch };
      const iterations = await affordable(entry, place, passes);
      if (signal.aborted) return undefined;
      const memory = starts.bytes.from();
      const counter = countPasses();
      const networks = countedNetworks(entry, place, counter);
      try {
        const spent: number[] = [];
        const each: number[] = [];
        let gauge: LeagueTraining["gauge"] = {};
        const { seconds } = await train(entry, networks, {
          ...place,
          world: countedWorld(world, counter),
          ...{ iterations, backward },
          onMetrics(metrics) {
            spent.push(counter.samples() / batch);
            each.push(metrics.seconds);
            gauge = gaugeOf(metrics);
          },
        });
        const peakBytes = memory.peak();
        const law = await lawOf(folder, await drawGenerator(networks.average, points, seed));
        const total = passesOf(spent);
        const training = {
          ...{ iterations, learningRate, steps: networks.generator.steps, passes: total, peakBytes },
          passesPerIteration: total / iterations,
          secondsPerIteration: median(each),
          gauge,
        };
        return { figures: { ...law, training }, seconds: { distillation: seconds } };
      } finally {
        for (const network of Object.values(networks)) network?.dispose();
      }
    },
  };
}

/** What is compared with: what all start from, and samples of the mixture itself. */
export function lawJob(
  name: "start" | "mixture",
  seed: number,
  { points, pretraining }: PlaneBudget,
  starts: Starts,
): Job<PlaneFigures> {
  return {
    ...{ name, seed },
    settings: { points, ...(name === "start" && { pretraining }) },
    async carryOut(folder) {
      const { world, student } = starts("ddpm", seed);
      const cloud =
        name === "start" ? drawGenerator(generatorFrom(student), points, seed) : drawTruth(world, points, seed);
      return { figures: await lawOf(folder, await cloud), seconds: {} };
    },
  };
}

/** Measures the law of points, and keeps some of them. */
async function lawOf(folder: string, cloud: Cloud): Promise<LawFigures> {
  const flat = cloud.map((few) => Float32Array.from(few.flat()));
  const some = flat.map((numbers, c): [string, HostTensor] => {
    const data = numbers.slice(0, 2 * kept);
    return [`class${c}`, { dtype: "F32", shape: [data.length / 2, 2], data }];
  });
  await writeSafetensors(join(folder, pointsFile), new Map(some));
  if (!flat.every((numbers) => numbers.every(Number.isFinite))) return { kl: null, covered: 0, stray: 1 };
  const coverage = flat.map((points, c) => coverageOf(points, ring, c));
  const mean = (values: readonly number[]) =>
    values.reduce((sum, value, c) => sum + value * (classShares(ring)[c] as number), 0);
  return {
    kl: mean(flat.map((points, c) => smoothedKl(points, smoothedDensity(ring, c)))),
    covered: coverage.reduce((sum, { covered }) => sum + covered, 0),
    stray: mean(coverage.map(({ stray }) => stray)),
  };
}
