import {
  add,
  concat,
  dispose,
  matMul,
  mul,
  reshape,
  slice,
  softmax,
  sub,
  sum,
  type Tensor,
  type Tensor3D,
  tidy,
  transpose,
  zerosLike,
} from "@tensorflow/tfjs-core";
import { operation } from "./custom-gradient";
import { fused } from "./fused";

/** Options of {@link attention}. */
export interface AttentionOptions {
  /** Number of heads. */
  readonly heads: number;
  /** Added to the scores; broadcasts to `[B, heads, N, M]`. */
  readonly mask?: Tensor | undefined;
  /** Queries at a time, where no mask is; as many as keep the scores within {@link mostScores} if not given. */
  readonly slice?: number | undefined;
}

/** Bytes of scores that are computed at once. */
const mostScores = 64 * 2 ** 20;

/**
 * Multi-head attention `softmax(Q·Kᵀ/√d + mask)·V`, heads side by side in the last axis.
 *
 * @param q - queries `[B, N, heads·d]`.
 * @param k - keys `[B, M, heads·d]`.
 * @param v - values `[B, M, heads·d]`.
 * @returns `[B, N, heads·d]`.
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions): Tensor3D {
  const { heads, mask } = options;
  if (mask) return composed(q, k, v, heads, mask);
  const whole = fused<Tensor3D>("SidAttention", [q, k, v], { heads });
  if (whole) return whole;
  const [batch, queries] = q.shape as [number, number];
  const fitting = Math.max(1, Math.floor(mostScores / (4 * batch * heads * (k.shape[1] as number))));
  const { slice = fitting } = options;
  return slice < queries ? slicedAttention(q, k, v, heads, slice) : composed(q, k, v, heads);
}

function composed(q: Tensor, k: Tensor, v: Tensor, heads: number, mask?: Tensor): Tensor3D {
  const scale = 1 / Math.sqrt((q.shape[2] as number) / heads);
  return tidy(() => {
    const scores = matMul(splitHeads(mul(q, scale), heads), splitHeads(k, heads, true));
    const weights = softmax(mask ? add(scores, mask) : scores);
    return joinHeads(matMul(weights, splitHeads(v, heads)));
  });
}

/**
 * The same for `size` queries at a time: of the scores only those of one slice are ever in memory, and the
 * backward pass, which keeps q, k and v alone, computes them again. Per slice, with `S = Q·Kᵀ/√d`, `P = softmax(S)`,
 *
 *     dV += Pᵀ·dO,   dP = dO·Vᵀ,   dS = P ⊙ (dP − Σ_M P ⊙ dP),   dQ = dS·K/√d,   dK += dSᵀ·Q/√d
 *
 * Source: Rabe & Staats, arXiv:2112.05682.
 */
export function slicedAttention(q: Tensor, k: Tensor, v: Tensor, heads: number, size: number): Tensor3D {
  const [batch, queries, width] = q.shape as [number, number, number];
  const scale = 1 / Math.sqrt(width / heads);
  const starts = Array.from({ length: Math.ceil(queries / size) }, (_, i) => i * size);
  /** Queries from `start` on, or what belongs to them, by heads. */
  const part = (x: Tensor, start: number) =>
    splitHeads(slice(x, [0, start, 0], [batch, Math.min(size, queries - start), width]), heads);
  return operation<Tensor3D>([q, k, v], (...inputs) => {
    const [q, k, v] = inputs as [Tensor, Tensor, Tensor];
    const [keys, values] = [splitHeads(k, heads, true), splitHeads(v, heads)];
    const mixed = starts.map((start) =>
      tidy(() => joinHeads(matMul(softmax(matMul(mul(part(q, start), scale), keys)), values))),
    );
    return {
      value: concat(mixed, 1),
      saved: [q, k, v],
      backward: (dy, saved) => {
        const [q, k, v] = saved as [Tensor, Tensor, Tensor];
        const [keys, values] = [splitHeads(k, heads), splitHeads(v, heads, true)];
        const keysAcross = splitHeads(k, heads, true);
        let [dKeys, dValues] = [zerosLike(keys), zerosLike(keys)];
        const dq = starts.map((start) => {
          const sums = [dKeys, dValues] as const;
          const [dPart, dk, dv] = tidy(() => {
            const [scaled, out] = [mul(part(q, start), scale), part(dy, start)];
            const weights = softmax(matMul(scaled, keysAcross));
            const dWeights = matMul(out, values);
            const dScores = mul(weights, sub(dWeights, sum(mul(weights, dWeights), -1, true)));
            return [
              joinHeads(mul(matMul(dScores, keys), scale)),
              add(dKeys, matMul(dScores, scaled, true, false)),
              add(dValues, matMul(weights, out, true, false)),
            ];
          }) as [Tensor3D, Tensor, Tensor];
          dispose([...sums]);
          [dKeys, dValues] = [dk, dv];
          return dPart;
        });
        return [concat(dq, 1), joinHeads(dKeys), joinHeads(dValues)];
      },
    };
  });
}

/** `[B, N, heads·d] → [B, heads, N, d]`, or `[B, heads, d, N]`. */
function splitHeads(x: Tensor, heads: number, transposed = false): Tensor {
  const [batch, tokens, width] = x.shape as [number, number, number];
  const split = reshape(x, [batch, tokens, heads, width / heads]);
  return transpose(split, transposed ? [0, 2, 3, 1] : [0, 2, 1, 3]);
}

/** `[B, heads, N, d] → [B, N, heads·d]`. */
function joinHeads(x: Tensor): Tensor3D {
  const [batch, heads, tokens, width] = x.shape as [number, number, number, number];
  return reshape(transpose(x, [0, 2, 1, 3]), [batch, tokens, heads * width]);
}
