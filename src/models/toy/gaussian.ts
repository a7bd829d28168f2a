import { add, mul, reshape, type Tensor, type Tensor2D } from "@tensorflow/tfjs-core";
import { checkInteger, checkObject, showShape } from "../../core/checks";
import { SidError } from "../../core/errors";
import { sampleSize } from "../../core/per-sample";
import type { PredictionName } from "../../core/prediction-type";
import type { RandomStream } from "../../core/random";
import { checkStream } from "../../core/random";
import type { NoiseSchedule } from "../../schedules/types";
import { checkDeclaration, functionModel } from "../adapters";
import { tabulate } from "../tabulate";
import type { ScoreModel } from "../types";
import { checkGaussian, type GaussianLaw, gaussianPosterior, tableTimes, varianceOf } from "./posterior";

/** Options of {@link gaussianModel}. */
export interface GaussianModelOptions {
  /** Mean, one number per element of a sample. */
  readonly mean: readonly number[];
  /** One positive variance for all elements, or one per element. */
  readonly variance: number | readonly number[];
  /** The forward process. */
  readonly schedule: NoiseSchedule;
  /**
   * What the model predicts.
   * @defaultValue `"x0"`
   */
  readonly predicts?: PredictionName | undefined;
  /**
   * Name for error messages; there are no variables.
   * @defaultValue `"gaussian"`
   */
  readonly name?: string | undefined;
}

/** The exact score model of a Gaussian, and a sampler of the Gaussian. */
export interface GaussianModel extends ScoreModel {
  /** `count` clean samples `[count, d]`; the caller owns them. Throws SidError unless `count` is a positive integer. */
  sample(stream: RandomStream, count: number): Tensor2D;
}

/**
 * The exact score model of the law `N(m, diag(v))`: what a perfectly trained network would return.
 *
 *     E[x0 | x_t] = m + α·v/(α²·v + σ²) · (x_t − α·m)
 *
 * and from it every other prediction. The coefficients are float64. It ignores the condition.
 *
 * @param options - the law, the forward process and the kind of prediction.
 * @returns a score model for samples `[B, ...]` of `mean.length` elements each.
 * @throws SidError `out-of-range` for a variance that is not positive, `not-finite` or
 *   `shape-mismatch` for a mean or variance that is no law.
 *
 * @example
 * ```ts
 * import { ddpmSchedule, gaussianModel, randomStream } from "sid-lsg";
 *
 * const teacher = gaussianModel({ mean: [0.5, -0.3], variance: 0.49, schedule: ddpmSchedule() });
 * const xt = teacher.sample(randomStream(0), 4);
 * teacher.predict(xt, [20, 300, 625, 979]).print(); // E[x0 | x_t]
 * ```
 */
export function gaussianModel(options: GaussianModelOptions): GaussianModel {
  const {
    schedule,
    predicts: declared = "x0",
    name = "gaussian",
  } = checkObject("gaussianModel", "options", options, { mean: 1, variance: 1, schedule: 1, predicts: 1, name: 1 });
  const predicts = checkDeclaration("gaussianModel", { name, predicts: declared, schedule });
  const law: GaussianLaw = { mean: options.mean, variance: options.variance };
  checkGaussian("gaussianModel", law);
  const d = law.mean.length;
  const model = functionModel({
    name,
    predicts,
    schedule,
    predict(xt, t) {
      checkDimension(name, xt, d);
      const times = tableTimes(t);
      const posterior = times.map((time) =>
        law.mean.map((_, i) =>
          gaussianPosterior(predicts, schedule.alpha(time), schedule.sigma(time), varianceOf(law, i)),
        ),
      );
      const scale = tabulate([times.length, d], (b, i) => posterior[b]?.[i]?.ofXt as number);
      const offset = tabulate(
        [times.length, d],
        (b, i) => (posterior[b]?.[i]?.ofMean as number) * (law.mean[i] as number),
      );
      return reshape(add(mul(reshape(xt, [t.length, d]), scale), offset), xt.shape);
    },
  });
  return {
    ...model,
    sample(stream, count) {
      checkStream(`${name}.sample`, "stream", stream);
      checkInteger(`${name}.sample`, "count", count, 1);
      const noise = stream.normals(count * d);
      const draw = (b: number, i: number) =>
        (law.mean[i] as number) + Math.sqrt(varianceOf(law, i)) * (noise[b * d + i] as number);
      return tabulate([count, d], draw) as Tensor2D;
    },
  };
}

/** Throws unless each sample of `xt` has `d` elements. */
export function checkDimension(name: string, xt: Tensor, d: number): void {
  if (sampleSize(xt) !== d)
    throw new SidError(
      "shape-mismatch",
      `${name}.predict: xt must have samples of ${d} elements, got ${showShape(xt)}.`,
    );
}
