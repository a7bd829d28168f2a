import { add, clone, concat, mul, slice, split, sub, type Tensor, tidy, tile } from "@tensorflow/tfjs-core";
import { checkFinite, checkFunction, checkObject, checkPerSample, showShape } from "../core/checks";
import { SidError } from "../core/errors";
import { perSample, type Timesteps } from "../core/per-sample";
import { checkBatch, checkSameShape, checkTensor } from "../core/tensor-checks";

/** What {@link guide} combines. */
export interface GuideInputs {
  /** The prediction with the condition, `[B, ...]`. */
  readonly cond: Tensor;
  /** The prediction without it, of the same type and shape. */
  readonly uncond: Tensor;
  /** κ, one for all or one per sample; 1 is no guidance. */
  readonly guidanceScale: number | readonly number[];
}

/**
 * Classifier-free guidance: `uncond + κ·(cond − uncond)`; exactly `cond` at κ = 1 and exactly
 * `uncond` at κ = 0.
 *
 * All prediction types are affine in one another at a fixed `x_t`, and the factors here sum to 1:
 * guiding in one type and converting is converting and guiding.
 *
 * Source: Ho & Salimans, arXiv:2207.12598 (whose `w` is κ − 1).
 *
 * @param inputs - float32 tensors of one shape and a finite scale.
 * @returns a tensor of that shape; the caller owns it. Differentiable in both predictions.
 * @throws SidError `shape-mismatch` (operands never broadcast) or `not-finite`.
 *
 * @example
 * ```ts
 * import { guide } from "sid-lsg";
 * import { tensor2d } from "@tensorflow/tfjs-core";
 *
 * const guided = guide({ cond: tensor2d([[3]]), uncond: tensor2d([[1]]), guidanceScale: 1.5 });
 * console.log(guided.dataSync()[0]); // 4
 * ```
 */
export function guide(inputs: GuideInputs): Tensor {
  const { cond, uncond, guidanceScale } = checkObject("guide", "inputs", inputs, {
    cond: 1,
    uncond: 1,
    guidanceScale: 1,
  });
  checkSameShape("guide", { cond, uncond });
  checkScale("guide", guidanceScale, cond.shape[0] as number);
  if (guidanceScale === 1) return clone(cond);
  if (guidanceScale === 0) return clone(uncond);
  return tidy(() => {
    const kappa = typeof guidanceScale === "number" ? guidanceScale : perSample(guidanceScale, cond.rank);
    return add(uncond, mul(sub(cond, uncond), kappa));
  });
}

function checkScale(where: string, scale: number | readonly number[], batch: number): void {
  if (typeof scale === "object") checkPerSample(where, "guidanceScale", scale, batch);
  else checkFinite(where, "guidanceScale", scale);
}

const where = "guidedPrediction";

/** One pass of a network: the prediction at `(x_t, t, cond)`, of the shape of `xt`. */
export type PredictFunction = (xt: Tensor, t: Timesteps, cond?: Tensor) => Tensor;

/** What {@link guidedPrediction} asks the network about. */
export interface GuidedPredictionInputs {
  /** Noisy samples `[B, ...]`. */
  readonly xt: Tensor;
  /** One time per sample. */
  readonly t: Timesteps;
  /** The conditions, `[B, ...]`; needed unless the guidance scale is 0 or the network takes none. */
  readonly cond?: Tensor | undefined;
  /** The empty condition, `[1, ...]`, tiled over the batch; needed unless the guidance scale is 1. */
  readonly uncond?: Tensor | undefined;
  /**
   * κ, one for all or one per sample; 1 is no guidance.
   * @defaultValue `1`
   */
  readonly guidanceScale?: number | readonly number[] | undefined;
}

