/* What a training step does to all weights at once. */
import { bytes, loadUpTo4, storeUpTo4, sum4 } from "./floats";

/** Floats whose squares are added up as floats; these sums are added as doubles. */
const together: i32 = 512;

/** `Σ x²`; not finite if any of `x` is not. */
export function sumOfSquares(x: usize, n: i32): f64 {
  let total: f64 = 0;
  for (let first = 0; first < n; first += together) {
    const count = min(together, n - first);
    let sum = f32x4.splat(0);
    for (let i = 0; i < count; i += 4) {
      const v = loadUpTo4(x + bytes(first + i), count - i);
      sum = f32x4.add(sum, f32x4.mul(v, v));
    }
    total += sum4(sum);
  }
  return total;
}

/** `x` with 0 for NaN and ±`limit` for ±∞; how many those were. */
export function clean(x: usize, n: i32, limit: f32, out: usize): i32 {
  let changed = 0;
  for (let i = 0; i < n; i++) {
    const v = load<f32>(x + bytes(i));
    const finite = isFinite(v);
    if (!finite) changed++;
    store<f32>(out + bytes(i), finite ? v : isNaN(v) ? 0 : copysign(limit, v));
  }
  return changed;
}

/** `v' = v·keep + g²·take`, `p' = p − g·rate/(√v' + epsilon)`. */
export function adam(
  p: usize, v: usize, g: usize, n: i32, keep: f32, take: f32, rate: f32, epsilon: f32, next: usize, moment: usize,
): void {
  for (let i = 0; i < n; i += 4) {
    const at = bytes(i);
    const count = min(4, n - i);
    const gradient = loadUpTo4(g + at, count);
    const square = f32x4.mul(gradient, gradient);
    const kept = f32x4.mul(loadUpTo4(v + at, count), f32x4.splat(keep));
    const second = f32x4.add(kept, f32x4.mul(square, f32x4.splat(take)));
    const length = f32x4.add(f32x4.sqrt(second), f32x4.splat(epsilon));
    const update = f32x4.div(f32x4.mul(gradient, f32x4.splat(rate)), length);
    storeUpTo4(next + at, f32x4.sub(loadUpTo4(p + at, count), update), count);
    storeUpTo4(moment + at, second, count);
  }
}
