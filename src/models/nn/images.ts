import { add, avgPool, concat, mul, ones, reshape, slice, type Tensor, type Tensor4D } from "@tensorflow/tfjs-core";
import { operation } from "./custom-gradient";

/**
 * Every pixel becomes a 2×2 block: nearest-neighbour upsampling, `[B, H, W, C] → [B, 2H, 2W, C]`.
 * A broadcast product with ones and, backward, 4 times an average pooling: both run on every
 * backend and are faster than the resize kernels.
 */
export function upsample2x(x: Tensor4D): Tensor4D {
  return operation<Tensor4D>([x], (input) => {
    const [batch, height, width, channels] = (input as Tensor4D).shape;
    const rows = reshape(input as Tensor, [batch * height, 1, width, 1, channels]);
    return {
      value: reshape(mul(rows, ones([1, 2, 1, 2, 1])), [batch, 2 * height, 2 * width, channels]),
      saved: [],
      backward: (dy) => [mul(avgPool(dy, 2, 2, "valid"), 4)],
    };
  });
}

/**
 * Nearest-neighbour upsampling to about twice the size, as in PyTorch: row i comes from row
 * `⌊i·n/size⌋`. For `2n − 1` that is doubling without the last row, for `2n + 1` doubling after one
 * more copy of the first row.
 *
 * @param x - `[B, H, W, C]`.
 * @param size - `[2H + a, 2W + b]` with a and b in −1, 0, 1.
 */
export function upsampleTo(x: Tensor4D, size: readonly number[]): Tensor4D {
  return size.reduce<Tensor4D>((y, length, i) => fitted(y, i + 1, length), upsample2x(x));
}

/** One row or column less at the end, or one more at the start. */
function fitted(x: Tensor4D, axis: number, length: number): Tensor4D {
  const now = x.shape[axis] as number;
  if (length === now) return x;
  const part = (count: number) => slice(x, [0, 0, 0, 0], x.shape.map((n, i) => (i === axis ? count : n)) as never);
  return length < now ? (part(length) as Tensor4D) : concat([part(length - now) as Tensor4D, x], axis);
}

/**
 * Adds one vector per sample to all positions; backward, the vector gets the sum over the positions.
 *
 * @param x - `[B, ..., C]`.
 * @param vector - `[B, C]`.
 */
export function addToPositions<T extends Tensor>(x: T, vector: Tensor): T {
  const [batch, channels] = vector.shape as [number, number];
  const ones = x.shape.slice(1, -1).map(() => 1);
  return add(x, reshape(vector, [batch, ...ones, channels]));
}
