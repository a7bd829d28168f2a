/** Networks that can be exact: a generator of Gaussian samples, and the posterior mean of a Gaussian law. */
import { add, div, exp, mul, sub } from "@tensorflow/tfjs-core";
import { perSample } from "../../src/core/per-sample";
import { functionModel, type GeneratorModel, generatorFrom, type ScoreModel } from "../../src/models";
import type { NoiseSchedule } from "../../src/schedules";
import { weight } from "./weights";

/** `E[x0 | x_t]` under N(m, exp(l)), which trains in m and l; starts at a law. */
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

/** `x = m + exp(l)·z` of two coordinates, asked at `tInit`; starts at N(0, I). */
export function gaussianGenerator(name: string, schedule: NoiseSchedule, tInit: number): GeneratorModel {
  const mean = weight(`${name}/mean`, [0, 0], [1, 2]);
  const logScale = weight(`${name}/logScale`, [0], [1, 1]);
  const network = functionModel({
    ...{ name, predicts: "x0", schedule, variables: [mean, logScale] },
    predict: (xt) => add(mean, mul(exp(logScale), div(xt, schedule.sigma(tInit)))),
  });
  return generatorFrom(network, { tInit });
}
