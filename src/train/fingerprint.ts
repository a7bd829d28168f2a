import {
  cast,
  concat,
  mean,
  reshape,
  slice,
  sqrt,
  square,
  type Tensor,
  tidy,
  type Variable,
} from "@tensorflow/tfjs-core";
import { isObject } from "../core/checks";
import { checkPrediction } from "../core/prediction-type";
import type { Method, MethodTimesteps } from "../methods/types";
import type { ScoreModel } from "../models/types";
import type { AdamOptions } from "./adam";
import { momentOf } from "./batch";
import { digest } from "./digest";
import type { Plan } from "./plan";
import { probeStream } from "./probe-stream";

/** What makes two runs the same run: one line of text per setting. */
export type Fingerprint = Readonly<Record<string, string>>;

/** The fingerprint of a run with that empty condition; the same in every process. */
export async function fingerprintOf(plan: Plan, uncond: Tensor | undefined): Promise<Fingerprint> {
  const { generator, teacher, fakeScore, discriminator, method, backward } = plan.objective;
  const passes = generator.steps;
  const moment = momentOf(plan.objective, { nimg: 0, iteration: 0, passes });
  const draw = (law: MethodTimesteps | undefined) => law?.(probeStream(), 8, moment);
  const t = method.generator.timesteps(probeStream(), 8, moment);
  return flat({
    method: { ...method.settings, name: method.name },
    updates: updatesOf(method),
    backward,
    fakeScoreAdam: plan.fakeUpdates > 0 ? optimizerOf(plan.fakeScoreAdam) : "none",
    generatorAdam: optimizerOf(plan.generatorAdam),
    batch: plan.batch,
    accumulationRounds: plan.accumulationRounds,
    sampleShape: plan.sampleShape,
    seed: plan.seed,
    conditions: plan.conditions
      ? { name: plan.conditions.name ?? "", empty: uncond && (await outlineOf(uncond)) }
      : "none",
    images: plan.images ? (plan.images.name ?? "") : "none",
    timesteps: t,
    fakeTimesteps: draw(method.fakeScore?.timesteps) ?? "none",
    ema: plan.ema ? { halfLife: plan.ema.halfLife, rampUp: plan.ema.rampUp } : "none",
    generator: {
      steps: generator.steps,
      settings: generator.settings ?? "none",
      weights: shapesOf(generator.variables),
    },
    fakeScore: fakeScore ? { predicts: scoreOf(fakeScore, t), weights: shapesOf(fakeScore.variables) } : "none",
    discriminator: discriminator
      ? { reads: discriminator.reads ?? "x_t", weights: shapesOf(discriminator.variables) }
      : "none",
    teacher: {
      predicts: scoreOf(teacher, t),
      weights: shapesOf(teacher.variables),
      values: await sampleOf(teacher.variables),
    },
  });
}

/** What a method does, as far as it is plain data: its settings need not tell all of it. */
function updatesOf({ generator, fakeScore, steps = "all", noising = "sample" }: Method): object {
  return { steps, noising, generator, fakeScore: fakeScore ?? "none" };
}

/** The settings of an optimiser; a schedule is known by its rates at some steps. */
function optimizerOf({ learningRate, ...settings }: AdamOptions): object {
  if (typeof learningRate !== "function") return { ...settings, learningRate };
  const steps = [0, 1, 10, 100, 1_000, 10_000, 100_000, 1_000_000];
  return { ...settings, learningRate: `a schedule ${digest(JSON.stringify(steps.map(learningRate)))}` };
}

/** Nested settings as one level of text: `guidance.kappa1`. */
function flat(settings: object, path = ""): Fingerprint {
  return Object.fromEntries(
    Object.entries(settings).flatMap(([key, value]) => {
      if (isObject(value)) return Object.entries(flat(value, `${path}${key}.`));
      const text =
        typeof value === "function" ? "a function" : typeof value === "string" ? value : JSON.stringify(value);
      return [[path + key, text ?? "none"]];
    }),
  );
}

/** Where two fingerprints differ, in words. */
export function differences(saved: Fingerprint, own: Fingerprint): string[] {
  return [...new Set([...Object.keys(own), ...Object.keys(saved)])]
    .filter((name) => saved[name] !== own[name])
    .map((name) => `${name} (checkpoint ${saved[name] ?? "none"}, this run ${own[name] ?? "none"})`);
}

/** Shape and size of a tensor's values; coarse, since another machine may round otherwise. */
async function outlineOf(x: Tensor): Promise<string> {
  const size = tidy(() => sqrt(mean(square(cast(x, "float32")))));
  const [rms] = await size.data().finally(() => size.dispose());
  return `${x.dtype} [${x.shape.join(", ")}] of size ${(rms as number).toPrecision(3)}`;
}

function shapesOf(variables: readonly Variable[]): string {
  const shapes = variables.map((v) => v.shape);
  const size = variables.reduce((n, v) => n + v.size, 0);
  return `${variables.length} tensors of ${size} weights ${digest(JSON.stringify(shapes))}`;
}

/** What a score model predicts and how its schedule runs. */
function scoreOf({ predicts, schedule }: ScoreModel, t: readonly number[]): string {
  return `${checkPrediction("distill", "predicts", predicts)} on ${schedule.kind} ${digest(JSON.stringify(t.map((x) => [schedule.alpha(x), schedule.sigma(x)])))}`;
}

/** The first few values of each variable: enough to tell one teacher from another without reading all of it. */
async function sampleOf(variables: readonly Variable[]): Promise<string> {
  if (variables.length === 0) return "none";
  const sample = tidy(() => concat(variables.map((v) => slice(reshape(v, [v.size]), 0, Math.min(8, v.size)))));
  const values = (await sample.data().finally(() => sample.dispose())) as Float32Array;
  return digest(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
}
