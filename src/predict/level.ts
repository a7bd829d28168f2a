import { add, mul, type Tensor, tidy } from "@tensorflow/tfjs-core";
import { checkObject, checkPerSample } from "../core/checks";
import { SidError } from "../core/errors";
import { perSample, type Timesteps } from "../core/per-sample";
import { checkSameShape } from "../core/tensor-checks";
import { checkSchedule, levelAt } from "../schedules/time";
import type { NoiseSchedule } from "../schedules/types";

/**
 * How noisy each sample of a batch is: `x_t = alpha·x0 + sigma·ε`, in float64 numbers. One entry
 * per sample, so samples of one batch may differ in time.
 */
export interface NoiseLevel {
  /** Signal scale of each sample; unitless, `≥ 0`. */
  readonly alpha: readonly number[];
  /** Noise standard deviation of each sample, in the sample's own units, `≥ 0`. */
  readonly sigma: readonly number[];
}

/**
 * The noise level of a schedule at each of the times `t`.
 *
 * @param schedule - the forward process.
 * @param t - one time per sample, in the schedule's unit.
 * @returns one `alpha` and one `sigma` per sample.
 * @throws SidError `out-of-range` or `invalid-argument` for a time that the schedule does not have.
 *
 * @example
 * ```ts
 * import { flowSchedule, noiseLevel } from "sid-lsg";
 *
 * console.log(noiseLevel(flowSchedule(), [0.25, 1])); // { alpha: [0.75, 0], sigma: [0.25, 1] }
 * ```
 */
export function noiseLevel(schedule: NoiseSchedule, t: Timesteps): NoiseLevel {
  checkSchedule("noiseLevel", schedule);
  checkPerSample("noiseLevel", "t", t, t?.length ?? 0);
  const levels = t.map((time) => levelAt("noiseLevel", schedule, time));
  return { alpha: levels.map(({ alpha }) => alpha), sigma: levels.map(({ sigma }) => sigma) };
}

/** What {@link addNoise} mixes. */
export interface AddNoiseInputs {
  /** Clean samples `[B, ...]`. */
  readonly x0: Tensor;
  /** Standard normal noise of the same shape. */
  readonly noise: Tensor;
  /** How much of each, per sample. */
  readonly level: NoiseLevel;
}

/**
 * The forward process: `x_t = alpha·x0 + sigma·ε`, with each sample's own level.
 *
 * Source: Kingma et al., arXiv:2107.00630, section 3.1; for VP, Ho et al., arXiv:2006.11239, equation 4.
 *
 * @param inputs - float32 tensors of one shape `[B, ...]` and a level of `B` samples.
 * @returns `x_t` of that shape; the caller owns it. Differentiable in `x0` and `noise`.
 * @throws SidError `shape-mismatch` unless shapes and counts agree: operands never broadcast.
 *
 * @example
 * ```ts
 * import { addNoise } from "sid-lsg";
 * import { tensor2d } from "@tensorflow/tfjs-core";
 *
 * const xt = addNoise({
 *   x0: tensor2d([[1, 2]]),
 *   noise: tensor2d([[1, -1]]),
 *   level: { alpha: [0.8], sigma: [0.6] },
 * });
 * console.log(xt.dataSync()); // 1.4, 1.0
 * ```
 */
export function addNoise(inputs: AddNoiseInputs): Tensor {
  const { x0, noise, level } = checkObject("addNoise", "inputs", inputs, { x0: 1, noise: 1, level: 1 });
  checkSameShape("addNoise", { x0, noise });
  checkLevel("addNoise", level, batchOf(x0));
  return tidy(() => add(mul(x0, perSample(level.alpha, x0.rank)), mul(noise, perSample(level.sigma, x0.rank))));
}

/** Signal and noise at one time. */
interface OneLevel {
  readonly alpha: number;
  readonly sigma: number;
}

/** The deterministic step of DDIM, `x_to = keep·x0 + rest·x_from`: the noise that x_from holds beside x0 stays. */
export function ddimFactors(from: OneLevel, to: OneLevel): { readonly keep: number; readonly rest: number } {
  const rest = to.sigma / from.sigma;
  return { keep: to.alpha - rest * from.alpha, rest };
}

/** Samples in a batch `[B, ...]`. */
export function batchOf(x: Tensor): number {
  return x.shape[0] as number;
}

/** Throws unless `level` has `count` samples with finite `alpha, sigma ≥ 0`, not both zero. */
export function checkLevel(where: string, level: NoiseLevel, count: number): void {
  checkObject(where, "level", level);
  checkPerSample(where, "level.alpha", level.alpha, count);
  checkPerSample(where, "level.sigma", level.sigma, count);
  level.alpha.forEach((alpha, i) => {
    const sigma = level.sigma[i] as number;
    if (alpha < 0 || sigma < 0 || alpha + sigma === 0)
      throw new SidError(
        "out-of-range",
        `${where}: a level needs alpha >= 0 and sigma >= 0, not both 0, got alpha ${alpha}, sigma ${sigma} at sample ${i}.`,
      );
  });
}
