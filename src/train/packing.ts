import { concat, reshape, split, type Tensor, type Tensor1D, tidy, type Variable } from "@tensorflow/tfjs-core";

/**
 * A run of tensors as one flat tensor, and back. An operation on a small tensor costs its call,
 * not its arithmetic, so optimiser and average work on flat tensors.
 */
export interface Pack {
  /** Elements of the flat tensor. */
  readonly size: number;
  /** The run out of all tensors, as one `[size]`; the caller owns it. */
  pack(tensors: readonly Tensor[]): Tensor1D;
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
    size,
    pack: (tensors) =>
      tidy(() => {
        const flat = tensors.slice(from, to).map((x) => reshape(x, [x.size]));
        return (flat.length === 1 ? flat[0] : concat(flat)) as Tensor1D;
      }),
    assign: (variables, flat) =>
      tidy(() => {
        const pieces = to === from + 1 ? [flat] : split(flat, counts.slice(from, to));
        pieces.forEach((piece, i) => {
          const variable = variables[from + i] as Variable;
          variable.assign(reshape(piece, variable.shape));
        });
      }),
  }));
}