/**
 * A network's prediction under guidance, in one call of the network: `B` samples with the
 * condition at κ = 1, `B` samples without it at κ = 0, and otherwise one batch of `2B` samples.
 *
 * @param predict - the network, e.g. `(xt, t, cond) => model.predict(xt, t, cond)`.
 * @param inputs - the batch, its times, the two conditions and the scale.
 * @returns the guided prediction, of the network's own type and the shape of `xt`; the caller owns it.
 * @throws SidError `invalid-argument` for a condition that the scale needs and that is not there,
 *   `shape-mismatch` for one that does not fit or for a network that returns another shape.
 *
 * @example
 * ```ts
 * import { guidedPrediction } from "sid-lsg";
 * import { add, tensor2d, type Tensor } from "@tensorflow/tfjs-core";
 *
 * const predict = (xt: Tensor, _t: readonly number[], cond?: Tensor) => (cond ? add(xt, cond) : xt.clone());
 * const inputs = { xt: tensor2d([[1]]), t: [20], cond: tensor2d([[2]]), uncond: tensor2d([[0]]) };
 * console.log(guidedPrediction(predict, { ...inputs, guidanceScale: 3 }).dataSync()[0]); // 1 + 3 · 2 = 7
 * ```
 */
export function guidedPrediction(predict: PredictFunction, inputs: GuidedPredictionInputs): Tensor {
  checkFunction(where, "predict", predict);
  return guidedPass((xt, t, cond) => ({ prediction: predict(xt, t, cond) }), inputs).prediction;
}

/** What one pass gives: a prediction of the shape of x_t and perhaps features `[B, ...]`. */
type Answer = { readonly prediction: Tensor; readonly features?: Tensor | undefined };

type Call = (xt: Tensor, t: Timesteps, cond?: Tensor) => Answer;

/** An answer, and the prediction at κ = 1 where it is a part of it. */
type GuidedAnswer = Answer & { readonly conditional?: Tensor | undefined };

/** {@link guidedPrediction} with the features, if the pass gives any: those with the condition, where it saw both. */
export function guidedPass(call: Call, inputs: GuidedPredictionInputs): GuidedAnswer {
  const {
    xt,
    t,
    cond,
    uncond,
    guidanceScale: scale = 1,
  } = checkObject(where, "inputs", inputs, { xt: 1, t: 1, cond: 1, uncond: 1, guidanceScale: 1 });
  checkBatch(where, "xt", xt);
  const batch = xt.shape[0] as number;
  checkPerSample(where, "t", t, batch);
  checkScale(where, scale, batch);
  if (scale === 1) {
    if (cond !== undefined) checkRows("cond", cond, batch);
    return tidy(() => pass(call, xt, t, cond));
  }
  const empty = needed("uncond", uncond, 1, scale);
  if (scale === 0) return tidy(() => pass(call, xt, t, repeat(empty, batch)));
  const full = needed("cond", cond, batch, scale);
  if (full.dtype !== empty.dtype || full.shape.slice(1).join() !== empty.shape.slice(1).join())
    throw new SidError(
      "shape-mismatch",
      `${where}: cond and uncond must agree but for the batch, got ${full.dtype} ${showShape(full)} and ${empty.dtype} ${showShape(empty)}.`,
    );
  return tidy(() => {
    const both = pass(call, concat([xt, xt]), [...t, ...t], concat([repeat(empty, batch), full]));
    const [without, within] = split(both.prediction, 2) as [Tensor, Tensor];
    const prediction = guide({ cond: within, uncond: without, guidanceScale: scale });
    return { prediction, conditional: within, features: both.features && slice(both.features, [batch], [batch]) };
  });
}

/** One pass of the network, refused unless it answers in the shape of its input, with features per sample. */
function pass(call: Call, xt: Tensor, t: Timesteps, cond: Tensor | undefined): Answer {
  const { prediction, features } = call(xt, t, cond);
  checkSameShape(where, { xt, prediction });
  if (features !== undefined) checkRows("features", features, xt.shape[0] as number);
  return { prediction, features };
}

function repeat(empty: Tensor, batch: number): Tensor {
  return tile(empty, [batch, ...empty.shape.slice(1).map(() => 1)]);
}

function needed(name: string, condition: Tensor | undefined, batch: number, scale: number | readonly number[]): Tensor {
  if (condition === undefined)
    throw new SidError("invalid-argument", `${where}: guidanceScale ${scale} needs ${name}, which is not given.`);
  return checkRows(name, condition, batch);
}

function checkRows(name: string, x: Tensor, batch: number): Tensor {
  checkTensor(where, name, x);
  if (x.shape[0] !== batch)
    throw new SidError("shape-mismatch", `${where}: ${name} must be [${batch}, ...], got ${showShape(x)}.`);
  return x;
}
