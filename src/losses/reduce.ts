import {
  customGrad,
  div,
  greater,
  reshape,
  type Scalar,
  where as select,
  type Tensor,
  type Tensor1D,
  zerosLike,
} from "@tensorflow/tfjs-core";
import { checkOneOf, showShape } from "../core/checks";
import { SidError } from "../core/errors";
import { hasKernel, runIfThere } from "../core/fused-kernels";
import { sampleSize, total } from "../core/per-sample";
import { checkTensor } from "../core/tensor-checks";

/** How one sample's elements add up, before the mean over the batch: their `sum` or their `mean`. */
export type LossReduction = "sum" | "mean";

/** Options that every loss here takes. */
export interface LossOptions {
  /**
   * Over each sample's elements; the batch is always averaged.
   * @defaultValue `"sum"`, as the official code does
   */
  readonly reduction?: LossReduction | undefined;
  /**
   * `[B]`, 1 for samples that count and 0 for samples whose value and gradient are exactly 0,
   * even where they hold NaN. The divisor stays `B`. See {@link finiteSamples}.
   * @defaultValue every sample counts
   */
  readonly valid?: Tensor1D | undefined;
}

/** Throws unless the options are well-formed for a batch like `x`. */
export function checkLossOptions(where: string, x: Tensor, { reduction = "sum", valid }: LossOptions): void {
  checkOneOf(where, "reduction", reduction, ["sum", "mean"]);
  if (valid === undefined) return;
  checkTensor(where, "valid", valid);
  if (valid.rank !== 1 || valid.shape[0] !== x.shape[0])
    throw new SidError("shape-mismatch", `${where}: valid must be [${x.shape[0]}], got ${showShape(valid)}.`);
}

/** What the total over a batch is divided by: its samples, or its elements. */
export function divisor(x: Tensor, reduction: LossReduction = "sum"): number {
  return (x.shape[0] as number) * (reduction === "mean" ? sampleSize(x) : 1);
}

/** The total over a batch `[B, ...]`, divided as the reduction says. */
export function reduce(x: Tensor, reduction?: LossReduction): Scalar {
  return div(total(x), divisor(x, reduction));
}

/**
 * Zeros in place of the samples that do not count. A selection, not a product, so that neither
 * their values nor their gradients can carry NaN on.
 */
export function onlyValid(x: Tensor, valid: Tensor1D | undefined): Tensor {
  if (valid === undefined) return x;
  return selectedByKernel(x, valid) ?? selected(x, valid);
}

/** In one kernel, where the backend has it. */
function selectedByKernel(x: Tensor, valid: Tensor1D): Tensor | undefined {
  if (x.dtype !== "float32" || valid.dtype !== "float32" || !hasKernel("SidOnlyValid")) return undefined;
  const keep = (x: Tensor, valid: Tensor) => runIfThere("SidOnlyValid", [x, valid])?.[0] as Tensor;
  return customGrad((x, save) => {
    (save as (tensors: Tensor[]) => void)([valid]);
    return { value: keep(x as Tensor, valid), gradFunc: (dy: Tensor, saved: Tensor[]) => keep(dy, saved[0] as Tensor) };
  })(x);
}

function selected(x: Tensor, valid: Tensor1D): Tensor {
  const keep = reshape(greater(valid, 0), [x.shape[0] as number, ...Array<number>(x.rank - 1).fill(1)]);
  return select(keep, x, zerosLike(x));
}
