import {
  add,
  div,
  equal,
  fill,
  log,
  mul,
  onesLike,
  reshape,
  where as select,
  softmax,
  square,
  sub,
  sum,
  type Tensor,
  type Tensor2D,
} from "@tensorflow/tfjs-core";
import { checkArray, checkInteger, checkObject, showShape } from "../../core/checks";
import { SidError } from "../../core/errors";
import type { Timesteps } from "../../core/per-sample";
import type { PredictionName } from "../../core/prediction-type";
import type { RandomStream } from "../../core/random";
import { checkStream } from "../../core/random";
import { checkBatch } from "../../core/tensor-checks";
import type { NoiseSchedule } from "../../schedules/types";
import { checkDeclaration, functionModel } from "../adapters";
import { tabulate } from "../tabulate";
import type { ScoreModel } from "../types";
import { checkDimension } from "./gaussian";
import { checkGaussian, checkVector, type GaussianLaw, gaussianPosterior, tableTimes, varianceOf } from "./posterior";

/** Options of {@link gaussianMixtureModel}. */
export interface GaussianMixtureModelOptions {
  /** How often each of the K components occurs: not negative, some positive; scaled to sum 1. */
  readonly weights: readonly number[];
  /** The K means, each with one number per element of a sample. */
  readonly means: readonly (readonly number[])[];
  /** The K variances, each one positive number, or one per element. */
  readonly variances: readonly (number | readonly number[])[];
  /** The forward process. */
  readonly schedule: NoiseSchedule;
  /**
   * What the model predicts.
   * @defaultValue `"x0"`
   */
  readonly predicts?: PredictionName | undefined;
  /**
   * Name for error messages; there are no variables.
   * @defaultValue `"mixture"`
   */
  readonly name?: string | undefined;
}

/** The exact score model of a Gaussian mixture, and samplers of the mixture. */
export interface GaussianMixtureModel extends ScoreModel {
  /** `count` components, drawn by their weights. Throws SidError unless `count` is an integer of 0 or more. */
  components(stream: RandomStream, count: number): number[];
  /**
   * One clean sample of each given component, `[B, d]`; the caller owns it. Throws SidError `out-of-range` or
   * `invalid-argument` unless `components` is a non-empty array of integers in `[0, K)`.
   */
  sample(stream: RandomStream, components: readonly number[]): Tensor2D;
  /** The condition "the sample is of component k": one-hot rows `[B, K]`; the caller owns it. Throws like `sample`. */
  condition(components: readonly number[]): Tensor2D;
  /** The condition that says nothing: the weights as `[1, K]`, for `uncond`; the caller owns it. */
  marginal(): Tensor2D;
}

/**
 * The exact score model of the mixture `Σ_k w_k N(m_k, diag(v_k))`, conditional or not.
 *
 *     E[x0 | x_t, w] = Σ_k r_k(x_t) E_k[x0 | x_t],   r = softmax_k(log w_k + log N(x_t; α·m_k, α²·v_k + σ²))
 *
 * and the same sum for every other kind of prediction. The condition is a tensor `[B, K]` of weights
 * of the components: a one-hot row is a class, the marginal weights are no condition at all, and so
 * is an absent condition. Rows need not sum to 1 but must not be all zero; a weight that
 * is negative or NaN makes its sample's prediction NaN.
 *
 * Source: Bayes' rule; for points, all variances 0, Karras et al., arXiv:2206.00364, appendix B.3.
 *
 * @param options - the law, the forward process and the kind of prediction.
 * @returns a score model for samples `[B, ...]` of `means[k].length` elements each; differentiable in `x_t`.
 * @throws SidError `shape-mismatch` when the numbers of weights, means and variances differ,
 *   `out-of-range` for a negative weight or a variance that is not positive.
 *
 * @example
 * ```ts
 * import { ddpmSchedule, gaussianMixtureModel, predictX0, randomStream } from "sid-lsg";
 *
 * const teacher = gaussianMixtureModel({
 *   weights: [0.5, 0.5],
 *   means: [[-1, 0], [1, 0]],
 *   variances: [0.1, 0.1],
 *   schedule: ddpmSchedule(),
 * });
 * const stream = randomStream(0);
 * const k = teacher.components(stream, 4);
 * const xt = teacher.sample(stream, k);
 * const t = [20, 300, 625, 979];
 * predictX0(teacher, { xt, t, cond: teacher.condition(k), uncond: teacher.marginal(), guidanceScale: 1.5 }).print();
 * ```
 */
