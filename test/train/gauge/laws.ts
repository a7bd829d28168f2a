/** Networks that can be exact: the posterior mean of a Gaussian law whose mean and variance train. */
import { add, div, exp, mul, sub } from "@tensorflow/tfjs-core";
import { perSample } from "../../../src/core/per-sample";
import { functionModel, type ScoreModel } from "../../../src/models";
import type { NoiseSchedule } from "../../../src/schedules";
import { weight } from "../../support/weights";

/** A schedule whose time is minus the log-SNR. */
export function logSnrSchedule(): NoiseSchedule {
  return {
    ...{ kind: "vp", discrete: false, tMin: -15, tMax: 12 },
    alpha: (t) => 1 / Math.sqrt(1 + Math.exp(t)),
    sigma: (t) => 1 / Math.sqrt(1 + Math.exp(-t)),
  };
}

/** Trains in the mean and the log-variance of its law. */
export function gaussianScore(
  name: string,
  schedule: NoiseSchedule,
  law: { readonly mean: readonly number[]; readonly variance: number },
): ScoreModel {
  const mean = weight(`${name}/mean`, law.mean, [1, law.mean.length]);
  const logVariance = weight(`${name}/logVariance`, [Math.log(law.variance)], [1, 1]);
  return functionModel({
    ...{ name, predicts: "x0", schedule, variables: [mean, logVariance] },
    predict(xt, t) {
      const alpha = perSample(t.map(schedule.alpha), 2);
      const noise = perSample(
        t.map((x) => schedule.sigma(x) ** 2),
        2,
      );
      const variance = exp(logVariance);
      const gain = div(mul(variance, alpha), add(mul(mul(alpha, alpha), variance), noise));
      return add(mean, mul(gain, sub(xt, mul(alpha, mean))));
    },
  });
}
