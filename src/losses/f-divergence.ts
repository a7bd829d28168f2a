import {
  add,
  clipByValue,
  clone,
  concat,
  div,
  exp,
  matMul,
  maximum,
  mul,
  ones,
  reshape,
  split,
  sqrt,
  stack,
  sum,
  type Tensor,
  type Tensor1D,
  tensor2d,
  tidy,
} from "@tensorflow/tfjs-core";
import {
  checkBoolean,
  checkFunction,
  checkInteger,
  checkNumbers,
  checkObject,
  checkOneOf,
  checkPerSample,
  type KeysOf,
} from "../core/checks";
import { SidError } from "../core/errors";
import { noGrad } from "../core/tape";
import { checkSameShape, checkTensor } from "../core/tensor-checks";
import { checkLossOptions, onlyValid } from "./reduce";

/**
 * The f-divergences with a name, `h(r)` of each and what `h(r)·(f_ψ − f_φ)` descends:
 *
 * - `reverse-kl`: 1, `KL(p_θ ‖ p_data)`;
 * - `forward-kl`: r, `KL(p_data ‖ p_θ)`;
 * - `jensen-shannon`: `r/(1 + r)`, twice the Jensen–Shannon divergence;
 * - `softened-reverse-kl`: `1/(1 + r)`, what a perfect non-saturating discriminator descends;
 * - `hellinger`: `√r`, `4(1 − ∫√(p_data·p_θ))`;
 * - `jeffreys`: `1 + r`, both KL divergences together;
 * - `neyman`: `1/r`, half of Neyman's χ².
 */
export type FDivergenceName =
  | "reverse-kl"
  | "forward-kl"
  | "jensen-shannon"
  | "softened-reverse-kl"
  | "hellinger"
  | "jeffreys"
  | "neyman";

/** h of each. */
const named: Readonly<Record<FDivergenceName, (r: Tensor) => Tensor>> = {
  "reverse-kl": (r) => ones(r.shape),
  "forward-kl": (r) => clone(r),
  "jensen-shannon": (r) => div(r, add(r, 1)),
  "softened-reverse-kl": (r) => div(1, add(r, 1)),
  hellinger: (r) => sqrt(r),
  jeffreys: (r) => add(r, 1),
  neyman: (r) => div(1, r),
};

/** The names of {@link FDivergenceName}. */
export const fDivergences = Object.keys(named) as readonly FDivergenceName[];

/** What {@link fDivergenceWeights} weights by. */
export interface FDivergenceInputs {
  /** A discriminator's logit at `x_t`, `[B]`: at its optimum `log p_data,t(x_t) − log p_θ,t(x_t)`. */
  readonly logit: Tensor1D;
  /** A bin of time per sample, whole numbers from 0; each bin's ratios are divided by their mean. Absent: no division. */
  readonly bins?: readonly number[] | undefined;
  /**
   * `[B]`, 1 for samples that count and 0 for those that enter no mean and whose weight is 0.
   * @defaultValue every sample counts
   */
  readonly valid?: Tensor1D | undefined;
  /**
   * Where these samples are one rank's share of a batch: the sum over ranks of a few numbers, so that the means are those
   * of the whole batch. It is called once for the bins and once to normalise, on all ranks alike.
   * @defaultValue none: the samples are the batch
   */
  readonly sumOverRanks?: ((values: Tensor1D) => Tensor1D) | undefined;
  /**
   * How many bins there are. Needed with `sumOverRanks`, since a rank need not have samples in all of them.
   * @defaultValue those that have samples
   */
  readonly numBins?: number | undefined;
}

/** Options of {@link fDivergenceWeights}. */
export interface FDivergenceOptions {
  /**
   * The divergence, by its name or by `h(r) = r²·f″(r)` at ratios `r = p_data/p_θ` above 0, `[B]` to `[B]`. Since f is
   * convex, h must nowhere be negative; that is not checked, for a check would wait for the device in every iteration.
   * @defaultValue `"jensen-shannon"`
   */
  readonly divergence?: FDivergenceName | ((r: Tensor1D) => Tensor) | undefined;
  /**
   * The range that ratios are clipped to, above 0; `null` takes them as they are, as the identity wants it.
   * @defaultValue `[0.1, 20]`, and logits to ±10
   */
  readonly clip?: readonly [number, number] | null | undefined;
  /**
   * Whether the weights are divided by their mean over the batch.
   * @defaultValue `false`
   */
  readonly normalize?: boolean | undefined;
}

/** What a ratio of densities is clipped to, and a logit before. */
const usual = [0.1, 20] as const;
const farthestLogit = 10;

/** Added to each mean that something is divided by, as in the official code. */
const tiny = 1e-6;

