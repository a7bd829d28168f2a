import {
  all,
  isFinite as isFiniteElement,
  isNaN as isNaNElement,
  logicalAnd,
  mul,
  ones,
  reshape,
  where as select,
  sign,
  type Tensor,
  type Tensor1D,
  tidy,
  zeros,
  zerosLike,
} from "@tensorflow/tfjs-core";
import { checkArray, showShape } from "../core/checks";
import { SidError } from "../core/errors";
import { runIfThere } from "../core/fused-kernels";
import { sampleSize } from "../core/per-sample";
import { besideTape } from "../core/tape";
import { checkBatch, checkTensor } from "../core/tensor-checks";

/** What takes the place of an infinite element of a gradient. */
export const largestGradient = 1e5;

/**
 * Which samples may stay in the batch: those whose every element is finite in all tensors. The
 * losses take the result as `valid`.
 *
 * Source: SiD-LSG@709fc22 training/sid_training_loop.py L508-520 drops samples with NaN; here an
 * infinity counts as well.
 *
 * @param tensors - float32 batches `[B, ...]` of one batch size; the rest of the shapes may differ.
 * @returns `[B]`, 1 for samples to keep and 0 for the others; the caller owns it. Not differentiable.
 * @throws SidError `shape-mismatch` for batches of different sizes, `invalid-argument` for none.
 *
 * @example
 * ```ts
 * import { finiteSamples } from "sid-lsg";
 * import { tensor2d } from "@tensorflow/tfjs-core";
 *
 * console.log(finiteSamples(tensor2d([[1, 2], [Number.NaN, 4]])).dataSync()); // 1, 0
 * ```
 */
export function finiteSamples(...tensors: readonly Tensor[]): Tensor1D {
  const where = "finiteSamples";
  const [first] = tensors;
  if (first === undefined) throw new SidError("invalid-argument", `${where}: wanted at least one tensor, got none.`);
  for (const [i, tensor] of tensors.entries()) checkBatch(where, `tensor ${i}`, tensor);
  if (tensors.some((tensor) => tensor.shape[0] !== first.shape[0]))
    throw new SidError(
      "shape-mismatch",
      `${where}: the batch sizes must agree, got ${tensors.map((tensor) => showShape(tensor)).join(", ")}.`,
    );
  const whole = besideTape(() => runIfThere("SidFiniteSamples", tensors));
  if (whole) return whole[0] as Tensor1D;
  return tidy(() => {
    const finite = tensors.map((x) => all(isFiniteElement(reshape(x, [-1, sampleSize(x)])), 1));
    const batch: [number] = [first.shape[0] as number];
    return select(finite.reduce(logicalAnd), ones(batch), zeros(batch)) as Tensor1D;
  });
}

/**
 * Gradients fit for an optimiser: NaN becomes 0, ±∞ becomes ±1e5, everything finite stays.
 *
 * Source: SiD-LSG@709fc22 training/sid_training_loop.py L458-460, L541-543, before each step.
 *
 * @param gradients - float32 tensors of any shapes; borrowed.
 * @returns one new tensor per gradient; the caller owns them.
 * @throws SidError `invalid-argument` for anything that is not a live tensor.
 *
 * @example
 * ```ts
 * import { cleanGradients } from "sid-lsg";
 * import { tensor1d } from "@tensorflow/tfjs-core";
 *
 * const [clean] = cleanGradients([tensor1d([Number.NaN, Number.POSITIVE_INFINITY, 2])]);
 * console.log(clean?.dataSync()); // 0, 100000, 2
 * ```
 */
export function cleanGradients(gradients: readonly Tensor[]): Tensor[] {
  checkArray("cleanGradients", "gradients", gradients);
  for (const [i, gradient] of gradients.entries()) checkTensor("cleanGradients", `gradient ${i}`, gradient);
  return tidy(() =>
    gradients.map((g) => {
      // The sign, since WebGL's clipByValue lets +∞ through.
      const bounded = select(isNaNElement(g), zerosLike(g), mul(sign(g), largestGradient));
      return select(isFiniteElement(g), g, bounded);
    }),
  );
}
