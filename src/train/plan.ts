import type { Variable } from "@tensorflow/tfjs-core";
import {
  checkBoolean,
  checkFinite,
  checkFunction,
  checkInteger,
  checkObject,
  checkOneOf,
  checkPositive,
  checkRange,
  describe,
  type KeysOf,
} from "../core/checks";
import { SidError } from "../core/errors";
import { guidanceKeys, guidanceWarnings, noGuidance } from "../guidance/strategies";
import { fakeScoreWeights } from "../losses/fake-score";
import { lossWeights } from "../losses/weights";
import type { GeneratorModel, ScoreModel } from "../models/types";
import { uniformTimesteps } from "../schedules/timestep-laws";
import { checkAdamOptions } from "./adam";
import type { DistillOptions } from "./distill-options";
import { checkTwins, emaBeta } from "./ema";
import type { FakeScoreObjective } from "./fake-score-gradients";
import type { GeneratorObjective } from "./generator-gradients";

const where = "distill";

const known: KeysOf<DistillOptions> = {
  ...{ teacher: 1, fakeScore: 1, generator: 1, sampleShape: 1, iterations: 1, conditions: 1, guidance: 1, alpha: 1 },
  ...{ weight: 1, fakeWeight: 1, reduction: 1, backward: 1, timesteps: 1, batch: 1, accumulationRounds: 1 },
  ...{ learningRate: 1, fakeLearningRate: 1, beta1: 1, beta2: 1, epsilon: 1, lossScale: 1, fakeLossScale: 1 },
  ...{ contextDropout: 1, ema: 1, seed: 1, onIteration: 1, onWarning: 1, onGradients: 1, snapshots: 1 },
  ...{ checkpoint: 1, signal: 1, checkTeacher: 1 },
};

/** A run's options with the defaults filled in: everything checked that can be checked without a tensor. */
export type Plan = ReturnType<typeof planOf>;

