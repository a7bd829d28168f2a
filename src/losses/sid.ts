import { div, mul, type Scalar, sub, type Tensor, tidy } from "@tensorflow/tfjs-core";
import { checkFinite, checkObject } from "../core/checks";
import { checkSameShape } from "../core/tensor-checks";
import type { NoiseLevel } from "../predict/level";
import { checkLossOptions, divisor, type LossOptions, onlyValid, reduce } from "./reduce";
import { checkWeight, type LossInputs, type LossWeight, lossInputs, weightOf } from "./weights";

/** Options of {@link sidLoss} and {@link sidCotangents}. */
export interface SidLossOptions extends LossOptions {
  /**
   * Share of `‖f_φ − f_ψ‖²` that is taken off; 0.5 is half the gradient of the model-based
   * explicit score-matching loss, 1 and 1.2 are the values used in practice.
   * @defaultValue `1`
   */
  readonly alpha?: number | undefined;
  /**
   * The weight of each sample.
   * @defaultValue `"l1"`
   */
  readonly weight?: LossWeight | undefined;
  /** The noise level of `x_t`, for the weights that need it. */
  readonly level?: NoiseLevel | undefined;
}

/**
 * The score-identity loss of the generator.
 *
 *     L = 1/B Σ_samples ω · Σ δ ⊙ [(f_φ − x_g) − α·δ],   δ = f_φ − f_ψ
 *
 * Its gradient must flow through `x_g` and through the inputs of both frozen networks. ω is a
 * constant for the gradient. At α = 1 and a perfect fake score the loss is 0 in expectation, if ω does
 * not depend on `x_g`: it is no measure of progress.
 *
 * Source: arXiv:2406.01561; SiD-LSG@709fc22 training/sid_training_loop.py L519-530.
 *
 * @param inputs - x0-like float32 batches of one shape; operands never broadcast.
 * @param options - α, ω, the reduction and which samples count.
 * @returns a scalar, differentiable in all three inputs; the caller owns it.
 * @throws SidError `shape-mismatch` for inputs of different shapes, `not-finite` for α,
 *   `invalid-argument` for a weight that needs a level without one, `out-of-range` for the SNR of
 *   a level without noise.
 *
 * @example
 * ```ts
 * import { sidLoss } from "sid-lsg";
 * import { tensor2d } from "@tensorflow/tfjs-core";
 *
 * const inputs = { generated: tensor2d([[0]]), teacher: tensor2d([[2]]), fake: tensor2d([[1]]) };
 * console.log(sidLoss(inputs, { weight: "none" }).dataSync()[0]); // (2 − 1)·((2 − 0) − (2 − 1)) = 1
 * ```
 */
export function sidLoss(inputs: LossInputs, options: SidLossOptions = {}): Scalar {
  checkSid("sidLoss", inputs, options);
  return tidy(() => {
    const { weight, delta, residual, alpha } = parts("sidLoss", inputs, options);
    return reduce(mul(weight, mul(delta, sub(residual, mul(delta, alpha)))), options.reduction);
  });
}

/** The gradient of {@link sidLoss} with respect to each of its inputs; the caller owns all three. */
export interface SidCotangents {
  /** `∂L/∂x_g = −ω·δ/B`: what flows into the generator directly. */
  readonly generated: Tensor;
  /** `∂L/∂f_φ = ω·[(f_φ − x_g) − (2α − 1)·δ]/B`: what flows back through the teacher. */
  readonly teacher: Tensor;
  /** `∂L/∂f_ψ = ω·[2α·δ − (f_φ − x_g)]/B`: what flows back through the fake score. */
  readonly fake: Tensor;
}

/**
 * The gradient of {@link sidLoss} in closed form, for a backward pass that opens one tape at a
 * time. With `reduction: "mean"` everything is divided by the elements of a sample as well.
 *
 * Source: {@link sidLoss}, differentiated at constant ω; equal to the gradients of PyTorch in the tests.
 *
 * @param inputs - as in {@link sidLoss}.
 * @param options - as in {@link sidLoss}.
 * @returns one tensor per input, of its shape.
 * @throws SidError like {@link sidLoss}.
 *
 * @example
 * ```ts
 * import { sidCotangents } from "sid-lsg";
 * import { tensor2d } from "@tensorflow/tfjs-core";
 *
 * const inputs = { generated: tensor2d([[0]]), teacher: tensor2d([[2]]), fake: tensor2d([[1]]) };
 * console.log(sidCotangents(inputs, { weight: "none" }).generated.dataSync()[0]); // −1
 * ```
 */
export function sidCotangents(inputs: LossInputs, options: SidLossOptions = {}): SidCotangents {
  checkSid("sidCotangents", inputs, options);
  return tidy(() => {
    const { weight, delta, residual, alpha } = parts("sidCotangents", inputs, options);
    const scale = div(weight, divisor(delta, options.reduction));
    return {
      generated: mul(scale, mul(delta, -1)),
      teacher: mul(scale, sub(residual, mul(delta, 2 * alpha - 1))),
      fake: mul(scale, sub(mul(delta, 2 * alpha), residual)),
    };
  });
}

/** δ, `f_φ − x_g` and ω, all of them zero for samples that do not count. */
function parts(where: string, inputs: LossInputs, { alpha = 1, weight = "l1", level, valid }: SidLossOptions) {
  const generated = onlyValid(inputs.generated, valid);
  const teacher = onlyValid(inputs.teacher, valid);
  const fake = onlyValid(inputs.fake, valid);
  const own = weightOf(where, { generated, teacher, fake }, weight, level);
  return {
    alpha,
    weight: own.rank === 0 ? own : onlyValid(own, valid),
    delta: sub(teacher, fake),
    residual: sub(teacher, generated),
  };
}

function checkSid(where: string, inputs: LossInputs, options: SidLossOptions): void {
  const { generated, teacher, fake } = checkObject(where, "inputs", inputs, lossInputs);
  checkSameShape(where, { generated, teacher, fake });
  checkLossOptions(
    where,
    generated,
    checkObject(where, "options", options, { alpha: 1, weight: 1, level: 1, reduction: 1, valid: 1 }),
  );
  const { alpha = 1, weight = "l1", level } = options;
  checkFinite(where, "alpha", alpha);
  checkWeight(where, inputs, weight, level);
}
