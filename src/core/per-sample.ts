import { type Scalar, sum, type Tensor, type Tensor1D, tensor } from "@tensorflow/tfjs-core";
import { checkArray, checkFloat32, checkInteger } from "./checks";

/** One time per sample, in the schedule's own unit: numbers, not a tensor, so that no backend ever has to read back. */
export type Timesteps = readonly number[];

/**
 * One number per sample as a tensor that multiplies a batch: what a network of your own needs in order
 * to use its times or levels.
 *
 * @param values - B finite numbers, in any unit, that fit float32.
 * @param rank - rank of the batch, 1 to 6.
 * @returns a float32 tensor `[B, 1, ..., 1]` of that rank; the caller owns it.
 * @throws SidError `invalid-argument`, `not-finite` or `out-of-range` for anything else.
 *
 * @example
 * ```ts
 * import { perSample } from "sid-lsg";
 * import { mul, tensor2d } from "@tensorflow/tfjs-core";
 *
 * const xt = tensor2d([[1, 2], [3, 4]]);
 * console.log(mul(xt, perSample([10, 0.5], xt.rank)).dataSync()); // 10, 20, 1.5, 2
 * ```
 */
export function perSample(values: readonly number[], rank: number): Tensor {
  checkFloat32("perSample", "values", checkArray("perSample", "values", values));
  checkInteger("perSample", "rank", rank, 1, 6);
  return tensor([...values], [values.length, ...Array<number>(rank - 1).fill(1)], "float32");
}

/** Sums each sample: `[B, ...] → [B]`. */
export function sumPerSample(x: Tensor): Tensor1D {
  return (x.rank > 1 ? sum(x, range(1, x.rank)) : x.clone()) as Tensor1D;
}

/** Elements of one sample. */
export function sampleSize(x: { readonly shape: readonly number[] }): number {
  return x.shape.slice(1).reduce((a, b) => a * b, 1);
}

/** Sum over everything, as a scalar. */
export function total(x: Tensor): Scalar {
  return sum(x) as Scalar;
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}
