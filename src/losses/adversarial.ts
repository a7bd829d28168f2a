import { add, clipByValue, mean, neg, type Scalar, softplus, type Tensor, tidy } from "@tensorflow/tfjs-core";
import { checkObject } from "../core/checks";
import { checkTensor } from "../core/tensor-checks";

/** The farthest that a logit counts, as in the official code: beyond it its gradient is 0. */
const farthest = 10;

/** The logits of a discriminator on generated and on real samples, any shapes `[B, ...]`. */
export interface DiscriminatorInputs {
  /** On noisy samples of the generator. */
  readonly generated: Tensor;
  /** On noisy real samples. */
  readonly real: Tensor;
}

/**
 * The generator's non-saturating adversarial loss.
 *
 *     L = mean softplus(−D(x_t)),   D clipped to ±10
 *
 * With a perfect discriminator, whose logit is `log r` for the ratio `r = p_data,t/p_θ,t`, its gradient at `x_g` is
 * `(α²/σ²)·(f_ψ − f_φ)/(1 + r)` per sample: the softened reverse KL divergence.
 *
 * Source: Goodfellow et al., arXiv:1406.2661; as in SiDA, arXiv:2410.14919, and DMD2, arXiv:2405.14867.
 *
 * @param logit - of any shape `[B, ...]`, such as a map of patches; all of it is averaged.
 * @returns a scalar, differentiable in the logit; the caller owns it.
 * @throws SidError `invalid-argument` unless it is a tensor.
 *
 * @example
 * ```ts
 * import { adversarialLoss } from "sid-lsg";
 * import { tensor1d } from "@tensorflow/tfjs-core";
 *
 * console.log(adversarialLoss(tensor1d([0, 0])).dataSync()[0]); // log 2 = 0.6931472
 * ```
 */
export function adversarialLoss(logit: Tensor): Scalar {
  checkTensor("adversarialLoss", "logit", logit);
  return tidy(() => mean(softplus(neg(clipByValue(logit, -farthest, farthest)))));
}

/**
 * The discriminator's loss: binary cross entropy, so that its optimum is the logarithm of the ratio of densities.
 *
 *     L = mean softplus(D(x_t of the generator)) + mean softplus(−D(x_t of the data)),   D clipped to ±10
 *
 * Source: {@link adversarialLoss}. SiDA halves the sum.
 *
 * @param inputs - both logits, of any shapes.
 * @returns a scalar, differentiable in both; the caller owns it.
 * @throws SidError `invalid-argument` unless both are tensors.
 *
 * @example
 * ```ts
 * import { discriminatorLoss } from "sid-lsg";
 * import { tensor1d } from "@tensorflow/tfjs-core";
 *
 * console.log(discriminatorLoss({ generated: tensor1d([0]), real: tensor1d([0]) }).dataSync()[0]); // 2·log 2 = 1.3862944
 * ```
 */
export function discriminatorLoss(inputs: DiscriminatorInputs): Scalar {
  const { generated, real } = checkObject("discriminatorLoss", "inputs", inputs, { generated: 1, real: 1 });
  checkTensor("discriminatorLoss", "generated", generated);
  checkTensor("discriminatorLoss", "real", real);
  return tidy(() => add(mean(softplus(clipByValue(generated, -farthest, farthest))), adversarialLoss(real)));
}