/**
 * The weight of each sample that turns `f_ψ − f_φ` into the gradient of an f-divergence.
 *
 *     E[h(r)·(f_ψ − f_φ)·∂_θ x_g] = (σ²/α²)·∇_θ D_f(p_data,t ‖ p_θ,t),   h(r) = r²·f″(r),   r = p_data,t/p_θ,t at x_t
 *
 * The ratio comes from a discriminator: `r = exp(clip(logit, ±10))`, clipped to `[0.1, 20]`. The official settings
 * divide r by its mean within each of 10 bins of time, and h by its mean over the batch; the identity above holds
 * without any of the three. {@link stoppedGradientLoss} takes the result as a weight function.
 *
 * Source: Xu et al., arXiv:2502.15681 (f-distill); FastGen@34f30e8 f_distill.py L20-111.
 *
 * @param inputs - the logits, and bins of time.
 * @param options - the divergence, and whether the weights are normalised.
 * @returns `[B]`, a constant for gradients; the caller owns it.
 * @throws SidError `invalid-argument` for a divergence that is not known, `shape-mismatch` for logits that are no list of
 *   numbers and for an h that returns another shape.
 *
 * @example
 * ```ts
 * import { fDivergenceWeights } from "sid-lsg";
 * import { tensor1d } from "@tensorflow/tfjs-core";
 *
 * const logit = tensor1d([0, Math.log(3)]);
 * console.log(fDivergenceWeights({ logit }).dataSync()); // 0.5, 0.75
 * ```
 */
export function fDivergenceWeights(inputs: FDivergenceInputs, options: FDivergenceOptions = {}): Tensor1D {
  const where = "fDivergenceWeights";
  const { logit, bins, valid, sumOverRanks, numBins } = checkObject(where, "inputs", inputs, known);
  const { divergence, clip, normalize } = checkFDivergence(where, options);
  checkTensor(where, "logit", logit);
  if (logit.rank !== 1)
    throw new SidError("shape-mismatch", `${where}: logit must be [B], got [${logit.shape.join(", ")}].`);
  if (bins !== undefined) checkPerSample(where, "bins", bins, logit.size);
  if (sumOverRanks !== undefined) checkFunction(where, "sumOverRanks", sumOverRanks);
  if (numBins !== undefined || (bins && sumOverRanks))
    checkInteger(where, "numBins", numBins as number, Math.max(1, ...(bins ?? []).map((bin) => bin + 1)));
  checkLossOptions(where, logit, { valid });
  const h = typeof divergence === "function" ? divergence : named[divergence];
  return noGrad(() => {
    const counts = valid === undefined ? ones([logit.size]) : onlyValid(ones([logit.size]), valid);
    const kept = onlyValid(logit, valid);
    const ratio = clip
      ? clipByValue(exp(clipByValue(kept, -farthestLogit, farthestLogit)), ...(clip as [number, number]))
      : exp(kept);
    const means = bins && meansOf(bins, { values: ratio, counts, numBins, sumOverRanks });
    const own = h((means ? div(ratio, add(means, tiny)) : ratio) as Tensor1D) as Tensor1D;
    checkTensor(where, "h(r)", own);
    checkSameShape(where, { logit, "h(r)": own });
    const weights = onlyValid(own, valid) as Tensor1D;
    if (!normalize) return weights;
    const totals = stack([sum(weights), sum(counts)]) as Tensor1D;
    const [total, count] = split(sumOverRanks?.(totals) ?? totals, 2) as [Tensor, Tensor];
    return div(weights, add(average(total, count), tiny));
  });
}

/** The options with their defaults; throws unless they make sense. */
export function checkFDivergence(where: string, options: FDivergenceOptions) {
  const {
    divergence = "jensen-shannon",
    clip = usual,
    normalize = false,
  } = checkObject(where, "options", options, { divergence: 1, clip: 1, normalize: 1 });
  if (clip !== null) {
    checkNumbers(where, "clip", clip);
    const [least, most] = clip;
    if (clip.length !== 2 || !(least > 0 && least < most))
      throw new SidError("out-of-range", `${where}: clip must be [least, most] with 0 < least < most, got [${clip}].`);
  }
  if (typeof divergence !== "function") checkOneOf(where, "divergence", divergence, fDivergences);
  return { divergence, clip, normalize: checkBoolean(where, "normalize", normalize) };
}

/** What {@link meansOf} averages. */
interface Binned {
  readonly values: Tensor;
  readonly counts: Tensor;
  readonly numBins: number | undefined;
  readonly sumOverRanks: FDivergenceInputs["sumOverRanks"];
}

/** The mean of the samples that count within each sample's bin, `[B]`. */
function meansOf(bins: readonly number[], { values, counts, numBins, sumOverRanks }: Binned): Tensor {
  const all = numBins === undefined ? [...new Set(bins)] : Array.from({ length: numBins }, (_, bin) => bin);
  return tidy(() => {
    const belongs = tensor2d(bins.map((bin) => all.map((other) => Number(other === bin))));
    const own = concat([mul(values, counts), counts].map((x) => reshape(matMul(reshape(x, [1, -1]), belongs), [-1])));
    const [total, count] = split(sumOverRanks?.(own as Tensor1D) ?? own, 2) as [Tensor, Tensor];
    return reshape(matMul(belongs, reshape(average(total, count), [-1, 1])), [-1]);
  });
}

const known: KeysOf<FDivergenceInputs> = { logit: 1, bins: 1, valid: 1, sumOverRanks: 1, numBins: 1 };

/** 0 over 0 is 0. */
function average(total: Tensor, count: Tensor): Tensor {
  return div(total, maximum(count, 1));
}
