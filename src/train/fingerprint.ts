import { concat, reshape, slice, tidy, type Variable } from "@tensorflow/tfjs-core";
import { describe } from "../core/checks";
import type { ScoreModel } from "../models/types";
import { digest } from "./digest";
import { type Plan, probeStream } from "./plan";

/** What makes two runs the same run: one line of text per setting. */
export type Fingerprint = Readonly<Record<string, string>>;

/** The fingerprint of a run; the same in every process and on every backend. */
export async function fingerprintOf(plan: Plan): Promise<Fingerprint> {
  const { generator, teacher, fakeScore, ...generatorSettings } = plan.generatorObjective;
  const { weight: fakeWeight, lossScale: fakeLossScale } = plan.fakeObjective;
  const t = plan.timesteps(probeStream(), 8);
  const settings: Record<string, unknown> = {
    ...generatorSettings,
    fakeWeight,
    fakeLossScale,
    fakeAdam: plan.fakeAdam,
    generatorAdam: plan.generatorAdam,
    batch: plan.batch,
    rounds: plan.rounds,
    sampleShape: plan.sampleShape,
    seed: plan.seed,
    contextDropout: plan.contextDropout,
    conditions: plan.conditions ? (plan.conditions.name ?? "") : "none",
    timesteps: t,
    ema: plan.ema ? { halfLife: plan.ema.halfLife, rampUp: plan.ema.rampUp } : "none",
    generator: `${generator.steps} steps, ${generator.settings ?? "no settings"}, ${shapesOf(generator.variables)}`,
    fakeScore: `${scoreOf(fakeScore, t)}, ${shapesOf(fakeScore.variables)}`,
    teacher: `${scoreOf(teacher, t)}, ${shapesOf(teacher.variables)}, values ${await sampleOf(teacher.variables)}`,
  };
  const text = (value: unknown) =>
    typeof value === "function" ? "a function" : typeof value === "string" ? value : JSON.stringify(value);
  return Object.fromEntries(Object.entries(settings).map(([name, value]) => [name, text(value)]));
}

/** Where two fingerprints differ, in words. */
export function differences(saved: Fingerprint, own: Fingerprint): string[] {
  return [...new Set([...Object.keys(own), ...Object.keys(saved)])]
    .filter((name) => saved[name] !== own[name])
    .map((name) => `${name} (checkpoint ${describe(saved[name])}, this run ${describe(own[name])})`);
}

function shapesOf(variables: readonly Variable[]): string {
  const shapes = variables.map((v) => v.shape);
  const size = variables.reduce((n, v) => n + v.size, 0);
  return `${variables.length} tensors of ${size} weights ${digest(JSON.stringify(shapes))}`;
}

/** What a score model predicts and how its schedule runs. */
function scoreOf({ predicts, schedule }: ScoreModel, t: readonly number[]): string {
  return `${predicts} on ${schedule.kind} ${digest(JSON.stringify(t.map((x) => [schedule.alpha(x), schedule.sigma(x)])))}`;
}

/** The first few values of each variable: enough to tell one teacher from another without reading all of it. */
async function sampleOf(variables: readonly Variable[]): Promise<string> {
  if (variables.length === 0) return "none";
  const sample = tidy(() => concat(variables.map((v) => slice(reshape(v, [v.size]), 0, Math.min(8, v.size)))));
  const values = (await sample.data().finally(() => sample.dispose())) as Float32Array;
  return digest(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
}
