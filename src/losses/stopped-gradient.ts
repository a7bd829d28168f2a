import {
  add,
  customGrad,
  div,
  type GradSaveFunc,
  mul,
  type Scalar,
  sqrt,
  square,
  sub,
  type Tensor,
  tidy,
} from "@tensorflow/tfjs-core";
import { checkObject, checkRange } from "../core/checks";
import { checkSameShape } from "../core/tensor-checks";
import type { NoiseLevel } from "../predict/level";
import { checkLossOptions, divisor, type LossOptions, onlyValid, reduce } from "./reduce";
import { checkWeight, type LossInputs, type LossWeight, lossInputs, weightOf } from "./weights";

/** Options of {@link stoppedGradientLoss} and {@link stoppedGradientCotangent}. */
export interface StoppedGradientOptions extends LossOptions {
  /**
   * ω of each sample.
   * @defaultValue `"none"`
   */
  readonly weight?: LossWeight | undefined;
  /** The noise level of `x_t`, for the weights that need it. */
  readonly level?: NoiseLevel | undefined;
  /**
   * c of a pseudo-Huber distance, element by element: `D/√(D² + c²)` takes the place of `D = f_ψ − f_φ`.
   * @defaultValue none: D itself
   */
  readonly huber?: number | undefined;
}

/**
 * The stopped-gradient loss: Diff-Instruct, VSD, SwiftBrush, DMD, DMD2, and with other inputs SDS and CSD.
 *
 *     L = 1/B Σ ½‖x_g − sg(x_g − g)‖²,   g = ω·(f_ψ − f_φ),   so that ∂L/∂x_g = g/B
 *
 * Nothing flows through the networks: a step costs no backward pass of either. With ω = 1 and a perfect fake score,
 * `E[g·∂_θ x_g] = (σ²/α²)·∇_θ KL(p_θ,t ‖ p_data,t)`. The loss itself, `½‖g‖²`, is no objective: only its gradient is meant.
 *
 * What stands for f_ψ and f_φ makes the method: SDS puts `x_g` for f_ψ, CSD the teacher without the text for f_ψ and with
 * the text for f_φ; the others the fake score and the guided teacher.
 *
 * Source: Luo et al., arXiv:2305.18455 (Diff-Instruct); Wang et al., arXiv:2305.16213 (VSD); Yin et al., arXiv:2405.14867
 * (DMD2).
 *
 * @param inputs - x0-like float32 batches of one shape; operands never broadcast.
 * @param options - ω, the pseudo-Huber distance, the reduction and which samples count.
 * @returns a scalar, differentiable in `generated` alone; the caller owns it.
 * @throws SidError `shape-mismatch` for inputs of different shapes, `out-of-range` for a negative `huber` or a weight that
 *   is infinite, `invalid-argument` for a weight that needs a level without one.
 *
 * @example
 * ```ts
 * import { stoppedGradientLoss } from "sid-lsg";
 * import { grad, tensor2d } from "@tensorflow/tfjs-core";
 *
 * const [teacher, fake] = [tensor2d([[2]]), tensor2d([[1]])];
 * const gradient = grad((generated) => stoppedGradientLoss({ generated, teacher, fake }))(tensor2d([[0]]));
 * console.log(gradient.dataSync()[0]); // 1 − 2 = -1
 * ```
 */
export function stoppedGradientLoss(inputs: LossInputs, options: StoppedGradientOptions = {}): Scalar {
  check("stoppedGradientLoss", inputs, options);
  const { teacher, fake } = inputs;
  const loss = customGrad((...given: (Tensor | GradSaveFunc)[]) => {
    const [generated, save] = given as [Tensor, GradSaveFunc];
    const g = direction("stoppedGradientLoss", { generated, teacher, fake }, options);
    save([g]);
    return {
      value: mul(reduce(square(g), options.reduction), 0.5) as Scalar,
      gradFunc: (dy: Scalar, [kept]: Tensor[]) => mul(kept as Tensor, div(dy, divisor(g, options.reduction))),
    };
  });
  return tidy(() => loss(inputs.generated) as Scalar);
}

/**
 * The gradient of {@link stoppedGradientLoss} at `x_g`: `g/B`, with `reduction: "mean"` divided by the elements of a
 * sample as well.
 *
 * Source: {@link stoppedGradientLoss}.
 *
 * @param inputs - as in {@link stoppedGradientLoss}.
 * @param options - as in {@link stoppedGradientLoss}.
 * @returns a tensor of the inputs' shape; the caller owns it.
 * @throws SidError like {@link stoppedGradientLoss}.
 *
 * @example
 * ```ts
 * import { stoppedGradientCotangent } from "sid-lsg";
 * import { tensor2d } from "@tensorflow/tfjs-core";
 *
 * const inputs = { generated: tensor2d([[0]]), teacher: tensor2d([[2]]), fake: tensor2d([[1]]) };
 * console.log(stoppedGradientCotangent(inputs, { weight: "l1" }).dataSync()[0]); // (1 − 2)/|0 − 2| = -0.5
 * ```
 */
export function stoppedGradientCotangent(inputs: LossInputs, options: StoppedGradientOptions = {}): Tensor {
  check("stoppedGradientCotangent", inputs, options);
  return tidy(() => {
    const g = direction("stoppedGradientCotangent", inputs, options);
    return div(g, divisor(g, options.reduction));
  });
}

/** g of each sample, zero for samples that do not count. */
function direction(where: string, inputs: LossInputs, options: StoppedGradientOptions): Tensor {
  const { weight = "none", level, huber, valid } = options;
  const generated = onlyValid(inputs.generated, valid);
  const teacher = onlyValid(inputs.teacher, valid);
  const fake = onlyValid(inputs.fake, valid);
  const own = weightOf(where, { generated, teacher, fake }, weight, level);
  const difference = sub(fake, teacher);
  const step = huber === undefined ? difference : div(difference, sqrt(add(square(difference), huber * huber)));
  return mul(step, own.rank === 0 ? own : onlyValid(own, valid));
}

function check(where: string, inputs: LossInputs, options: StoppedGradientOptions): void {
  const { generated, teacher, fake } = checkObject(where, "inputs", inputs, lossInputs);
  checkSameShape(where, { generated, teacher, fake });
  checkLossOptions(
    where,
    generated,
    checkObject(where, "options", options, { weight: 1, level: 1, huber: 1, reduction: 1, valid: 1 }),
  );
  const { weight = "none", level, huber } = options;
  if (huber !== undefined) checkRange(where, "huber", huber, 0, Number.MAX_VALUE);
  checkWeight(where, inputs, weight, level);
}
