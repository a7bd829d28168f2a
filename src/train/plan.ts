import type { Variable } from "@tensorflow/tfjs-core";
import {
  checkBoolean,
  checkFunction,
  checkInteger,
  checkObject,
  checkPerSample,
  checkPositive,
  describe,
  type KeysOf,
} from "../core/checks";
import { SidError } from "../core/errors";
import { isPlainName } from "../io/file-tree";
import { isDataUpdate } from "../methods/check-method";
import type { FakeScoreUpdate, Method, Recipe } from "../methods/types";
import type { Discriminator, GeneratorModel, ScoreModel } from "../models/types";
import { checkAdamOptions } from "./adam";
import { inFolder, onNodeDisk } from "./checkpoint-place";
import type { DistillAdam, DistillCheckpoint, DistillOptions } from "./distill-options";
import { checkTwins, emaBeta } from "./ema";
import { checkObjective, needsImages, needsOf } from "./objective";
import { timed } from "./ranks/timed";

const where = "distill";

const known: KeysOf<DistillOptions> = {
  ...{ teacher: 1, fakeScore: 1, generator: 1, method: 1, sampleShape: 1, iterations: 1, conditions: 1, images: 1 },
  ...{ discriminator: 1, backward: 1, batch: 1, accumulationRounds: 1, learningRate: 1, fakeLearningRate: 1 },
  ...{ adam: 1, fakeAdam: 1, ema: 1, seed: 1, onIteration: 1, onWarning: 1, onGradients: 1, snapshots: 1 },
  ...{ checkpoint: 1, signal: 1, checkTeacher: 1, gaugeHalfLife: 1, distributed: 1, checkRanks: 1 },
  shardOptimizer: 1,
};

const ofCheckpoint: KeysOf<DistillCheckpoint> = {
  ...{ path: 1, folder: 1, every: 1, keep: 1, resume: 1, allowOtherArithmetic: 1 },
};

/** A run's options with the defaults filled in: everything checked that can be checked without a tensor. */
export type Plan = ReturnType<typeof planOf>;

