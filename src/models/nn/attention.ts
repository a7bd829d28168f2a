import {
  add,
  concat,
  matMul,
  mul,
  reshape,
  slice,
  softmax,
  type Tensor,
  type Tensor3D,
  tidy,
  transpose,
} from "@tensorflow/tfjs-core";
import { fused } from "./fused";

/**
 * Multi-head attention `softmax(Q·Kᵀ/√d + mask)·V`, heads side by side in the last axis. Without a mask, the scores
 * exist for a block of queries at a time, unless a tape keeps them.
 *
 * @param q - queries `[B, N, heads·d]`.
 * @param k - keys `[B, M, heads·d]`.
 * @param v - values `[B, M, heads·d]`.
 * @param heads - number of heads.
 * @param mask - added to the scores; broadcasts to `[B, heads, N, M]`.
 * @returns `[B, N, heads·d]`.
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, heads: number, mask?: Tensor): Tensor3D {
  if (mask) return composed(q, k, v, heads, mask);
  return fused<Tensor3D>("SidAttention", [q, k, v], { heads }) ?? inBlocks(q, k, v, heads);
}

/** {@link attention} without a mask, block by block, of at most so many scores; 16 MiB unless told otherwise. */
export function inBlocks(q: Tensor, k: Tensor, v: Tensor, heads: number, mostScores: number = 2 ** 22): Tensor3D {
  const [batch, queries, width] = q.shape as [number, number, number];
  const block = Math.max(1, Math.floor(mostScores / (batch * heads * (k.shape[1] as number))));
  if (block >= queries) return composed(q, k, v, heads);
  const starts = Array.from({ length: Math.ceil(queries / block) }, (_, i) => i * block);
  const parts = starts.map((start) =>
    tidy(() => {
      const some = slice(q, [0, start, 0], [batch, Math.min(block, queries - start), width]);
      return composed(some, k, v, heads);
    }),
  );
  return concat(parts, 1);
}

function composed(q: Tensor, k: Tensor, v: Tensor, heads: number, mask?: Tensor): Tensor3D {
  const [batch, queries, width] = q.shape as [number, number, number];
  const scale = 1 / Math.sqrt(width / heads);
  const scores = matMul(splitHeads(mul(q, scale), heads, false), splitHeads(k, heads, true));
  const weights = softmax(mask ? add(scores, mask) : scores);
  const mixed = matMul(weights, splitHeads(v, heads, false));
  return reshape(transpose(mixed, [0, 2, 1, 3]), [batch, queries, width]);
}

/** `[B, N, heads·d] → [B, heads, N, d]`, or `[B, heads, d, N]`. */
function splitHeads(x: Tensor, heads: number, transposed: boolean): Tensor {
  const [batch, tokens, width] = x.shape as [number, number, number];
  const split = reshape(x, [batch, tokens, heads, width / heads]);
  return transpose(split, transposed ? [0, 2, 3, 1] : [0, 2, 1, 3]);
}
