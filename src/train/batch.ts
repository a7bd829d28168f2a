import type { Tensor } from "@tensorflow/tfjs-core";
import { checkObject, checkPerSample, checkRange, describe, type KeysOf, showShape } from "../core/checks";
import { SidError } from "../core/errors";
import type { Timesteps } from "../core/per-sample";
import { checkSameShape, checkTensor } from "../core/tensor-checks";
import type { Moment } from "../methods/types";
import type { ScoreModel } from "../models/types";
import { type NoiseLevel, noiseLevel } from "../predict/level";
import type { Checked } from "./objective";

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
  /** Noise and times of the other x_t, for methods that ask there. */
  readonly other?: OtherNoising | undefined;
  /** Real images, of the shape of the noise, for methods that learn from them. */
  readonly images?: Tensor | undefined;
  /** The conditions of the real images, like `cond`. */
  readonly imageCond?: Tensor | undefined;
  /** A number in `[0, 1)` per sample, for methods that draw more. */
  readonly uniforms?: readonly number[] | undefined;
  /**
   * Images that the generator's updates have seen, for methods that begin with a part of their losses.
   * @defaultValue more than any warm-up takes
   */
  readonly nimg?: number | undefined;
  /**
   * Updates of the generator so far.
   * @defaultValue `0`
   */
  readonly iteration?: number | undefined;
}

/** How a second x_t is made of the same samples. */
export interface OtherNoising {
  /** Standard normal, of the shape of the noise. */
  readonly noise: Tensor;
  /** One time per sample. */
  readonly t: Timesteps;
}

const known: KeysOf<TrainBatch> = {
  ...{ noises: 1, noise: 1, t: 1, cond: 1, uncond: 1, other: 1, images: 1, imageCond: 1, uniforms: 1, nimg: 1 },
  iteration: 1,
};

/** A score model that is asked, its role and its guidance scale. */
export interface Asked {
  readonly model: ScoreModel;
  readonly role: string;
  readonly kappa: number;
}

/** The levels and the moment of a batch that fits. */
export interface Placed {
  readonly level: NoiseLevel;
  readonly other: NoiseLevel | undefined;
  readonly moment: Moment;
}

/** Throws unless everything that a tape will be opened for fits. */
export function checkTrainBatch(
  where: string,
  { generator, teacher }: Checked,
  asked: readonly Asked[],
  batch: TrainBatch,
): Placed {
  checkObject(where, "batch", batch, known);
  const { noises, noise, t, cond, uncond, other, images, imageCond, nimg = Number.POSITIVE_INFINITY } = batch;
  if (
    !Array.isArray(noises) ||
    noises.length < 1 ||
    !(noises.length <= (generator.times ? generator.steps : 0) || noises.length === generator.steps)
  )
    throw new SidError(
      "invalid-argument",
      `${where}: the generator takes ${generator.steps} tensors of noise, one per step, got ${describe(noises)}.`,
    );
  checkSameShape(where, { noise, ...Object.fromEntries(noises.map((z, i) => [`noises[${i}]`, z])) });
  const count = noise.shape[0] as number;
  checkPerSample(where, "t", t, count);
  if (cond !== undefined) checkLeading(where, "cond", cond, count);
  if (uncond !== undefined) checkLeading(where, "uncond", uncond, 1);
  if (other !== undefined) {
    checkObject(where, "other", other, { noise: 1, t: 1 });
    checkSameShape(where, { noise, "other.noise": other.noise });
    checkPerSample(where, "other.t", other.t, count);
  }
  if (images !== undefined) checkSameShape(where, { noise, images });
  if (imageCond !== undefined) checkLeading(where, "imageCond", imageCond, count);
  if (nimg !== Number.POSITIVE_INFINITY) checkRange(where, "nimg", nimg, 0, Number.MAX_SAFE_INTEGER);
  for (const { role, kappa } of asked) {
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
  const level = noiseLevel(teacher.schedule, t);
  for (const { model, role } of asked) checkSameLevel(where, { level, t }, { model, role });
  return {
    level,
    other: other && noiseLevel(teacher.schedule, other.t),
    moment: momentOf({ generator, teacher }, { nimg, iteration: batch.iteration ?? 0, passes: noises.length }),
  };
}

/** Where a run stands, with the interval of the pass that trains. */
export function momentOf(
  { generator, teacher }: Pick<Checked, "generator" | "teacher">,
  { nimg, iteration, passes }: { readonly nimg: number; readonly iteration: number; readonly passes: number },
): Moment {
  const { schedule } = teacher;
  const from = generator.times?.[passes - 1];
  const interval = from === undefined ? undefined : { from, to: generator.times?.[passes] ?? schedule.tMin };
  return { schedule, nimg, iteration, interval };
}

/** The float tensors that decide whether a sample can count: all that a network reads of it. */
export function inputsOf({ noises, noise, cond, other }: TrainBatch): Tensor[] {
  return [...noises, noise, ...(other ? [other.noise] : []), ...(cond?.dtype === "float32" ? [cond] : [])];
}

function checkSameLevel(
  where: string,
  { level, t }: { readonly level: NoiseLevel; readonly t: Timesteps },
  { model, role }: Pick<Asked, "model" | "role">,
): void {
  const own = noiseLevel(model.schedule, t);
  t.forEach((time, i) => {
    const pair = [level, own].map(({ alpha, sigma }) => `alpha ${alpha[i]}, sigma ${sigma[i]}`);
    if (pair[0] !== pair[1])
      throw new SidError(
        "invalid-argument",
        `${where}: teacher and ${role} must share one schedule, at t = ${time} they have ${pair.join(" and ")}.`,
      );
  });
}

function checkLeading(where: string, name: string, x: Tensor, count: number): void {
  checkTensor(where, name, x);
  if (x.shape[0] !== count)
    throw new SidError("shape-mismatch", `${where}: ${name} must be [${count}, ...], got ${showShape(x)}.`);
}
