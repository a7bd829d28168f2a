import { clone, type Tensor, tidy } from "@tensorflow/tfjs-core";
import { checkMethods, checkObject } from "../core/checks";
import { SidError } from "../core/errors";
import type { Timesteps } from "../core/per-sample";
import { besideTape } from "../core/tape";
import { checkTensor } from "../core/tensor-checks";
import { guidedPass } from "../guidance/guide";
import { convertPrediction, noiseLevel } from "../predict";
import type { PredictionWithFeatures, ScoreModel } from "./types";

/** Where a score model is asked. */
export interface PredictX0Inputs {
  /** Noisy samples `[B, ...]`. */
  readonly xt: Tensor;
  /** One time per sample, in the unit of the model's schedule. */
  readonly t: Timesteps;
  /** The condition, batch axis first; absent for an unconditional model. */
  readonly cond?: Tensor | undefined;
  /** What stands for "no condition", `[1, ...]`; needed unless `guidanceScale` is 1. */
  readonly uncond?: Tensor | undefined;
  /**
   * κ, one for all or one per sample; 1 is the plain conditional prediction.
   * @defaultValue `1`
   */
  readonly guidanceScale?: number | readonly number[] | undefined;
}

/**
 * The guided denoised sample: an estimate of `E[x0 | x_t, cond]`, whatever the model predicts.
 *
 *     f = f_∅ + κ·(f_c − f_∅),   x̂0 = (x_t − σ·ε̂)/α and so on for the other kinds
 *
 * Guidance acts on the model's own prediction; at a fixed `x_t` that is the same as guiding x̂0,
 * because the conversions are affine. One pass through the network at κ = 1 (conditional) and at
 * κ = 0 (unconditional), else one pass over 2·B samples.
 *
 * Source: Ho & Salimans, arXiv:2207.12598 with `κ = 1 + s`.
 *
 * @param model - a score model.
 * @param inputs - noisy samples, their times, conditions and guidance scale; borrowed.
 * @returns `[B, ...]` like `xt`, in the units of the clean sample; differentiable in `xt`, `cond` and
 *   the model's variables. The caller owns it.
 * @throws SidError `shape-mismatch`, `out-of-range`, `not-finite` for inputs that do not fit;
 *   `invalid-argument` when a condition that the scale needs is absent.
 *
 * @example
 * ```ts
 * import { ddpmSchedule, gaussianModel, predictX0 } from "sid-lsg";
 * import { tensor2d } from "@tensorflow/tfjs-core";
 *
 * const model = gaussianModel({ mean: [0, 0], variance: 1, schedule: ddpmSchedule(), predicts: "v" });
 * predictX0(model, { xt: tensor2d([[1, -2]]), t: [625] }).print(); // α·x_t for standard normal data
 * ```
 */
export function predictX0(model: ScoreModel, inputs: PredictX0Inputs): Tensor {
  return askPlainly(model, inputs).x0;
}

/** What {@link predictX0WithFeatures} returns; the caller owns both. */
export interface X0WithFeatures {
  /** As {@link predictX0} returns it. */
  readonly x0: Tensor;
  /** The model's features with the condition, `[B, ...]`; those without it at κ = 0. */
  readonly features: Tensor;
}

/**
 * {@link predictX0} together with the model's features, in the same pass. Guidance acts on the prediction alone: the
 * features are those of the `B` samples with the condition, or without it at κ = 0, where the pass sees no other.
 *
 * @param model - a score model with `predictWithFeatures`.
 * @param inputs - as for {@link predictX0}; borrowed.
 * @returns x̂0 and features, both differentiable in `xt`, `cond` and the model's variables. The caller owns them.
 * @throws SidError `invalid-argument` for a model that gives no features; `shape-mismatch` for features that are not
 *   one row per sample; and as {@link predictX0} does.
 *
 * @example
 * ```ts
 * import { ddpmSchedule, gaussianModel, predictX0WithFeatures, type ScoreModel } from "sid-lsg";
 * import { square, type Tensor, tensor2d } from "@tensorflow/tfjs-core";
 *
 * const gaussian = gaussianModel({ mean: [0, 0], variance: 1, schedule: ddpmSchedule() });
 * const model: ScoreModel = {
 *   ...gaussian,
 *   predictWithFeatures: (xt: Tensor, t) => ({ prediction: gaussian.predict(xt, t), features: square(xt) }),
 * };
 * const { x0, features } = predictX0WithFeatures(model, { xt: tensor2d([[1, -3]]), t: [625] });
 * console.log(x0.shape, features.dataSync()); // [1, 2] Float32Array [1, 9]
 * ```
 */
