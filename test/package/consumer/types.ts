// Compiled, not run: the types of the tarball under both resolutions, in the strictest settings.
import type { Scalar, Tensor } from "@tensorflow/tfjs-core";
import { type Guidance, lsg, randomStream, SidError, type SidErrorCode, sidLoss } from "sid-lsg";
import { useBackend } from "sid-lsg/backends";
import { guide } from "sid-lsg/guidance";
import { decodeSafetensors } from "sid-lsg/io";
import { fakeScoreLoss } from "sid-lsg/losses";
import { type Method, sid } from "sid-lsg/methods";
import { functionModel, type GeneratorModel, type ScoreModel } from "sid-lsg/models";
import { parseVaeConfig, type Vae, vae } from "sid-lsg/models/sd";
import { addNoise, convertPrediction } from "sid-lsg/predict";
import { ddpmSchedule, type NoiseSchedule } from "sid-lsg/schedules";
import { adam } from "sid-lsg/train";

export const guidance: Guidance = lsg(1.5);
export const loss: Scalar = sidLoss({} as { generated: Tensor; teacher: Tensor; fake: Tensor }, { alpha: 1 });
export const schedule: NoiseSchedule = ddpmSchedule();
export const code: SidErrorCode = new SidError("io", "").code;
export const numbers: number[] = randomStream(1).uniform(2);
export const method: Method = sid({ alpha: 1 });
export type Models = readonly [ScoreModel, GeneratorModel, Vae];
export {
  adam,
  addNoise,
  convertPrediction,
  decodeSafetensors,
  fakeScoreLoss,
  functionModel,
  guide,
  parseVaeConfig,
  useBackend,
  vae,
};

// @ts-expect-error: a weight that does not exist
sidLoss({} as { generated: Tensor; teacher: Tensor; fake: Tensor }, { weight: "l2" });
