/* Element-wise operations of networks, `n` floats at a time, and their backward passes. */
import { bell4, bytes, loadUpTo4, normal4, sigmoid4, storeUpTo4 } from "./floats";

/** `x·σ(k·x)`. */
export function sigmoidGate(x: usize, n: i32, k: f32, out: usize): void {
  for (let i = 0; i < n; i += 4) {
    const v = loadUpTo4(x + bytes(i), n - i);
    storeUpTo4(out + bytes(i), f32x4.mul(v, sigmoid4(f32x4.mul(v, f32x4.splat(k)))), n - i);
  }
}

/** `dy·s·(1 + k·x·(1 − s))` with `s = σ(k·x)`. */
export function sigmoidGateGradient(dy: usize, x: usize, n: i32, k: f32, dx: usize): void {
  for (let i = 0; i < n; i += 4) {
    const kx = f32x4.mul(loadUpTo4(x + bytes(i), n - i), f32x4.splat(k));
    storeUpTo4(dx + bytes(i), f32x4.mul(loadUpTo4(dy + bytes(i), n - i), slope4(kx)), n - i);
  }
}

/** The derivative of `x·σ(x)`: `s·(1 + x·(1 − s))`. */
// @ts-ignore: decorator
@inline
export function slope4(x: v128): v128 {
  const s = sigmoid4(x);
  const one = f32x4.splat(1);
  return f32x4.mul(s, f32x4.add(one, f32x4.mul(x, f32x4.sub(one, s))));
}

/** `h·g·Φ(g)`. */
export function geluGate(h: usize, g: usize, n: i32, out: usize): void {
  for (let i = 0; i < n; i += 4) {
    const v = loadUpTo4(g + bytes(i), n - i);
    const gate = f32x4.mul(v, normal4(v, bell4(v)));
    storeUpTo4(out + bytes(i), f32x4.mul(loadUpTo4(h + bytes(i), n - i), gate), n - i);
  }
}

/** `dh = dy·g·Φ(g)`, `dg = dy·h·(Φ(g) + g·φ(g))` with the density φ. */
export function geluGateGradient(dy: usize, h: usize, g: usize, n: i32, dh: usize, dg: usize): void {
  for (let i = 0; i < n; i += 4) {
    const v = loadUpTo4(g + bytes(i), n - i);
    const d = loadUpTo4(dy + bytes(i), n - i);
    const bell = bell4(v);
    const phi = normal4(v, bell);
    const slope = f32x4.add(phi, f32x4.mul(f32x4.mul(v, bell), f32x4.splat(0.3989422804014327)));
    storeUpTo4(dh + bytes(i), f32x4.mul(d, f32x4.mul(v, phi)), n - i);
    storeUpTo4(dg + bytes(i), f32x4.mul(f32x4.mul(d, loadUpTo4(h + bytes(i), n - i)), slope), n - i);
  }
}