/** Fills in the defaults and throws unless the options make sense. */
export function planOf(options: DistillOptions) {
  checkObject(where, "options", options, known);
  const { teacher, fakeScore, generator, conditions, images, discriminator, ema, checkpoint, snapshots } = options;
  const { backward, batch = 512, accumulationRounds = 1, seed = 0, checkTeacher = true } = options;
  const { gaugeHalfLife, onIteration, onWarning: tell = console.warn, onGradients, checkRanks = 100 } = options;
  const { shardOptimizer = false } = options;
  if (ema !== undefined) checkObject(where, "ema", ema, { target: 1, halfLife: 1, rampUp: 1 });
  if (snapshots !== undefined) checkObject(where, "snapshots", snapshots, { every: 1, run: 1 });
  if (checkpoint !== undefined) checkObject(where, "checkpoint", checkpoint, ofCheckpoint);
  checkNetworks(options);
  const objective = checkObjective(where, {
    ...{ generator, teacher, fakeScore, discriminator, backward },
    ...{ average: ema?.target, method: options.method, distributed: options.distributed },
  });
  const { method } = objective;
  const ranks = objective.distributed && timed(objective.distributed);
  // One rank speaks for all.
  const onWarning = ranks && ranks.rank > 0 ? () => {} : tell;
  checkMaterial(method, options);
  checkPasses(method, generator);
  checkInteger(where, "iterations", options.iterations, 0);
  checkInteger(where, "batch", batch, 1);
  checkInteger(where, "accumulationRounds", accumulationRounds, 1);
  if (batch % accumulationRounds !== 0)
    throw new SidError(
      "invalid-argument",
      `${where}: batch ${batch} does not divide into ${accumulationRounds} equal parts (accumulationRounds).`,
    );
  const perRound = batch / accumulationRounds;
  if (ranks && perRound % ranks.size !== 0)
    throw new SidError(
      "invalid-argument",
      `${where}: batch ${batch}${accumulationRounds === 1 ? "" : `, in ${accumulationRounds} rounds of ${perRound} (accumulationRounds),`} does not divide among ${ranks.size} ranks.`,
    );
  checkInteger(where, "checkRanks", checkRanks, 1);
  checkBoolean(where, "shardOptimizer", shardOptimizer);
  if (!Array.isArray(options.sampleShape))
    throw new SidError(
      "invalid-argument",
      `${where}: sampleShape must be an array, got ${describe(options.sampleShape)}.`,
    );
  options.sampleShape.forEach((size, i) => void checkInteger(where, `sampleShape[${i}]`, size, 1));
  checkBoolean(where, "checkTeacher", checkTeacher);
  checkInteger(where, "seed", seed, 0);
  if (gaugeHalfLife !== undefined) checkPositive(where, "gaugeHalfLife", gaugeHalfLife);
  checkMethods("conditions", conditions, ["sample", "unconditional"]);
  checkMethods("images", images, ["sample"]);
  checkMethods("snapshots", snapshots, ["run"]);
  checkMethods("signal", options.signal, ["addEventListener"]);
  for (const [name, hook] of Object.entries({ onIteration, onWarning: tell, onGradients }))
    if (hook !== undefined) checkFunction(where, name, hook);
  if (snapshots) checkInteger(where, "snapshots.every", snapshots.every, 1);
  if (checkpoint) {
    if (typeof checkpoint.path !== "string" || checkpoint.path === "" || checkpoint.path.includes("\0"))
      throw new SidError(
        "invalid-argument",
        `${where}: checkpoint.path must name a file, got ${describe(checkpoint.path)}.`,
      );
    checkMethods("checkpoint.folder", checkpoint.folder, ["open", "list", "write", "rename", "remove"]);
    if (checkpoint.folder && !isPlainName(checkpoint.path))
      throw new SidError(
        "invalid-argument",
        `${where}: with checkpoint.folder, checkpoint.path must be the name of a file in it, got ${describe(checkpoint.path)}.`,
      );
    if (checkpoint.keep !== undefined) checkInteger(where, "checkpoint.keep", checkpoint.keep, 1);
    if (checkpoint.every !== undefined) checkInteger(where, "checkpoint.every", checkpoint.every, 1);
    if (checkpoint.allowOtherArithmetic !== undefined)
      checkBoolean(where, "checkpoint.allowOtherArithmetic", checkpoint.allowOtherArithmetic);
    if (![undefined, true, false, "if-present"].includes(checkpoint.resume))
      throw new SidError(
        "invalid-argument",
        `${where}: checkpoint.resume must be true, false or "if-present", got ${describe(checkpoint.resume)}.`,
      );
  }
  const average = ema && { target: ema.target, halfLife: ema.halfLife ?? 50_000, rampUp: defined(ema.rampUp, 0.05) };
  if (average) emaBeta({ nimg: 0, batch, halfLife: average.halfLife, rampUp: average.rampUp });

  if (discriminator !== undefined && !needsOf(method).discriminator)
    onWarning(
      `${where}: the discriminator "${discriminator.name}" is not used: the method ${method.name}, as its options are, asks none (dmd2 does with an adversarialWeight above 0).`,
    );
  for (const warning of method.warnings ?? []) onWarning(`${where}: ${warning}`);
  const { first = "fakeScore", updates = 1, contextDropout = 0 }: Partial<FakeScoreUpdate> = method.fakeScore ?? {};
  const { startsAt = 0 }: { readonly startsAt?: number | undefined } = isDataUpdate(method.generator)
    ? {}
    : method.generator;
  return {
    objective: { ...objective, distributed: ranks },
    /** The other ranks; undefined where there is one. */
    ranks,
    checkRanks,
    /** Whether there are other ranks with a part of the moments. */
    shardOptimizer: shardOptimizer && ranks !== undefined && ranks.size > 1,
    tell,
    ...optimizersOf(options, method.recipe ?? {}),
    ema: average,
    batch,
    accumulationRounds,
    seed,
    gaugeHalfLife,
    first,
    /** Updates of the fake score in an iteration. */
    fakeUpdates: method.fakeScore ? updates : 0,
    contextDropout,
    /** Images before the generator's first update. */
    startsAt,
    conditions,
    images: needsImages(method) ? images : undefined,
    checkTeacher,
    sampleShape: options.sampleShape,
    iterations: options.iterations,
    snapshots,
    checkpoint: checkpoint && {
      ...checkpoint,
      keep: checkpoint.keep ?? 2,
      place: checkpoint.folder ? inFolder(checkpoint.folder) : onNodeDisk,
    },
    onWarning,
    onGradients,
    onIteration,
    signal: options.signal,
  };
}

/** What both optimisers are told: the run's own options before the method's. */
function optimizersOf(options: DistillOptions, recipe: Recipe) {
  const { learningRate = recipe.learningRate ?? 1e-6, adam = {}, fakeAdam = {} } = options;
  const { fakeLearningRate = options.learningRate ?? recipe.fakeLearningRate ?? learningRate } = options;
  checkObject(where, "adam", adam, adamKeys);
  checkObject(where, "fakeAdam", fakeAdam, adamKeys);
  const { beta1, beta2, weightDecay, clipNorm, fakeClipNorm = clipNorm, fakeClipValue } = recipe;
  const generatorAdam = { beta1, beta2, weightDecay, clipNorm, ...given(adam), learningRate };
  const ofFake = { beta1, beta2, weightDecay, clipNorm: fakeClipNorm, clipValue: fakeClipValue };
  const fakeScoreAdam = { ...ofFake, ...given(adam), ...given(fakeAdam), learningRate: fakeLearningRate };
  checkAdamOptions(where, generatorAdam);
  if (typeof fakeLearningRate !== "function") checkPositive(where, "fakeLearningRate", fakeLearningRate);
  checkAdamOptions(where, fakeScoreAdam);
  return { generatorAdam, fakeScoreAdam };
}

