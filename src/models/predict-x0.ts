import { clone, type Tensor, tidy } from "@tensorflow/tfjs-core";
import { checkMethods, checkObject } from "../core/checks";
import type { Timesteps } from "../core/per-sample";
import { checkTensor } from "../core/tensor-checks";
import { guidedPrediction } from "../guidance";
import { convertPrediction, noiseLevel } from "../predict";
import type { ScoreModel } from "./types";

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
   * κ; 1 is the plain conditional prediction.
   * @defaultValue `1`
   */
  readonly guidanceScale?: number | undefined;
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
  checkMethods("predictX0", "model", model, "a score model", ["predict"]);
  const { t } = checkObject("predictX0", "inputs", inputs, { xt: 1, t: 1, cond: 1, uncond: 1, guidanceScale: 1 });
  checkTensor("predictX0", "xt", inputs.xt);
  return tidy(() => {
    // Through one copy, x_t gets one gradient per call, not one per use. So the gradients of two equal
    // networks under opposite cotangents cancel to exactly 0, as they must before the first step.
    const xt = clone(inputs.xt);
    const prediction = guidedPrediction((x, times, cond) => model.predict(x, times, cond), { ...inputs, xt });
    const level = noiseLevel(model.schedule, t);
    return convertPrediction({ prediction, xt, level, predicts: model.predicts, to: "x0" });
  });
}
