import {
  add,
  clone,
  div,
  maximum,
  mul,
  neg,
  reshape,
  type Scalar,
  scalar,
  sqrt,
  square,
  sub,
  type Tensor,
  tidy,
} from "@tensorflow/tfjs-core";
import { checkObject, checkOneOf, checkRange } from "../core/checks";
import { sumPerSample } from "../core/per-sample";
import { vjp } from "../core/tape";
import { checkSameShape } from "../core/tensor-checks";
import type { NoiseLevel } from "../predict/level";
import { checkLossOptions, type LossOptions, onlyValid, reduce } from "./reduce";
import type { SidCotangents } from "./sid";
import { checkWeight, type LossInputs, type LossWeight, lossInputs, weightOf } from "./weights";

/**
 * The distance d whose expectation between the two score fields SIM descends, by its gradient d′ at `y = f_ψ − f_φ`:
 *
 * - `squared`: `d = ‖y‖²`, `d′ = 2y`;
 * - `{ huber: c }`: `d = √(‖y‖² + c²) − c`, `d′ = y/√(‖y‖² + c²)`, the norm over a sample;
 * - a function from y, `[B, ...]`, to d′ of the same shape, made of differentiable operations; d′ must be a gradient.
 */
export type SimDistance =
  | "squared"
  | {
      /** c, 0 or more; in x0 units. */
      readonly huber: number;
    }
  | ((y: Tensor) => Tensor);

/** Options of {@link simLoss} and {@link simCotangents}. */
export interface SimLossOptions extends LossOptions {
  /**
   * The distance between the score fields.
   * @defaultValue `"squared"`
   */
  readonly distance?: SimDistance | undefined;
  /**
   * ω of each sample. In score units the loss is `(a²/s²)²` times that of x0 units.
   * @defaultValue `"none"`
   */
  readonly weight?: LossWeight | undefined;
  /** The noise level of `x_t`, for the weights that need it. */
  readonly level?: NoiseLevel | undefined;
}

/**
 * The loss of score implicit matching.
 *
 *     L = −1/B Σ ω · Σ d′(y) ⊙ (f_ψ − x_g),   y = f_ψ − f_φ
 *
 * The gradient flows through `x_g` and through the inputs of both frozen networks. With a perfect fake score it is
 * `E_π[d′(y)·∂_θ f_ψ*(x_t)]`, the law π of x_t held: what changes the distance through the fake score, not the gradient of
 * the distance. With `d = ‖y‖²` it is exactly twice {@link sidLoss} at α = 1.
 *
 * Source: Luo et al., arXiv:2410.16794; of the official repository only inference is public.
 *
 * @param inputs - x0-like float32 batches of one shape; operands never broadcast.
 * @param options - the distance, ω, the reduction and which samples count.
 * @returns a scalar, differentiable in all three inputs; the caller owns it.
 * @throws SidError `shape-mismatch` for inputs of different shapes or a distance that returns another shape,
 *   `out-of-range` for a negative `huber`, `invalid-argument` for a weight that needs a level without one.
 *
 * @example
 * ```ts
 * import { sidLoss, simLoss } from "sid-lsg";
 * import { tensor2d } from "@tensorflow/tfjs-core";
 *
 * const inputs = { generated: tensor2d([[0]]), teacher: tensor2d([[3]]), fake: tensor2d([[1]]) };
 * console.log(simLoss(inputs).dataSync()[0]); // −2·(1 − 3)·(1 − 0) = 4
 * console.log(sidLoss(inputs, { weight: "none" }).dataSync()[0]); // 2
 * ```
 */
export function simLoss(inputs: LossInputs, options: SimLossOptions = {}): Scalar {
  const where = "simLoss";
  check(where, inputs, options);
  const { distance = "squared", weight = "none", level, valid, reduction } = options;
  return tidy(() => {
    const [generated, teacher, fake] = [inputs.generated, inputs.teacher, inputs.fake].map((x) => onlyValid(x, valid));
    const given = { generated, teacher, fake } as LossInputs;
    const own = weightOf(where, given, weight, level);
    const y = sub(given.fake, given.teacher);
    const slope = slopeOf(distance, y);
    checkSameShape(where, { y, "the distance's gradient": slope });
    const product = onlyValid(mul(slope, sub(given.fake, given.generated)), valid);
    return neg(reduce(mul(own.rank === 0 ? own : onlyValid(own, valid), product), reduction));
  });
}

/**
 * The gradient of {@link simLoss} with respect to each of its inputs.
 *
 * Source: {@link simLoss}, differentiated on a tape of its own at constant ω.
 *
 * @param inputs - as in {@link simLoss}.
 * @param options - as in {@link simLoss}.
 * @returns one tensor per input, of its shape.
 * @throws SidError like {@link simLoss}.
 *
 * @example
 * ```ts
 * import { simCotangents } from "sid-lsg";
 * import { tensor2d } from "@tensorflow/tfjs-core";
 *
 * const inputs = { generated: tensor2d([[0]]), teacher: tensor2d([[3]]), fake: tensor2d([[1]]) };
 * console.log(simCotangents(inputs).generated.dataSync()[0]); // 2·(1 − 3) = -4
 * ```
 */
export function simCotangents(inputs: LossInputs, options: SimLossOptions = {}): SidCotangents {
  check("simCotangents", inputs, options);
  const loss = (...[generated, teacher, fake]: Tensor[]) =>
    simLoss({ generated, teacher, fake } as LossInputs, options);
  // Clones: one tensor in two places would get the sum of both gradients.
  const at = () => [inputs.generated, inputs.teacher, inputs.fake].map((x) => clone(x));
  const [generated, teacher, fake] = tidy(() => vjp(loss, at(), scalar(1))) as [Tensor, Tensor, Tensor];
  return { generated, teacher, fake };
}

function slopeOf(distance: SimDistance, y: Tensor): Tensor {
  if (typeof distance === "function") return distance(y);
  if (distance === "squared") return mul(y, 2);
  const shape = [y.shape[0] as number, ...Array<number>(y.rank - 1).fill(1)];
  const squared = reshape(sumPerSample(square(y)), shape);
  return div(y, sqrt(add(maximum(squared, smallestSquare), distance.huber ** 2)));
}

/** Keeps 0/0 out where the two fields agree and c is 0. */
const smallestSquare = 1e-30;

function check(where: string, inputs: LossInputs, options: SimLossOptions): void {
  const { generated, teacher, fake } = checkObject(where, "inputs", inputs, lossInputs);
  checkSameShape(where, { generated, teacher, fake });
  checkLossOptions(
    where,
    generated,
    checkObject(where, "options", options, { distance: 1, weight: 1, level: 1, reduction: 1, valid: 1 }),
  );
  const { distance = "squared", weight = "none", level } = options;
  if (typeof distance === "string") checkOneOf(where, "distance", distance, ["squared"]);
  else if (typeof distance !== "function")
    checkRange(where, "distance.huber", checkObject(where, "distance", distance).huber, 0, Number.MAX_VALUE);
  checkWeight(where, inputs, weight, level);
}
