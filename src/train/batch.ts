import type { Tensor } from "@tensorflow/tfjs-core";
import { checkFinite, checkMethods, checkObject, checkPerSample, describe, showShape } from "../core/checks";
import { SidError } from "../core/errors";
import type { Timesteps } from "../core/per-sample";
import { checkPrediction } from "../core/prediction-type";
import { checkSameShape, checkTensor } from "../core/tensor-checks";
import type { GeneratorModel, ScoreModel } from "../models/types";
import { type NoiseLevel, noiseLevel } from "../predict/level";

/** What one forward and backward pass starts from; all tensors are borrowed. */
export interface TrainBatch {
  /** Standard normal input of the generator, one tensor `[B, ...]` per generator step. */
  readonly noises: readonly Tensor[];
  /** Standard normal noise ε of the forward process, of the same shape. */
  readonly noise: Tensor;
  /** One time per sample, in the unit of the score models' schedule. */
  readonly t: Timesteps;
  /** The conditions, batch axis first; absent for unconditional models. */
  readonly cond?: Tensor | undefined;
  /** The empty condition, `[1, ...]`; needed where a guidance scale is not 1. */
  readonly uncond?: Tensor | undefined;
}

/** A network that is asked at `x_t`, its role and its guidance scale. */
export interface Asked {
  readonly model: ScoreModel;
  readonly role: string;
  readonly kappa: number;
}

/** Throws unless everything that a tape will be opened for fits; returns the level of `x_t`. */
export function checkTrainBatch(
  where: string,
  generator: GeneratorModel,
  asked: readonly [Asked, ...Asked[]],
  batch: TrainBatch,
): NoiseLevel {
  checkObject(where, "batch", batch, { noises: 1, noise: 1, t: 1, cond: 1, uncond: 1 });
  checkMethods(where, "generator", generator, "a generator", ["generate"]);
  for (const { model, role } of asked) checkMethods(where, role, model, "a score model", ["predict"]);
  const { noises, noise, t, cond, uncond } = batch;
  if (!Array.isArray(noises) || noises.length !== generator.steps)
    throw new SidError(
      "invalid-argument",
      `${where}: the generator takes ${generator.steps} tensors of noise, one per step, got ${describe(noises)}.`,
    );
  checkSameShape(where, { noise, ...Object.fromEntries(noises.map((z, i) => [`noises[${i}]`, z])) });
  const count = noise.shape[0] as number;
  checkPerSample(where, "t", t, count);
  if (cond !== undefined) checkLeading(where, "cond", cond, count);
  if (uncond !== undefined) checkLeading(where, "uncond", uncond, 1);
  for (const { model, role, kappa } of asked) {
    checkPrediction(where, `${role}.predicts`, model.predicts);
    checkFinite(where, `the guidance of the ${role}`, kappa);
    if (kappa !== 1 && uncond === undefined)
      throw new SidError(
        "invalid-argument",
        `${where}: guidance ${kappa} of the ${role} needs uncond, which is not given.`,
      );
    if (kappa !== 1 && kappa !== 0 && cond === undefined)
      throw new SidError(
        "invalid-argument",
        `${where}: guidance ${kappa} of the ${role} needs cond, which is not given.`,
      );
  }
  const [first, ...others] = asked.map(({ model, role }) => ({ role, level: noiseLevel(model.schedule, t) }));
  const { role, level } = first as { role: string; level: NoiseLevel };
  for (const other of others)
    t.forEach((time, i) => {
      const pair = [level, other.level].map(({ alpha, sigma }) => `alpha ${alpha[i]}, sigma ${sigma[i]}`);
      if (pair[0] !== pair[1])
        throw new SidError(
          "invalid-argument",
          `${where}: ${role} and ${other.role} must share one schedule, at t = ${time} they have ${pair.join(" and ")}.`,
        );
    });
  return level;
}

/** The float tensors that decide whether a sample can count: all that a network reads of it. */
export function inputsOf({ noises, noise, cond }: TrainBatch): Tensor[] {
  return [...noises, noise, ...(cond?.dtype === "float32" ? [cond] : [])];
}

function checkLeading(where: string, name: string, x: Tensor, count: number): void {
  checkTensor(where, name, x);
  if (x.shape[0] !== count)
    throw new SidError("shape-mismatch", `${where}: ${name} must be [${count}, ...], got ${showShape(x)}.`);
}