export function predictX0WithFeatures(model: ScoreModel, inputs: PredictX0Inputs): X0WithFeatures {
  const { x0, features } = askWithFeatures(model, inputs);
  return { x0, features: features as Tensor };
}

/** {@link predictX0}, with features where they are wanted, and x̂0 at κ = 1 where that is wanted and a part of the pass. */
export function predictX0Parts(
  model: ScoreModel,
  inputs: PredictX0Inputs,
  { features, conditional }: { readonly features: boolean; readonly conditional: boolean },
): X0Parts {
  return (features ? askWithFeatures : askPlainly)(model, inputs, conditional);
}

/** What one pass says of x0. */
interface X0Parts {
  readonly x0: Tensor;
  readonly features?: Tensor | undefined;
  /** At κ = 1, off the tape; absent where the answer itself is at 1, or the pass sees no condition. */
  readonly conditional?: Tensor | undefined;
}

function askPlainly(model: ScoreModel, inputs: PredictX0Inputs, conditional = false): X0Parts {
  checkMethods("predictX0", "model", model, "a score model", ["predict"]);
  const call = (...[xt, t, cond]: Parameters<ScoreModel["predict"]>) => ({ prediction: model.predict(xt, t, cond) });
  return ask("predictX0", model, inputs, call, conditional);
}

function askWithFeatures(model: ScoreModel, inputs: PredictX0Inputs, conditional = false): X0Parts {
  const where = "predictX0WithFeatures";
  checkMethods(where, "model", model, "a score model", ["predict"]);
  if (typeof model.predictWithFeatures !== "function")
    throw new SidError(
      "invalid-argument",
      `${where}: model "${model.name}" gives no features; it needs predictWithFeatures, which unet, mlp and functionModel know.`,
    );
  const call = (...[xt, t, cond]: Parameters<ScoreModel["predict"]>) => {
    const answer = model.predictWithFeatures?.(xt, t, cond) as PredictionWithFeatures;
    checkTensor(where, "features", checkObject(where, "what predictWithFeatures returned", answer).features);
    return answer;
  };
  return ask(where, model, inputs, call, conditional);
}

/** One guided pass, its prediction converted to x0. */
function ask(
  where: string,
  model: ScoreModel,
  inputs: PredictX0Inputs,
  call: Parameters<typeof guidedPass>[0],
  wantsConditional: boolean,
): X0Parts {
  const { t } = checkObject(where, "inputs", inputs, { xt: 1, t: 1, cond: 1, uncond: 1, guidanceScale: 1 });
  checkTensor(where, "xt", inputs.xt);
  return tidy(() => {
    // Through one copy, x_t gets one gradient per call, not one per use. So the gradients of two equal
    // networks under opposite cotangents cancel to exactly 0, as they must before the first step.
    const xt = clone(inputs.xt);
    const { prediction, conditional, features } = guidedPass(call, { ...inputs, xt });
    const level = noiseLevel(model.schedule, t);
    const toX0 = (x: Tensor) =>
      convertPrediction({ prediction: x, xt, level, predicts: model.predicts, to: "x0" }) as Tensor;
    const x0 = toX0(prediction);
    return wantsConditional && conditional
      ? { x0, features, conditional: besideTape(() => toX0(conditional)) }
      : { x0, features };
  });
}
