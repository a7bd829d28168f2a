import { add, mul, neg, type Scalar, type Tensor, type Tensor1D, tidy } from "@tensorflow/tfjs-core";
import { checkFinite, checkFunction, checkObject, checkRange, type KeysOf, showShape } from "../core/checks";
import { SidError } from "../core/errors";
import { noGrad } from "../core/tape";
import { checkTensor } from "../core/tensor-checks";
import { finiteSamples } from "../losses/nan-policy";
import { onlyValid, reduce } from "../losses/reduce";
import { isDataUpdate } from "./check-method";
import { cotangentsOf } from "./cotangents-of";
import type { Cotangents, Method, ScoreMethod } from "./types";

/** What {@link withReward} adds. */
export interface RewardOptions {
  /**
   * R of each sample, `[B]`, made of differentiable operations on the samples; the condition is borrowed. To judge
   * images where the samples are latents, decode them here.
   */
  readonly reward: (generated: Tensor, cond: Tensor | undefined) => Tensor1D;
  /** w: what a unit of reward counts beside the method's loss, before the loss scale. */
  readonly weight: number;
  /**
   * Images seen before the reward counts.
   * @defaultValue `0`
   */
  readonly startsAt?: number | undefined;
}

const known: KeysOf<RewardOptions> = { reward: 1, weight: 1, startsAt: 1 };

/**
 * A method with a reward: of the generator's samples themselves, without noise and without a network.
 *
 *     L = L_method − w·1/B Σ R(x_g, c),   ∂L/∂x_g = ∂L_method/∂x_g − w·∇R/B
 *
 * What else the method does stays as it is. Several rewards are several calls. DI++ and DI* add one to Diff-Instruct
 * (second-hand); DMDR adds two of weight 0.3 to DMD2 after 2,000 iterations without, at κ = 7, five updates of ψ per
 * update of G, and rates of 5e-7 and 2e-7 (official code).
 *
 * Source: Luo et al., arXiv:2410.18881 and arXiv:2410.20898.
 *
 * @param method - any method whose generator learns from its own samples.
 * @param options - the reward, its weight, and when it begins.
 * @returns the method with the reward; its name ends in `+reward`.
 * @throws SidError `invalid-argument` for a method that learns from real images; when it is computed, `shape-mismatch`
 *   for a reward that is not `[B]`, `invalid-argument` for one that does not depend on the samples.
 *
 * @example
 * ```ts
 * import { ddpmSchedule, sidLsg, withReward } from "sid-lsg";
 * import { mul, square, sum, tensor1d, tensor2d, type Tensor1D } from "@tensorflow/tfjs-core";
 *
 * const method = withReward(sidLsg({ weight: "none" }), {
 *   reward: (generated) => mul(sum(square(generated), 1), -1) as Tensor1D,
 *   weight: 0.5,
 * });
 * const tensors = { generated: tensor2d([[3]]), teacher: tensor2d([[2]]), fake: tensor2d([[2]]) };
 * const { generated } = method.generator.cotangents(tensors, {
 *   level: { alpha: [0.8], sigma: [0.6] },
 *   t: [500],
 *   moment: { schedule: ddpmSchedule(), nimg: 0, iteration: 0 },
 *   valid: tensor1d([1]),
 * });
 * console.log(generated?.dataSync()[0]); // 0 − 0.5·(−2·3) = 3
 * ```
 */
export function withReward<Q extends string>(method: Method<Q>, options: RewardOptions): ScoreMethod<Q> {
  const where = "withReward";
  const { generator } = checkObject(where, "method", method);
  const { reward, weight, startsAt = 0 } = checkObject(where, "options", options, known);
  checkFunction(where, "reward", reward);
  checkFinite(where, "weight", weight);
  checkRange(where, "startsAt", startsAt, 0, Number.MAX_VALUE);
  if (isDataUpdate(generator))
    throw new SidError(
      "invalid-argument",
      `${where}: the method "${method.name}" learns from real images and draws no samples that a reward could judge; take one whose generator learns from its own samples, such as sidLsg() or dmd2().`,
    );
  return {
    ...method,
    name: `${method.name}+reward`,
    settings: { ...method.settings, [`reward of ${method.name}`]: { weight, startsAt } },
    generator: {
      ...generator,
      cotangents(tensors, circumstances) {
        const { valid, cond, moment } = circumstances;
        if (moment.nimg < startsAt) return generator.cotangents(tensors, circumstances);
        return tidy(() => {
          const own = generator.cotangents(tensors, circumstances);
          const loss = ({ generated }: Readonly<Record<"generated", Tensor>>) => {
            const each = reward(onlyValid(generated, valid), cond && onlyValid(cond, valid));
            checkTensor(where, "the reward", each);
            if (each.rank !== 1 || each.shape[0] !== generated.shape[0])
              throw new SidError(
                "shape-mismatch",
                `${where}: the reward must be [${generated.shape[0]}], one number per sample, got ${showShape(each)}.`,
              );
            const counted = noGrad(() => mul(valid, finiteSamples(each)) as Tensor1D);
            return mul(neg(reduce(onlyValid(each, counted))), weight) as Scalar;
          };
          const added = cotangentsOf(loss, { generated: tensors.generated }, ["generated"]);
          // A sample whose reward is not finite goes without, and not the whole batch.
          const along = onlyValid(added.generated as Tensor, finiteSamples(added.generated as Tensor));
          const generated = own.generated === undefined ? along : add(own.generated, along);
          return { ...own, loss: add(own.loss, added.loss), generated } as Cotangents<Q>;
        });
      },
    },
  };
}
