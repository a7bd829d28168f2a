import { type Tensor, tensor, tensor1d, tidy } from "@tensorflow/tfjs-core";
import { SidError } from "../core/errors";
import { randomStream } from "../core/random";
import type { Circumstances, Cotangents, GeneratorUpdate, Method, MethodTimesteps, Moment } from "../methods/types";
import { noiseLevel } from "../predict/level";
import { edmSchedule, flowSchedule } from "../schedules/continuous";
import { ddpmSchedule } from "../schedules/ddpm";
import type { NoiseSchedule } from "../schedules/types";
import { fail, take, type Values } from "./contract-case";

/** A schedule, and where a generator of two passes is asked on it. */
export interface Stage {
  readonly schedule: NoiseSchedule;
  readonly tInit: number;
}

/** One of each family. */
const stages = (): Stage[] => [
  { schedule: ddpmSchedule(), tInit: 750 },
  { schedule: edmSchedule(), tInit: 2.5 },
  { schedule: flowSchedule(), tInit: 0.8 },
];

/** Images seen, behind every warm-up. */
export const late = Number.MAX_SAFE_INTEGER;

/** Where a run stands whose generator makes the last of two passes. */
export function momentOn({ schedule, tInit }: Stage, nimg = late): Moment {
  const from = schedule.discrete ? Math.floor(tInit / 2) : tInit / 2;
  return { schedule, nimg, iteration: 3, interval: { from, to: schedule.tMin } };
}

/** The laws of t of both updates. */
export function lawsOf({ generator, fakeScore }: Method): Readonly<Record<string, MethodTimesteps>> {
  const laws: Record<string, MethodTimesteps | undefined> = {
    "generator.timesteps": generator.timesteps,
    "generator.otherTimesteps": "otherTimesteps" in generator ? generator.otherTimesteps : undefined,
    "fakeScore.timesteps": fakeScore?.timesteps,
    "fakeScore.discriminator.timesteps": fakeScore?.discriminator?.timesteps,
  };
  return Object.fromEntries(Object.entries(laws).filter((entry): entry is [string, MethodTimesteps] => !!entry[1]));
}

/** The stages for whose schedules the method has laws; one at least. */
export function stagesOf(method: Method): readonly [Stage, ...Stage[]] {
  const draws = (stage: Stage) => {
    try {
      for (const law of Object.values(lawsOf(method))) law(randomStream(1), 4, momentOn(stage));
      return true;
    } catch (error) {
      if (error instanceof SidError && error.code === "unsupported") return false;
      throw error;
    }
  };
  const [first, ...others] = stages().filter(draws);
  return first
    ? [first, ...others]
    : fail(`methodContract: ${method.name} has laws of t for no family of schedules: vp, ve, flow.`);
}

/** A batch in plain numbers, so that it can be cut and spoiled. */
export interface Inputs {
  /** The shape of a batch of one, and the numbers of each sample; by name, `cond` among them. */
  readonly tensors: Readonly<Record<string, { readonly shape: readonly number[]; readonly rows: readonly number[][] }>>;
  readonly t: readonly number[];
  readonly valid: readonly number[];
}

/** Samples, answers and conditions at times of the law's; logits are one per sample, or maps where samples are images. */
export function inputsOf(method: Method, stage: Stage, sampleShape: readonly number[] = [3], count = 4): Inputs {
  const stream = randomStream(7);
  const shape = [1, ...sampleShape];
  const names: Record<string, readonly number[]> = { generated: shape, cond: [1, 2] };
  if ("asks" in method.generator)
    for (const [name, { of }] of Object.entries(method.generator.asks))
      names[name] = of === "discriminator" ? shape.slice(0, -1) : shape;
  const tensors = Object.entries(names).map(([name, each]) => {
    const size = each.reduce((product, length) => product * length, 1);
    return [name, { shape: each, rows: Array.from({ length: count }, () => [...stream.normals(size)]) }] as const;
  });
  const t = method.generator.timesteps(stream, count, momentOn(stage));
  return { tensors: Object.fromEntries(tensors), t, valid: t.map(() => 1) };
}

/** Some samples of a batch. */
export function cut({ tensors, t, valid }: Inputs, from: number, to: number): Inputs {
  const parts = Object.entries(tensors).map(([name, { shape, rows }]) => [name, { shape, rows: rows.slice(from, to) }]);
  return { tensors: Object.fromEntries(parts), t: t.slice(from, to), valid: valid.slice(from, to) };
}

/** The same batch with other numbers in one tensor. */
export function changed(
  inputs: Inputs,
  name: string,
  change: (rows: readonly number[][]) => readonly number[][],
): Inputs {
  const { shape, rows } = inputs.tensors[name] as Inputs["tensors"][string];
  return { ...inputs, tensors: { ...inputs.tensors, [name]: { shape, rows: change(rows) } } };
}

/** Sample `at` counts no more, and holds this number everywhere. */
export function spoiled(inputs: Inputs, at: number, value: number): Inputs {
  const rows = (all: readonly number[][]) => all.map((row, i) => (i === at ? row.map(() => value) : row));
  const bad = Object.keys(inputs.tensors).reduce((batch, name) => changed(batch, name, rows), inputs);
  return { ...bad, valid: inputs.valid.map((one, i) => (i === at ? 0 : one)) };
}

/** The batch as an update sees it. */
export function given({ tensors, t, valid }: Inputs, stage: Stage, nimg = late) {
  const made = Object.entries(tensors).map(([name, { shape, rows }]) => {
    return [name, tensor(rows.flat(), [rows.length, ...shape.slice(1)])] as const;
  });
  const { cond, ...answers } = Object.fromEntries(made) as Record<string, Tensor>;
  const circumstances: Circumstances = {
    ...{ t, cond, valid: tensor1d([...valid], "float32") },
    ...{ level: noiseLevel(stage.schedule, t), moment: momentOn(stage, nimg) },
  };
  return { answers: answers as Record<"generated", Tensor>, circumstances };
}

/** The loss and each cotangent, in numbers. What else the method makes is freed. */
export function cotangentsAt(update: GeneratorUpdate, inputs: Inputs, stage: Stage, nimg = late): Promise<Values> {
  const made = tidy(() => {
    const { answers, circumstances } = given(inputs, stage, nimg);
    return update.cotangents(answers, circumstances) as Cotangents & Record<string, Tensor>;
  });
  return take(made);
}
