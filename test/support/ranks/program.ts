/** What the ranks of a test run: a small distillation, the same on each but for what is planted. */
import { readFileSync } from "node:fs";
import {
  add,
  mean,
  memory,
  mul,
  neg,
  reshape,
  slice,
  square,
  sub,
  type Tensor,
  type Tensor1D,
  tensor,
  tidy,
} from "@tensorflow/tfjs-core";
import { useBackend } from "../../../src/backends";
import { randomStream, SidError, type SidErrorCode } from "../../../src/core";
import { decodeSafetensors } from "../../../src/io";
import * as methods from "../../../src/methods";
import { generatorFrom, parseUnetConfig, unet } from "../../../src/models";
import { lora } from "../../../src/models/sd";
import { ddpmSchedule } from "../../../src/schedules";
import { stagesOf } from "../../../src/testing/inputs";
import { imagesOf, networksOn } from "../../../src/testing/networks";
import {
  type ConditionSource,
  type DistillMetrics,
  type DistillOptions,
  distill,
  promptConditions,
} from "../../../src/train";
import { needsImages, needsOf } from "../../../src/train/objective";
import { sharedReducer, type World } from "./shared-reducer";

/** What a rank is told. */
export interface Order {
  readonly world: World;
  readonly rank: number;
  readonly spec: Spec;
}

/** A run, and what goes wrong with it on one rank. */
export interface Spec {
  readonly backend?: "wasm" | "cpu";
  readonly method: keyof typeof methodsByName;
  readonly lora?: boolean;
  readonly options?: Partial<
    Pick<
      DistillOptions,
      | "batch"
      | "iterations"
      | "accumulationRounds"
      | "checkRanks"
      | "shardOptimizer"
      | "seed"
      | "learningRate"
      | "checkpoint"
      | "backward"
      | "adam"
    >
  >;
  readonly steps?: number;
  /** Conditions by prompts, by a source that gives rows, or by one that cannot. */
  readonly conditions?: "prompts" | "rows" | "whole";
  /** The sample of the whole batch whose condition is NaN, at the draws so numbered. */
  readonly spoil?: { readonly row: number; readonly draws: readonly number[] };
  /** Options of one rank alone. */
  readonly other?: {
    readonly rank: number;
    readonly options: Spec["options"];
    readonly backend?: "wasm" | "cpu";
    readonly prompts?: readonly string[];
  };
  /** After that iteration a weight of that rank changes. */
  readonly drift?: { readonly rank: number; readonly iteration: number };
  /** After that iteration that rank throws, what any program might, or an error with that code. */
  readonly fail?: { readonly rank: number; readonly iteration: number; readonly code?: SidErrorCode };
  /** After that iteration that rank's signal is given. */
  readonly stop?: { readonly rank: number; readonly iteration: number };
  /** Whether the run is told of no other ranks. */
  readonly alone?: boolean;
}

/** What came of it. */
export interface Outcome {
  readonly metrics: readonly Omit<DistillMetrics, "seconds" | "communicationSeconds">[];
  readonly communicationSeconds: readonly number[];
  readonly weights: Readonly<Record<string, Float32Array>>;
  /** Those of the first iteration, by network. */
  readonly gradients: Readonly<Record<string, Float32Array>>;
  readonly warnings: readonly string[];
  readonly error: { readonly code: string; readonly message: string } | undefined;
  readonly ended: string | undefined;
  readonly snapshots: number;
  /** Prompts that were encoded, the empty one included. */
  readonly encoded: number;
  readonly calls: number;
  /** Bytes of all tensors after the last iteration. */
  readonly bytes: number;
  readonly leaked: number;
}

const nearerIsBetter = (x: Tensor, cond: Tensor | undefined) =>
  tidy(
    () =>
      neg(mean(square(sub(reshape(x, [x.shape[0] as number, -1]), slice(cond as Tensor, 0, [-1, 1]))), 1)) as Tensor1D,
  );

const { withReward, ...m } = methods;

