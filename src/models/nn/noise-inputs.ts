import { mul, type Tensor, type Tensor2D } from "@tensorflow/tfjs-core";
import { perSample, type Timesteps } from "../../core/per-sample";
import type { NoiseSchedule } from "../../schedules/types";
import { timeEmbedding } from "./time-embedding";

/**
 * Noisy samples and their times as a network of any schedule takes them: `x_t/√(α² + σ²)`, of about unit size, and
 * sinusoids of `1000·σ/(α + σ)`, the time of the rectified flow at the same signal-to-noise ratio, `[B, timeDim]`.
 */
export function noiseInputs(
  schedule: NoiseSchedule,
  xt: Tensor,
  t: Timesteps,
  timeDim: number,
): { readonly scaled: Tensor; readonly time: Tensor2D } {
  const levels = t.map((time) => [schedule.alpha(time), schedule.sigma(time)] as const);
  const scale = perSample(
    levels.map(([alpha, sigma]) => 1 / Math.hypot(alpha, sigma)),
    xt.rank,
  );
  const time = timeEmbedding(
    levels.map(([alpha, sigma]) => (1000 * sigma) / (alpha + sigma)),
    { dim: timeDim },
  );
  return { scaled: mul(xt, scale), time };
}
