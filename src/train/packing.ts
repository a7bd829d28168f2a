import { concat, reshape, split, type Tensor, type Tensor1D, tidy, type Variable } from "@tensorflow/tfjs-core";
import { runIfThere } from "../core/fused-kernels";

/**
 * A run of tensors as one flat tensor, and back. An operation on a small tensor costs its call,
 * not its arithmetic, so optimiser and average work on flat tensors.
 */
export interface Pack {
  /** Elements of the flat tensor. */
  readonly size: number;
  /** The first and the last but one of the run's tensors. */
  readonly from: number;
  readonly to: number;
  /** The run out of all tensors, as one `[size]`; the caller owns it. */
  pack(tensors: readonly Tensor[]): Tensor1D;
  /** The flat tensor's parts, shaped like the run out of all tensors; the caller owns them. */
  unpack(flat: Tensor, like: readonly Tensor[]): Tensor[];
  /** Assigns the flat tensor's parts to the run's variables out of all variables. */
  assign(variables: readonly Variable[], flat: Tensor): void;
}

/** Groups tensors of `shapes`, in their order, into flat ones of at most `limit` elements; a larger one stands alone. */
export function packs(shapes: readonly (readonly number[])[], limit = 2 ** 22): Pack[] {
  const counts = shapes.map((shape) => shape.reduce((a, b) => a * b, 1));
  const runs: { from: number; to: number; size: number }[] = [];
  counts.forEach((count, i) => {
    const last = runs.at(-1);
    if (last && last.size + count <= limit) {
      last.to = i + 1;
      last.size += count;
    } else runs.push({ from: i, to: i + 1, size: count });
  });
  return runs.map(({ from, to, size }) => ({
    ...{ size, from, to },
    pack: (tensors) => tidy(() => flattened(tensors.slice(from, to))),
    unpack: (flat, like) => tidy(() => partsOf(flat, like.slice(from, to))),
    assign: (variables, flat) =>
      tidy(() => {
        const run = variables.slice(from, to);
        for (const [i, part] of partsOf(flat, run).entries()) run[i]?.assign(part);
      }),
  }));
}

function flattened(tensors: readonly Tensor[]): Tensor1D {
  const flat = (x: Tensor) => reshape(x, [x.size]) as Tensor1D;
  if (tensors.length === 1) return flat(tensors[0] as Tensor);
  return (runIfThere("SidPack", tensors)?.[0] as Tensor1D | undefined) ?? concat(tensors.map(flat));
}

/** A flat tensor's parts, in the shapes of others. */
function partsOf(flat: Tensor, like: readonly Tensor[]): Tensor[] {
  const shaped = (part: Tensor, i: number) => reshape(part, like[i]?.shape as number[]);
  if (like.length === 1) return [shaped(flat, 0)];
  return (
    runIfThere("SidUnpack", [flat, ...like]) ??
    split(
      flat,
      like.map(({ size }) => size),
    ).map(shaped)
  );
}