/** Every method, those with means over the batch as they come and without. */
export const methodsByName = {
  sds: () => m.sds(),
  csd: () => m.csd(),
  vsd: () => m.vsd(),
  swiftBrush: () => m.swiftBrush(),
  diffInstruct: () => m.diffInstruct(),
  dmd: () => m.dmd(),
  dmd2: () => m.dmd2({ fakeUpdates: 2 }),
  dmd2WithDiscriminator: () => m.dmd2({ fakeUpdates: 2, adversarialWeight: 1e-3 }),
  decoupledDmd: () => m.decoupledDmd({ fakeUpdates: 2 }),
  tdm: () => m.tdm(),
  fDistill: () => m.fDistill({ fakeUpdates: 2 }),
  fDistillWithoutMeans: () => m.fDistill({ fakeUpdates: 2, bins: 0, normalize: false }),
  sid: () => m.sid(),
  sidLsg: () => m.sidLsg(),
  fewStepSid: () => m.fewStepSid(),
  sidDit: () => m.sidDit(),
  sida: () => m.sida({ startsAt: 0, adversarialStartsAt: 0, adversarialScale: 1 }),
  sidaBySample: () => m.sida({ adversarialMean: "sample", startsAt: 0, adversarialStartsAt: 0 }),
  sim: () => m.sim(),
  lcm: () => m.lcm(),
  withReward: () => withReward(m.sid({ weight: "none" }), { reward: nearerIsBetter, weight: 0.1 }),
} satisfies Record<string, () => methods.Method>;

const prompts = Array.from({ length: 40 }, (_, i) => `caption ${i}`);

export async function runProgram({ world, rank, spec }: Order): Promise<Outcome> {
  const { other = { rank: -1, options: {} }, drift, fail, stop, spoil, alone } = spec;
  const mine = other.rank === rank ? other : undefined;
  await useBackend(
    mine?.backend ?? spec.backend ?? "wasm",
    mine?.backend === "cpu" || spec.backend === "cpu" ? {} : { threads: 1 },
  );
  const before = memory().numTensors;
  const made = spec.lora ? adaptersOn() : networksOf(spec);
  let [encoded, calls, draws, snapshots, bytes] = [0, 0, 0, 0, 0];
  const conditioner = {
    encode(texts: readonly string[]) {
      encoded += texts.length;
      const stream = texts.map((text) => randomStream(text.length === 0 ? 0 : Number(text.split(" ")[1]) + 1));
      return tensor(stream.map((s) => [...s.normals(2)])) as never;
    },
  };
  const captions = promptConditions({ prompts: mine?.prompts ?? prompts, conditioner });
  const draw: ConditionSource["sample"] = (stream, count) => {
    draws++;
    const spoiled = spoil?.draws.includes(draws);
    const x = captions.sample(stream, count);
    if (!spoiled) return x;
    const mask = Array.from({ length: count }, (_, i) => [i === spoil?.row ? Number.NaN : 0]);
    return tidy(() => {
      const y = add(x, tensor(mask));
      x.dispose();
      return y;
    });
  };
  const whole: ConditionSource = { name: captions.name, sample: draw, unconditional: captions.unconditional };
  const conditions = spec.conditions === "prompts" ? captions : (made.conditions ?? whole);
  const { images, method } = made;
  const reducer = sharedReducer(world, rank, () => {
    calls++;
  });
  const abort = new AbortController();
  const metrics: Outcome["metrics"][number][] = [];
  const communicationSeconds: number[] = [];
  const warnings: string[] = [];
  const gradients: Record<string, Float32Array> = {};
  let error: Outcome["error"];
  let ended: string | undefined;
  const options: DistillOptions = {
    ...made.networks,
    ...{ method, conditions, images: images?.source, sampleShape: made.sampleShape },
    ...{ batch: 12, iterations: 4, learningRate: 1e-3, checkTeacher: false, checkRanks: 2, seed: 5 },
    ...spec.options,
    ...mine?.options,
    ...{ onWarning: (text) => void warnings.push(text), signal: abort.signal },
    snapshots: { every: 2, run: () => void snapshots++ },
    onGradients({ network, iteration, gradients: all }) {
      if (iteration === 1) gradients[network] = flat(all);
      return undefined;
    },
    onIteration({ iteration }) {
      bytes = memory().numBytes;
      if (drift?.rank === rank && drift.iteration === iteration)
        tidy(() => {
          const v = made.networks.generator.variables[1];
          v?.assign(add(v, 1e-6));
        });
      if (fail?.rank === rank && fail.iteration === iteration) {
        const message = "the disk is full";
        throw fail.code ? new SidError(fail.code, message) : new Error(message);
      }
      if (stop?.rank === rank && stop.iteration === iteration) abort.abort();
    },
    ...(alone ? {} : { distributed: reducer }),
  };
  if (stop?.rank === rank && stop.iteration === 0) abort.abort();
  try {
    const run = distill(options);
    for await (const { seconds, communicationSeconds: exchanged, ...rest } of run) {
      metrics.push(rest);
      communicationSeconds.push(exchanged);
    }
    ({ ended } = await run);
  } catch (thrown) {
    error =
      thrown instanceof SidError
        ? { code: thrown.code, message: thrown.message }
        : { code: "other", message: String(thrown) };
  }
  const weights = Object.fromEntries(
    Object.entries(made.trained).map(([name, { variables }]) => [name, flat(variables)]),
  );
  made.dispose();
  images?.dispose();
  const leaked = memory().numTensors - before;
  return {
    metrics,
    communicationSeconds,
    weights,
    gradients,
    warnings,
    error,
    ended,
    snapshots,
    encoded,
    calls,
    bytes,
    leaked,
  };
}

