/** Methods at work on one stage, from one seed, an iteration of each in turn. */
import { SidError } from "sid-lsg";
import type { GeneratorOptions } from "sid-lsg/models";
import { cosineRate, type DistillMetrics } from "sid-lsg/train";
import { type Networks, networksOf, trainingRun } from "../plane/distillation";
import { type PlaneMethod, planeMethods } from "../plane/methods";
import { methodOf } from "./methods";
import type { Stage } from "./stage";
import type { Contestant, LabState } from "./state";

/** A contestant with its networks. */
export interface Contender {
  readonly contestant: Contestant;
  readonly entry: PlaneMethod;
  readonly networks: Networks;
  /** Step sizes at the start of the cosine; may be moved while it trains. */
  readonly rates: { learningRate: number; fakeLearningRate: number };
  /** The figures of the last iteration. */
  metrics: DistillMetrics | undefined;
  /** Does an iteration. Returns whether there was one left. */
  advance(): Promise<boolean>;
  /** Ends the run, and frees its networks. */
  dispose(): Promise<void>;
}

/** The networks of a contestant, ready to train; the caller disposes of it. No two on a stage have the same name. */
export function openContender(contestant: Contestant, name: string, state: LabState, stage: Stage): Contender {
  const entry = entryOf(contestant, state);
  const { world, student, teacher } = stage;
  const { batch, iterations, seed } = state;
  const networks = networksOf(entry, { world, student, seed }, undefined, `${stage.name}/${name}/`);
  const free = () => {
    for (const network of Object.values(networks)) network?.dispose();
  };
  const { learningRate, fakeLearningRate = learningRate } = entry;
  const rates = { learningRate, fakeLearningRate };
  const falls = (totalSteps: number, of: keyof typeof rates) => {
    const share = cosineRate(1, { totalSteps });
    return (step: number) => rates[of] * share(step);
  };
  try {
    const run = trainingRun(entry, networks, {
      ...{ world, teacher, batch, iterations, seed },
      rates: {
        learningRate: falls(iterations, "learningRate"),
        fakeLearningRate: falls(iterations * (entry.method.fakeScore?.updates ?? 1), "fakeLearningRate"),
      },
    })[Symbol.asyncIterator]();
    return {
      ...{ contestant, entry, networks, rates, metrics: undefined },
      async advance() {
        const { done, value } = await run.next();
        if (!done) this.metrics = value;
        return !done;
      },
      async dispose() {
        await run.return();
        free();
      },
    };
  } catch (error) {
    free();
    throw error;
  }
}

/** All contenders of a state; the caller disposes of them. */
export async function openContenders(state: LabState, stage: Stage): Promise<Contender[]> {
  const opened: Contender[] = [];
  try {
    for (const [i, contestant] of state.contestants.entries())
      opened.push(openContender(contestant, String(i), state, stage));
    return opened;
  } catch (error) {
    for (const contender of opened) await contender.dispose();
    throw error;
  }
}

/** The plane's entry of a method, as the contestant wants it. */
export function entryOf(contestant: Contestant, { process, iterations }: LabState): PlaneMethod {
  const { method, learningRate, fakeLearningRate, passes, ...settings } = contestant;
  const entry: PlaneMethod = planeMethods[method];
  const rate = learningRate ?? entry.learningRate;
  return {
    ...entry,
    method: methodOf(method, settings),
    generator: generatorOptions(entry, process, passes),
    process,
    iterations,
    learningRate: rate,
    fakeLearningRate: fakeLearningRate ?? entry.fakeLearningRate ?? rate,
  };
}

/** One pass begins where as much signal is left as noise hides, several begin in noise; of either process at its own time. */
function generatorOptions(
  { generator = {} }: PlaneMethod,
  process: LabState["process"],
  passes?: number,
): GeneratorOptions {
  const steps = passes ?? generator.steps ?? 1;
  const inNoise = steps > 1 || generator.tInit !== undefined;
  const tInit = { ddpm: inNoise ? 999 : 625, flow: inNoise ? 1 : 0.8 }[process];
  return { ...generator, ...(steps > 1 && { gradientThrough: "last" as const }), steps, tInit };
}

/** Throws SidError `not-finite` where a run has diverged. Samples that are not finite are left out: the loss of none is 0. */
export function checkAlive({ metrics, entry }: Contender, batch: number): void {
  if (metrics && (!Number.isFinite(metrics.generatorLoss) || metrics.droppedSamples >= batch))
    throw new SidError(
      "not-finite",
      `${entry.title} has diverged: its numbers are finite no more. Lower the learning rate.`,
    );
}