export function gaussianMixtureModel(options: GaussianMixtureModelOptions): GaussianMixtureModel {
  const {
    schedule,
    predicts: declared = "x0",
    name = "mixture",
  } = checkObject("gaussianMixtureModel", "options", options, {
    weights: 1,
    means: 1,
    variances: 1,
    schedule: 1,
    predicts: 1,
    name: 1,
  });
  const predicts = checkDeclaration("gaussianMixtureModel", { name, predicts: declared, schedule });
  const { weights, laws } = checkMixture(options);
  const count = laws.length;
  const d = (laws[0] as GaussianLaw).mean.length;

  const predictEach = (x: Tensor, t: Timesteps): { each: Tensor; logDensity: Tensor } => {
    const times = tableTimes(t);
    const posterior = times.map((time) => {
      const [alpha, sigma] = [schedule.alpha(time), schedule.sigma(time)];
      return laws.map((law) =>
        law.mean.map((mean, i) => {
          const { ofXt, ofMean, total } = gaussianPosterior(predicts, alpha, sigma, varianceOf(law, i));
          return { ofXt, offset: ofMean * mean, centre: alpha * mean, total };
        }),
      );
    });
    const table = (key: "ofXt" | "offset" | "centre" | "total") =>
      tabulate([times.length, count, d], (b, k, i) => posterior[b]?.[k]?.[i]?.[key] as number);
    const logScales = tabulate([times.length, count], (b, k) =>
      (posterior[b]?.[k] ?? []).reduce((all, { total }) => all - 0.5 * Math.log(total), 0),
    );
    const distance = sum(div(square(sub(x, table("centre"))), table("total")), 2);
    return { each: add(mul(x, table("ofXt")), table("offset")), logDensity: sub(logScales, mul(distance, 0.5)) };
  };
  const marginal = (rows: number) => tabulate([rows, count], (_, k) => weights[k] as number) as Tensor2D;

  const model = functionModel({
    name,
    predicts,
    schedule,
    predict(xt, t, cond = marginal(t.length)) {
      checkDimension(name, xt, d);
      checkBatch(`${name}.predict`, "cond", cond);
      if (cond.rank !== 2 || cond.shape[1] !== count)
        throw new SidError(
          "shape-mismatch",
          `${name}.predict: cond must be weights of the components [${t.length}, ${count}], got ${showShape(cond)}.`,
        );
      const { each, logDensity } = predictEach(reshape(xt, [t.length, 1, d]), t);
      const responsibilities = softmax(add(logWeights(cond), logDensity), 1);
      return reshape(sum(mul(each, reshape(responsibilities, [t.length, count, 1])), 1), xt.shape);
    },
  });
  const checkComponents = (method: string, components: readonly number[]): void => {
    checkVector(`${name}.${method}`, "components", components);
    for (const k of components) checkInteger(`${name}.${method}`, "component", k, 0, count - 1);
  };
  return {
    ...model,
    components(stream, number) {
      checkStream(`${name}.components`, "stream", stream);
      checkInteger(`${name}.components`, "count", number, 0);
      const last = weights.findLastIndex((w) => w > 0);
      return stream.uniform(number).map((u) => {
        let rest = u;
        return weights.findIndex((w, k) => {
          rest -= w;
          return rest < 0 || k === last;
        });
      });
    },
    sample(stream, components) {
      checkStream(`${name}.sample`, "stream", stream);
      checkComponents("sample", components);
      const noise = stream.normals(components.length * d);
      return tabulate([components.length, d], (b, i) => {
        const law = laws[components[b] as number] as GaussianLaw;
        return (law.mean[i] as number) + Math.sqrt(varianceOf(law, i)) * (noise[b * d + i] as number);
      }) as Tensor2D;
    },
    condition(components) {
      checkComponents("condition", components);
      return tabulate([components.length, count], (b, k) => (components[b] === k ? 1 : 0)) as Tensor2D;
    },
    marginal: () => marginal(1),
  };
}

/**
 * log w, with −1e30 for weights of zero: a finite number, so that no gradient becomes NaN. A weight that
 * is negative or NaN gives NaN, to be seen.
 */
function logWeights(weights: Tensor): Tensor {
  const none = equal(weights, 0);
  return select(none, fill(weights.shape, -1e30), log(select(none, onesLike(weights), weights)));
}

function checkMixture(options: GaussianMixtureModelOptions): { weights: number[]; laws: GaussianLaw[] } {
  const where = "gaussianMixtureModel";
  const { weights, means, variances } = options;
  checkVector(where, "weights", weights);
  const total = weights.reduce((a, b) => a + b, 0);
  const negative = weights.findIndex((w) => w < 0);
  if (negative >= 0)
    throw new SidError("out-of-range", `${where}: weights[${negative}] must be ≥ 0, got ${weights[negative]}.`);
  if (total === 0) throw new SidError("out-of-range", `${where}: some weight must be positive, got only zeros.`);
  checkArray(where, "means", means);
  checkArray(where, "variances", variances);
  if (means.length !== weights.length || variances.length !== weights.length)
    throw new SidError(
      "shape-mismatch",
      `${where}: wanted ${weights.length} means and variances, as many as weights, got ${means.length} and ${variances.length}.`,
    );
  const laws = Array.from(means, (mean, k) => ({ mean, variance: variances[k] as number | readonly number[] }));
  laws.forEach((law, k) => {
    checkGaussian(`${where} component ${k}`, law);
    if (law.mean.length !== laws[0]?.mean.length)
      throw new SidError(
        "shape-mismatch",
        `${where}: all means need the same length, ${laws[0]?.mean.length}, but mean ${k} has ${law.mean.length}.`,
      );
  });
  return { weights: weights.map((w) => w / total), laws };
}