/** Fills in the defaults and throws unless the options make sense. */
export function planOf(options: DistillOptions) {
  checkObject(where, "options", options, known);
  const { teacher, fakeScore, generator, conditions, ema, checkpoint, snapshots } = options;
  const { guidance = noGuidance(), alpha = 1, weight = "l1", fakeWeight = "eps", reduction = "sum" } = options;
  const {
    backward = "staged",
    timesteps = uniformTimesteps(),
    batch = 512,
    accumulationRounds = 1,
    seed = 0,
  } = options;
  const { learningRate = 1e-6, fakeLearningRate = learningRate, beta1 = 0, beta2 = 0.999, epsilon = 1e-8 } = options;
  const { lossScale = 1, fakeLossScale = 1, contextDropout = 0.1, checkTeacher = true } = options;
  const { onIteration, onWarning = console.warn, onGradients } = options;
  if (ema !== undefined) checkObject(where, "ema", ema, { target: 1, halfLife: 1, rampUp: 1 });
  if (snapshots !== undefined) checkObject(where, "snapshots", snapshots, { every: 1, run: 1 });
  if (checkpoint !== undefined) checkObject(where, "checkpoint", checkpoint, { path: 1, every: 1, keep: 1, resume: 1 });
  checkNetworks(options);
  checkObject(where, "guidance", guidance, guidanceKeys);
  for (const name of ["kappa1", "kappa2", "kappa4"] as const) checkFinite(where, name, guidance[name]);
  for (const [name, kappa] of Object.entries(guidance))
    if (kappa !== 1 && conditions === undefined)
      throw new SidError(
        "invalid-argument",
        `${where}: guidance with ${name} = ${kappa} needs the option conditions, which is not given; without conditions there is noGuidance().`,
      );
  checkFinite(where, "alpha", alpha);
  if (typeof weight !== "function") checkOneOf(where, "weight", weight, lossWeights);
  checkOneOf(where, "reduction", reduction, ["sum", "mean"]);
  checkOneOf(where, "backward", backward, ["staged", "joint"]);
  for (const [name, scale] of Object.entries({ lossScale, fakeLossScale })) checkFinite(where, name, scale);
  checkPositive(where, "learningRate", learningRate);
  checkAdamOptions(where, { learningRate, beta1, beta2, epsilon });
  checkPositive(where, "fakeLearningRate", fakeLearningRate);
  checkInteger(where, "iterations", options.iterations, 0);
  checkInteger(where, "batch", batch, 1);
  checkInteger(where, "accumulationRounds", accumulationRounds, 1);
  if (batch % accumulationRounds !== 0)
    throw new SidError(
      "invalid-argument",
      `${where}: batch ${batch} does not divide into ${accumulationRounds} equal parts (accumulationRounds).`,
    );
  if (!Array.isArray(options.sampleShape))
    throw new SidError(
      "invalid-argument",
      `${where}: sampleShape must be an array, got ${describe(options.sampleShape)}.`,
    );
  options.sampleShape.forEach((size, i) => void checkInteger(where, `sampleShape[${i}]`, size, 1));
  checkRange(where, "contextDropout", contextDropout, 0, 1);
  checkBoolean(where, "checkTeacher", checkTeacher);
  if (typeof fakeWeight !== "function") checkOneOf(where, "fakeWeight", fakeWeight, fakeScoreWeights);
  checkInteger(where, "seed", seed, 0);
  if (typeof timesteps !== "function")
    throw new SidError("invalid-argument", `${where}: timesteps must be a timestep law, got ${describe(timesteps)}.`);
  checkMethods("conditions", conditions, ["sample", "unconditional"]);
  checkMethods("snapshots", snapshots, ["run"]);
  checkMethods("signal", options.signal, ["addEventListener"]);
  for (const [name, hook] of Object.entries({ onIteration, onWarning, onGradients }))
    if (hook !== undefined) checkFunction(where, name, hook);
  if (snapshots) checkInteger(where, "snapshots.every", snapshots.every, 1);
  if (checkpoint) {
    if (typeof checkpoint.path !== "string" || checkpoint.path === "" || checkpoint.path.includes("\0"))
      throw new SidError(
        "invalid-argument",
        `${where}: checkpoint.path must name a file, got ${describe(checkpoint.path)}.`,
      );
    if (checkpoint.keep !== undefined) checkInteger(where, "checkpoint.keep", checkpoint.keep, 1);
    if (checkpoint.every !== undefined) checkInteger(where, "checkpoint.every", checkpoint.every, 1);
    if (![undefined, true, false, "if-present"].includes(checkpoint.resume))
      throw new SidError(
        "invalid-argument",
        `${where}: checkpoint.resume must be true, false or "if-present", got ${describe(checkpoint.resume)}.`,
      );
  }
  const average = ema && { target: ema.target, halfLife: ema.halfLife ?? 50_000, rampUp: defined(ema.rampUp, 0.05) };
  if (average) emaBeta({ nimg: 0, batch, halfLife: average.halfLife, rampUp: average.rampUp });

  for (const warning of guidanceWarnings(guidance)) onWarning(`${where}: ${warning}`);
  const shared = { generator, fakeScore, guidance, reduction };
  const fakeObjective: FakeScoreObjective = { ...shared, weight: fakeWeight, lossScale: fakeLossScale };
  const generatorObjective: GeneratorObjective = { ...shared, teacher, alpha, weight, lossScale, backward };
  const adamOptions = { beta1, beta2, epsilon };
  return {
    fakeObjective,
    generatorObjective,
    fakeAdam: { ...adamOptions, learningRate: fakeLearningRate },
    generatorAdam: { ...adamOptions, learningRate },
    ema: average,
    batch,
    accumulationRounds,
    seed,
    timesteps,
    contextDropout,
    conditions,
    checkTeacher,
    dropsContext: conditions !== undefined && contextDropout > 0 && (guidance.kappa1 !== 1 || guidance.kappa2 !== 1),
    sampleShape: options.sampleShape,
    iterations: options.iterations,
    snapshots,
    checkpoint: checkpoint && { ...checkpoint, keep: checkpoint.keep ?? 2 },
    onWarning,
    onGradients,
    onIteration,
    signal: options.signal,
  };
}

/** Throws where an option is given without the functions that will be called. */
function checkMethods(name: string, value: object | undefined, methods: readonly string[]): void {
  if (value === undefined) return;
  for (const method of methods)
    if (typeof (value as Readonly<Record<string, unknown>> | null)?.[method] !== "function")
      throw new SidError("invalid-argument", `${where}: ${name} needs the function ${method}, got ${describe(value)}.`);
}

/** `null` is a value, `undefined` is not. */
function defined<T>(value: T | undefined, fallback: T): T {
  return value === undefined ? fallback : value;
}

function checkNetworks({ teacher, fakeScore, generator, ema }: DistillOptions): void {
  const networks: Record<string, ScoreModel | GeneratorModel> = { teacher, fakeScore, generator };
  if (ema) networks["ema.target"] = ema.target;
  const owner = new Map<Variable, string>();
  for (const [role, network] of Object.entries(networks)) {
    const method = role === "teacher" || role === "fakeScore" ? "predict" : "generate";
    if (network === null || typeof network !== "object" || !(method in network) || !Array.isArray(network.variables))
      throw new SidError(
        "invalid-argument",
        `${where}: ${role} must be a network with ${method}(), got ${describe(network)}.`,
      );
    if (role !== "teacher" && network.variables.length === 0)
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
