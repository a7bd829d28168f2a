/*
 * Multi-head attention. The scores exist for a block of queries only, and again in the backward pass.
 * Queries `[batch, n, width]`, keys and values `[batch, m, width]`; heads lie side by side in the width.
 */
import { bytes, exp4, loadUpTo4, madd, storeUpTo4, sum4 } from "./floats";
import { gemmScratch, product } from "./gemm";

/** Scores of a block, which shall stay in the cache. */
const blockScores: i32 = 32768;

/** Queries in a block: nearly whole tiles of rows. */
function blockQueries(n: i32, m: i32): i32 {
  return min(n, max(6, (blockScores / m / 6) * 6));
}

/** Floats of scratch that {@link attention} and {@link attentionGradient} want. */
export function attentionScratch(n: i32, m: i32, width: i32): i32 {
  return 2 * blockQueries(n, m) * m + gemmScratch(max(m, width));
}

/** `softmax(Q·Kᵀ/√d)·V` for heads `first ≤ b·heads + h < last` of all samples' heads. */
export function attention(
  first: i32, last: i32, q: usize, k: usize, v: usize, n: i32, m: i32, width: i32, heads: i32, out: usize, scratch: usize,
): void {
  const d = width / heads;
  const block = blockQueries(n, m);
  const scores = scratch;
  const room = scores + bytes(2 * block * m);
  for (let head = first; head < last; head++) {
    const b = head / heads;
    const h = head % heads;
    const left = bytes(b * n * width + h * d);
    const right = bytes(b * m * width + h * d);
    for (let i = 0; i < n; i += block) {
      const rows = min(block, n - i);
      weights(q + left + bytes(i * width), k + right, rows, m, width, d, scores, room);
      product(rows, d, m, scores, m, 1, v + right, width, 1, out + left + bytes(i * width), width, 0, room);
    }
  }
}

/**
 * The backward pass for the same heads: with the weights P, `dV = Pᵀ·dO`, `dP = dO·Vᵀ`, `dS = P ⊙ (dP − rowsum(P ⊙ dP))/√d`,
 * `dQ = dS·K`, `dK = dSᵀ·Q`.
 */
export function attentionGradient(
  first: i32, last: i32, dOut: usize, q: usize, k: usize, v: usize, n: i32, m: i32, width: i32, heads: i32,
  dq: usize, dk: usize, dv: usize, scratch: usize,
): void {
  const d = width / heads;
  const block = blockQueries(n, m);
  const p = scratch;
  const dp = p + bytes(block * m);
  const room = dp + bytes(block * m);
  const scale = <f32>(1 / Math.sqrt(<f64>d));
  for (let head = first; head < last; head++) {
    const b = head / heads;
    const h = head % heads;
    const left = bytes(b * n * width + h * d);
    const right = bytes(b * m * width + h * d);
    for (let i = 0; i < n; i += block) {
      const rows = min(block, n - i);
      const at = left + bytes(i * width);
      const more = i > 0 ? 1 : 0;
      weights(q + at, k + right, rows, m, width, d, p, room);
      product(m, d, rows, p, 1, m, dOut + at, width, 1, dv + right, width, more, room);
      product(rows, m, d, dOut + at, width, 1, v + right, 1, width, dp, m, 0, room);
      for (let r = 0; r < rows; r++) throughSoftmax(p + bytes(r * m), dp + bytes(r * m), m, scale);
      product(rows, d, m, dp, m, 1, k + right, width, 1, dq + at, width, 0, room);
      product(m, d, rows, dp, 1, m, q + at, width, 1, dk + right, width, more, room);
    }
  }
}

/** The rows of `softmax(Q·Kᵀ/√d)`. */
function weights(q: usize, k: usize, rows: i32, m: i32, width: i32, d: i32, to: usize, room: usize): void {
  product(rows, m, d, q, width, 1, k, 1, width, to, m, 0, room);
  const scale = f32x4.splat(<f32>(1 / Math.sqrt(<f64>d)));
  for (let r = 0; r < rows; r++, to += bytes(m)) {
    let most = f32x4.splat(load<f32>(to));
    let i = 0;
    for (; i + 4 <= m; i += 4) most = f32x4.pmax(most, v128.load(to + bytes(i)));
    for (; i < m; i++) most = f32x4.pmax(most, v128.load_splat<f32>(to + bytes(i)));
    most = f32x4.pmax(most, v128.shuffle<f32>(most, most, 2, 3, 0, 1));
    most = f32x4.pmax(most, v128.shuffle<f32>(most, most, 1, 0, 3, 2));
    let sum = f32x4.splat(0);
    let rest: f32 = 0;
    for (let i = 0; i < m; i += 4) {
      const e = exp4(f32x4.mul(f32x4.sub(loadUpTo4(to + bytes(i), m - i), most), scale));
      storeUpTo4(to + bytes(i), e, m - i);
      if (m - i >= 4) sum = f32x4.add(sum, e);
      else for (let j = i; j < m; j++) rest += load<f32>(to + bytes(j));
    }
    const part = f32x4.splat(1 / (sum4(sum) + rest));
    for (let i = 0; i < m; i += 4)
      storeUpTo4(to + bytes(i), f32x4.mul(loadUpTo4(to + bytes(i), m - i), part), m - i);
  }
}

/** One row: `dp ← scale · p ⊙ (dp − Σ p·dp)`. */
function throughSoftmax(p: usize, dp: usize, m: i32, scale: f32): void {
  let sum = f32x4.splat(0);
  for (let i = 0; i < m; i += 4)
    sum = madd(loadUpTo4(p + bytes(i), m - i), loadUpTo4(dp + bytes(i), m - i), sum);
  const mean = f32x4.splat(sum4(sum));
  for (let i = 0; i < m; i += 4) {
    const x = f32x4.sub(loadUpTo4(dp + bytes(i), m - i), mean);
    const scaled = f32x4.mul(loadUpTo4(p + bytes(i), m - i), f32x4.splat(scale));
    storeUpTo4(dp + bytes(i), f32x4.mul(scaled, x), m - i);
  }
}