const adamKeys: KeysOf<DistillAdam> = { beta1: 1, beta2: 1, epsilon: 1, weightDecay: 1, clipValue: 1, clipNorm: 1 };

/** The settings that have a value: `undefined` says nothing. */
function given<T extends object>(settings: T): T {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)) as T;
}

/** Throws unless there are the conditions and images that the method needs. */
function checkMaterial(method: Method, { conditions, images }: DistillOptions): void {
  const { generator, fakeScore } = method;
  const scales: [string, number][] = isDataUpdate(generator)
    ? [["the teacher", generator.guided ? Number.NaN : 1]]
    : Object.entries(generator.asks).map(([name, { guidanceScale = 1 }]) => [`the answer ${name}`, guidanceScale]);
  if (fakeScore) scales.push(["the fake score's update", fakeScore.guidanceScale ?? 1]);
  for (const [name, kappa] of scales)
    if (kappa !== 1 && conditions === undefined)
      throw new SidError(
        "invalid-argument",
        `${where}: the method ${method.name} guides ${name}${Number.isNaN(kappa) ? "" : ` (guidanceScale ${kappa})`}, which needs the option conditions, which is not given; without conditions there is no guidance.`,
      );
  if (needsImages(method) && images === undefined)
    throw new SidError(
      "invalid-argument",
      `${where}: the method ${method.name} learns from real images and needs the option images, as imageSource() makes it.`,
    );
}

/** Throws where an option is given without the functions that will be called. */
function checkMethods(name: string, value: object | undefined, methods: readonly string[]): void {
  if (value === undefined) return;
  for (const method of methods)
    if (typeof (value as Readonly<Record<string, unknown>> | null)?.[method] !== "function")
      throw new SidError("invalid-argument", `${where}: ${name} needs the function ${method}, got ${describe(value)}.`);
}

/** Throws unless the generator can stop after the passes that the method draws, at times in its schedule's order. */
function checkPasses({ name, steps }: Method, { times, steps: most }: GeneratorModel): void {
  checkInteger(where, "generator.steps", most, 1);
  if (times === undefined) {
    if (steps === "random" && most > 1)
      throw new SidError(
        "invalid-argument",
        `${where}: the method ${name} takes a random number of passes, for which the generator must tell its times and end early, as generatorFrom() makes it; or give the method the option steps: "all".`,
      );
    return;
  }
  checkPerSample(where, "generator.times", times, most);
  if (times.some((time, i) => i > 0 && time > (times[i - 1] as number)))
    throw new SidError("out-of-range", `${where}: generator.times must not increase, got ${times.join(", ")}.`);
}

/** `null` is a value, `undefined` is not. */
function defined<T>(value: T | undefined, fallback: T): T {
  return value === undefined ? fallback : value;
}

function checkNetworks({ teacher, fakeScore, generator, discriminator, ema }: DistillOptions): void {
  const networks: Record<string, ScoreModel | GeneratorModel | Discriminator> = { teacher, generator };
  if (fakeScore !== undefined) networks["fakeScore"] = fakeScore;
  if (discriminator !== undefined) networks["discriminator"] = discriminator;
  if (ema) networks["ema.target"] = ema.target;
  const owner = new Map<Variable, string>();
  for (const [role, network] of Object.entries(networks)) {
    const method = { teacher: "predict", fakeScore: "predict", discriminator: "logit" }[role] ?? "generate";
    if (network === null || typeof network !== "object" || !(method in network) || !Array.isArray(network.variables))
      throw new SidError(
        "invalid-argument",
        `${where}: ${role} must be a network with ${method}(), got ${describe(network)}.`,
      );
    if (!["teacher", "discriminator"].includes(role) && network.variables.length === 0)
      throw new SidError("invalid-argument", `${where}: ${role} has no variables, so it cannot train.`);
    for (const variable of network.variables) {
      const other = owner.get(variable);
      if (other !== undefined)
        throw new SidError(
          "invalid-argument",
          `${where}: ${other} and ${role} share the variable "${variable.name}"; each network needs its own copy.`,
        );
      owner.set(variable, role);
      if (variable.isDisposed)
        throw new SidError("invalid-argument", `${where}: "${variable.name}" of ${role} was disposed before.`);
    }
  }
  if (ema) checkTwins(where, { "ema.target": ema.target.variables, generator: generator.variables });
}
