import { mul, type Scalar, scalar, type Tensor, type Tensor1D, tidy } from "@tensorflow/tfjs-core";
import { SidError } from "../core/errors";
import { valueAndGradients } from "../core/tape";
import { finiteSamples } from "../losses/nan-policy";
import { onlyValid } from "../losses/reduce";
import type { DataUpdate } from "../methods/types";
import type { GeneratorModel } from "../models/types";
import { checkTrainBatch, type TrainBatch } from "./batch";
import type { Checked } from "./objective";

/** Loss and gradients of a generator that learns from noisy real images, on one tape; zeros stand for images that are not finite. */
export function dataGradients(where: string, objective: Checked, update: DataUpdate, batch: TrainBatch) {
  const { generator, teacher, method } = objective;
  const average = objective.average as GeneratorModel;
  checkTrainBatch(where, objective, [], batch);
  const { images, imageCond, noise, t, uncond, uniforms } = batch;
  const missing = Object.entries({ images, uniforms, ...(update.guided && { imageCond, uncond }) }).find(
    ([, value]) => value === undefined,
  );
  if (missing !== undefined)
    throw new SidError("invalid-argument", `${where}: the method ${method.name} needs ${missing[0]} in the batch.`);
  return tidy(() => {
    const floats = [images as Tensor, noise, ...(imageCond?.dtype === "float32" ? [imageCond] : [])];
    const valid: Tensor1D = finiteSamples(...floats);
    const [x0, z] = [images as Tensor, noise].map((x) => onlyValid(x, valid)) as [Tensor, Tensor];
    const cond = imageCond && onlyValid(imageCond, valid);
    const { value, gradients } = valueAndGradients(() => {
      const inputs = { generator, teacher, average, images: x0, noise: z, t, cond, uncond, valid };
      const loss = update.loss({ ...inputs, uniforms: uniforms as readonly number[] });
      return update.lossScale === undefined ? loss : (mul(loss, update.lossScale) as Scalar);
    }, generator.variables);
    return { loss: value, gradients, answers: {}, deltaSquared: scalar(0), valid };
  });
}
