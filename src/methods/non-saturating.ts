import { add, mul, neg, type Scalar, sigmoid, softplus, type Tensor, type Tensor1D, tidy } from "@tensorflow/tfjs-core";
import { checkRange } from "../core/checks";
import { divisor, onlyValid, reduce } from "../losses/reduce";
import type { DiscriminatorUpdate, MethodTimesteps } from "./types";

/** Options of the methods that may have a non-saturating adversarial term. */
export interface AdversarialOptions {
  /**
   * Weight of `softplus(−D)`, averaged over all logits, in the generator's loss; at 0 there is no discriminator.
   * @defaultValue the method's own
   */
  readonly adversarialWeight?: number | undefined;
  /**
   * Weight of `softplus(D(fake)) + softplus(−D(real))`, each averaged, beside the fake score's loss.
   * @defaultValue the method's own
   */
  readonly discriminatorWeight?: number | undefined;
}

/** Throws unless both weights are finite and not negative. */
export function checkAdversarial(where: string, options: AdversarialOptions): void {
  for (const name of ["adversarialWeight", "discriminatorWeight"] as const)
    checkRange(where, name, options[name] as number, 0, Number.MAX_VALUE);
}

/**
 * The generator's term `weight·mean softplus(−D)` and its gradient at the logit, `−weight·sigmoid(−D)/N`. Logits are not
 * clipped, as in DMD2's and FastGen's code: {@link adversarialLoss} is SiDA's and clips them.
 */
export function adversarialTerm(
  logit: Tensor,
  valid: Tensor1D,
  weight: number,
): { readonly loss: Scalar; readonly logit: Tensor } {
  return tidy(() => {
    const against = neg(onlyValid(logit, valid));
    return {
      loss: mul(reduce(onlyValid(softplus(against), valid), "mean"), weight) as Scalar,
      logit: mul(onlyValid(sigmoid(against), valid), -weight / divisor(logit, "mean")),
    };
  });
}

/** The discriminator's loss, `weight·[mean softplus(D(fake)) + mean softplus(−D(real))]`. */
export function discriminatorUpdate(weight: number, timesteps?: MethodTimesteps): DiscriminatorUpdate {
  return {
    timesteps,
    loss: ({ generated, real }, { valid }) =>
      tidy(() => {
        const part = (x: Tensor) => reduce(onlyValid(softplus(x), valid), "mean");
        return mul(add(part(onlyValid(generated, valid)), part(neg(onlyValid(real, valid)))), weight) as Scalar;
      }),
  };
}
