/* Element-wise operations of networks, `n` floats at a time, and their backward passes. */
import { bell4, bytes, loadUpTo4, madd, normal4, sigmoid4, storeUpTo4 } from "./floats";

/** `x·σ(k·x)`. */
export function sigmoidGate(x: usize, n: i32, k: f32, out: usize): void {
  const whole = n & ~3;
  for (let i = 0; i < whole; i += 4) gateUpTo4(x + bytes(i), 4, k, out + bytes(i));
  if (whole < n) gateUpTo4(x + bytes(whole), n - whole, k, out + bytes(whole));
}

// @ts-ignore: decorator
@inline
function gateUpTo4(x: usize, count: i32, k: f32, out: usize): void {
  const v = loadUpTo4(x, count);
  storeUpTo4(out, f32x4.mul(v, sigmoid4(f32x4.mul(v, f32x4.splat(k)))), count);
}

/** `dy·s·(1 + k·x·(1 − s))` with `s = σ(k·x)`. */
export function sigmoidGateGradient(dy: usize, x: usize, n: i32, k: f32, dx: usize): void {
  const whole = n & ~3;
  for (let i = 0; i < whole; i += 4) gateGradientUpTo4(dy + bytes(i), x + bytes(i), 4, k, dx + bytes(i));
  if (whole < n) gateGradientUpTo4(dy + bytes(whole), x + bytes(whole), n - whole, k, dx + bytes(whole));
}

// @ts-ignore: decorator
@inline
function gateGradientUpTo4(dy: usize, x: usize, count: i32, k: f32, dx: usize): void {
  const kx = f32x4.mul(loadUpTo4(x, count), f32x4.splat(k));
  storeUpTo4(dx, f32x4.mul(loadUpTo4(dy, count), slope4(kx)), count);
}

/** The derivative of `x·σ(x)`: `s·(1 + x·(1 − s))`. */
// @ts-ignore: decorator
@inline
export function slope4(x: v128): v128 {
  const s = sigmoid4(x);
  const one = f32x4.splat(1);
  return f32x4.mul(s, madd(x, f32x4.sub(one, s), one));
}

/** `h·g·Φ(g)`. */
export function geluGate(h: usize, g: usize, n: i32, out: usize): void {
  const whole = n & ~3;
  for (let i = 0; i < whole; i += 4) geluUpTo4(h + bytes(i), g + bytes(i), 4, out + bytes(i));
  if (whole < n) geluUpTo4(h + bytes(whole), g + bytes(whole), n - whole, out + bytes(whole));
}

// @ts-ignore: decorator
@inline
function geluUpTo4(h: usize, g: usize, count: i32, out: usize): void {
  const v = loadUpTo4(g, count);
  storeUpTo4(out, f32x4.mul(loadUpTo4(h, count), f32x4.mul(v, normal4(v, bell4(v)))), count);
}

/** `dh = dy·g·Φ(g)`, `dg = dy·h·(Φ(g) + g·φ(g))` with the density φ. */
export function geluGateGradient(dy: usize, h: usize, g: usize, n: i32, dh: usize, dg: usize): void {
  const whole = n & ~3;
  for (let i = 0; i < whole; i += 4)
    geluGradientUpTo4(dy + bytes(i), h + bytes(i), g + bytes(i), 4, dh + bytes(i), dg + bytes(i));
  const rest = bytes(whole);
  if (whole < n) geluGradientUpTo4(dy + rest, h + rest, g + rest, n - whole, dh + rest, dg + rest);
}

// @ts-ignore: decorator
@inline
function geluGradientUpTo4(dy: usize, h: usize, g: usize, count: i32, dh: usize, dg: usize): void {
  const v = loadUpTo4(g, count);
  const d = loadUpTo4(dy, count);
  const bell = bell4(v);
  const phi = normal4(v, bell);
  const slope = madd(f32x4.mul(v, bell), f32x4.splat(0.3989422804014327), phi);
  storeUpTo4(dh, f32x4.mul(d, f32x4.mul(v, phi)), count);
  storeUpTo4(dg, f32x4.mul(f32x4.mul(d, loadUpTo4(h, count)), slope), count);
}
