import { add, mul, type Scalar, sqrt, square, sub, type Tensor, tidy } from "@tensorflow/tfjs-core";
import { checkNumbers, checkObject, checkPerSample, checkPositive, checkRange } from "../core/checks";
import { perSample, type Timesteps } from "../core/per-sample";
import { checkBatch, checkSameShape } from "../core/tensor-checks";
import { checkLossOptions, type LossOptions, onlyValid, reduce } from "./reduce";

/** Options of {@link consistencyScalings}. */
export interface ConsistencyScalingOptions {
  /**
   * Factor of a time before it enters the scalings.
   * @defaultValue `10`
   */
  readonly timestepScaling?: number | undefined;
  /**
   * Standard deviation of the data.
   * @defaultValue `0.5`
   */
  readonly sigmaData?: number | undefined;
}

/** The two factors per sample in `f = skip·x_t + out·x̂0`. */
export interface ConsistencyScalings {
  /** Factor of `x_t`: 1 at time 0. */
  readonly skip: readonly number[];
  /** Factor of the network's x0-prediction: 0 at time 0. */
  readonly out: readonly number[];
}

/**
 * The boundary condition of a consistency function, which is the identity at time 0.
 *
 *     f(x_t, t) = skip·x_t + out·x̂0,   skip = σ_d²/((k·t)² + σ_d²),   out = k·t/√((k·t)² + σ_d²)
 *
 * Source: Song et al., arXiv:2303.01469; with k = 10 and σ_d = 0.5 as in latent consistency models,
 * latent-consistency-model@a9ad795 train_lcm_distill_sd_wds.py L332-341.
 *
 * @param t - one time per sample, in steps of the schedule.
 * @param options - k and σ_d.
 * @returns float64 numbers, one pair per sample.
 * @throws SidError `out-of-range` or `not-finite` for other numbers.
 *
 * @example
 * ```ts
 * import { consistencyScalings } from "sid-lsg";
 *
 * console.log(consistencyScalings([0])); // { skip: [ 1 ], out: [ 0 ] }
 * ```
 */
export function consistencyScalings(t: Timesteps, options: ConsistencyScalingOptions = {}): ConsistencyScalings {
  const where = "consistencyScalings";
  const { timestepScaling = 10, sigmaData = 0.5 } = checkObject(where, "options", options, {
    timestepScaling: 1,
    sigmaData: 1,
  });
  checkPositive(where, "timestepScaling", timestepScaling);
  checkPositive(where, "sigmaData", sigmaData);
  const scaled = Array.from(
    checkNumbers(where, "t", t),
    (time, i) => timestepScaling * checkRange(where, `t[${i}]`, time, 0, Number.MAX_VALUE),
  );
  return {
    skip: scaled.map((x) => sigmaData ** 2 / (x ** 2 + sigmaData ** 2)),
    out: scaled.map((x) => x / Math.hypot(x, sigmaData)),
  };
}

/** What {@link consistencyLoss} compares. */
export interface ConsistencyInputs {
  /** `f_θ(x_t, t)`, `[B, ...]`. */
  readonly prediction: Tensor;
  /** `f_θ⁻` at the next, less noisy point of the teacher's trajectory, of the same shape; made off the tape. */
  readonly target: Tensor;
}

/** Options of {@link consistencyLoss}. */
export interface ConsistencyLossOptions extends LossOptions {
  /**
   * c of the pseudo-Huber distance `√(e² + c²) − c` of each element; absent: `e²`.
   * @defaultValue none
   */
  readonly huber?: number | undefined;
}

/**
 * The loss of consistency distillation: two points of one trajectory of the teacher lead to the same sample.
 *
 *     L = 1/B Σ d(f_θ(x_t, t) − f_θ⁻(x_t′, t′)),   d(e) = e² or √(e² + c²) − c
 *
 * Source: Luo et al., arXiv:2310.04378; latent-consistency-model@a9ad795 train_lcm_distill_sd_wds.py L1124-1249, which
 * takes the mean over the elements and c = 0.001.
 *
 * @param inputs - both outputs, float32 batches of one shape.
 * @param options - the distance, the reduction and which samples count.
 * @returns a scalar, differentiable in both; the caller owns it.
 * @throws SidError `shape-mismatch` for inputs of different shapes, `out-of-range` for a negative `huber`.
 *
 * @example
 * ```ts
 * import { consistencyLoss } from "sid-lsg";
 * import { tensor2d } from "@tensorflow/tfjs-core";
 *
 * const inputs = { prediction: tensor2d([[3, 0]]), target: tensor2d([[0, 4]]) };
 * console.log(consistencyLoss(inputs, { reduction: "mean" }).dataSync()[0]); // (9 + 16)/2 = 12.5
 * ```
 */
export function consistencyLoss(inputs: ConsistencyInputs, options: ConsistencyLossOptions = {}): Scalar {
  const where = "consistencyLoss";
  const { prediction, target } = checkObject(where, "inputs", inputs, { prediction: 1, target: 1 });
  const { huber, reduction, valid } = checkObject(where, "options", options, { huber: 1, reduction: 1, valid: 1 });
  checkSameShape(where, { prediction, target });
  checkLossOptions(where, prediction, options);
  if (huber !== undefined) checkRange(where, "huber", huber, 0, Number.MAX_VALUE);
  return tidy(() => {
    const squares = square(sub(onlyValid(prediction, valid), onlyValid(target, valid)));
    const distances = huber === undefined ? squares : sub(sqrt(add(squares, huber * huber)), huber);
    return reduce(onlyValid(distances, valid), reduction);
  });
}

/** What {@link consistencyOutput} is made of. */
export interface ConsistencyOutputInputs {
  /** Noisy samples `[B, ...]`. */
  readonly xt: Tensor;
  /** The network's x0-prediction there, of the same shape. */
  readonly x0: Tensor;
  /** One time per sample, in steps of the schedule. */
  readonly t: Timesteps;
}

/**
 * A consistency function out of an x0-prediction: `skip·x_t + out·x̂0`; see {@link consistencyScalings}.
 *
 * Source: {@link consistencyScalings}.
 *
 * @param inputs - noisy samples, the predictions and their times.
 * @param options - k and σ_d of the scalings.
 * @returns `[B, ...]`, differentiable in both tensors; the caller owns it.
 * @throws SidError `shape-mismatch`, and as {@link consistencyScalings} does.
 *
 * @example
 * ```ts
 * import { consistencyOutput } from "sid-lsg";
 * import { tensor2d } from "@tensorflow/tfjs-core";
 *
 * const output = consistencyOutput({ xt: tensor2d([[2]]), x0: tensor2d([[7]]), t: [0] });
 * console.log(output.dataSync()[0]); // 2: the identity at time 0
 * ```
 */
export function consistencyOutput(inputs: ConsistencyOutputInputs, options: ConsistencyScalingOptions = {}): Tensor {
  const where = "consistencyOutput";
  const { xt, x0, t } = checkObject(where, "inputs", inputs, { xt: 1, x0: 1, t: 1 });
  checkBatch(where, "xt", xt);
  checkSameShape(where, { xt, x0 });
  checkPerSample(where, "t", t, xt.shape[0] as number);
  const { skip, out } = consistencyScalings(t, options);
  return tidy(() => add(mul(xt, perSample(skip, xt.rank)), mul(x0, perSample(out, xt.rank))));
}