function flat(tensors: readonly Tensor[]): Float32Array {
  return Float32Array.from(tensors.flatMap((x) => [...x.dataSync()]));
}

function networksOf({ method: name, steps = 2 }: Spec) {
  const method = methodsByName[name]() as methods.Method;
  const [stage] = stagesOf(method);
  const made = networksOn(stage, steps);
  const { average, ...networks } = made.networks;
  const needs = needsOf(method);
  const { teacher, generator, fakeScore, discriminator } = networks;
  return {
    method,
    networks: {
      ...{ teacher, generator, ema: { target: average, halfLife: 50 } },
      ...(needs.fakeScore && { fakeScore }),
      ...(needs.discriminator && { discriminator }),
    },
    trained: { ...networks, average },
    images: needsImages(method) ? imagesOf() : undefined,
    sampleShape: [3],
    conditions: undefined,
    dispose: made.dispose,
  };
}

/** A U-Net with low-rank adapters as generator and fake score. */
function adaptersOn() {
  const golden = decodeSafetensors(readFileSync("test/golden/lora-case.safetensors"));
  const config = parseUnetConfig(JSON.parse(golden.metadata["config"] as string));
  const weights = new Map(
    [...golden.tensors].filter(([name]) => name.startsWith("weight.")).map(([name, x]) => [name.slice(7), x]),
  );
  const schedule = ddpmSchedule();
  const teacher = unet(config, { name: "ranks/base", schedule, predicts: "eps", weights });
  const adapter = (name: string, seed: number) => {
    const model = lora(teacher, { name: `ranks/${name}`, rank: 2, weights: randomStream(seed) });
    // Adapters begin at 0, where gradients are nothing but rounding.
    for (const v of model.variables) tidy(() => v.assign(add(v, mul(randomStream(seed + 1).normal(v.shape), 0.1))));
    return model;
  };
  const [fakeScore, student] = [adapter("fake", 1), adapter("generator", 2)];
  const generator = generatorFrom(student);
  const conditions: ConditionSource = {
    sample: (stream, count) => stream.normal([count, 5, 6]),
    unconditional: () => randomStream(9).normal([1, 5, 6]),
  };
  return {
    method: m.sidLsg(),
    networks: { teacher, fakeScore, generator },
    trained: { fakeScore, generator },
    images: undefined,
    sampleShape: [4, 6, 3],
    conditions,
    dispose() {
      for (const network of [fakeScore, student, teacher]) network.dispose();
    },
  };
}
