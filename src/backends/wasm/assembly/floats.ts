// @ts-ignore: decorator
@inline
export function bytes(floats: i32): usize {
  return <usize>floats << 2;
}

/** `x·y + z`: rounded once in the module that is compiled with relaxed SIMD, twice in the other. */
// @ts-ignore: decorator
@inline
export function madd(x: v128, y: v128, z: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(x, y, z);
  return f32x4.add(z, f32x4.mul(x, y));
}

/** `z − x·y`, likewise. */
// @ts-ignore: decorator
@inline
export function nmadd(x: v128, y: v128, z: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_nmadd(x, y, z);
  return f32x4.sub(z, f32x4.mul(x, y));
}

/** Copies a few floats. */
// @ts-ignore: decorator
@inline
export function copy(to: usize, from: usize, count: i32): void {
  for (let i = 0; i < count; i++) store<f32>(to + bytes(i), load<f32>(from + bytes(i)));
}

/** The next four floats, or, at the end of a row, fewer and then zeros. */
// @ts-ignore: decorator
@inline
export function loadUpTo4(from: usize, count: i32): v128 {
  return count >= 4 ? v128.load(from) : loadSome(from, count);
}

function loadSome(from: usize, count: i32): v128 {
  let x = v128.load32_zero(from);
  if (count > 1) x = v128.load_lane<f32>(from + 4, x, 1);
  if (count > 2) x = v128.load_lane<f32>(from + 8, x, 2);
  return x;
}

/** Writes as many of the four floats. */
// @ts-ignore: decorator
@inline
export function storeUpTo4(to: usize, x: v128, count: i32): void {
  if (count >= 4) v128.store(to, x);
  else storeSome(to, x, count);
}

function storeSome(to: usize, x: v128, count: i32): void {
  v128.store_lane<f32>(to, x, 0);
  if (count > 1) v128.store_lane<f32>(to + 4, x, 1);
  if (count > 2) v128.store_lane<f32>(to + 8, x, 2);
}

/** Four rows of four floats, `down` bytes apart, become columns: rows `right` bytes apart. */
// @ts-ignore: decorator
@inline
export function transpose4(from: usize, down: usize, to: usize, right: usize): void {
  const a = v128.load(from);
  const b = v128.load(from + down);
  const c = v128.load(from + 2 * down);
  const d = v128.load(from + 3 * down);
  const ab = v128.shuffle<f32>(a, b, 0, 4, 1, 5);
  const cd = v128.shuffle<f32>(c, d, 0, 4, 1, 5);
  const ab2 = v128.shuffle<f32>(a, b, 2, 6, 3, 7);
  const cd2 = v128.shuffle<f32>(c, d, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<f32>(ab, cd, 0, 1, 4, 5));
  v128.store(to + right, v128.shuffle<f32>(ab, cd, 2, 3, 6, 7));
  v128.store(to + 2 * right, v128.shuffle<f32>(ab2, cd2, 0, 1, 4, 5));
  v128.store(to + 3 * right, v128.shuffle<f32>(ab2, cd2, 2, 3, 6, 7));
}

// @ts-ignore: decorator
@inline
export function sum4(x: v128): f32 {
  return f32x4.extract_lane(x, 0) + f32x4.extract_lane(x, 1) + (f32x4.extract_lane(x, 2) + f32x4.extract_lane(x, 3));
}

// @ts-ignore: decorator
@inline
function plus(coefficient: f32, x: v128, y: v128): v128 {
  return madd(x, y, f32x4.splat(coefficient));
}

/** eˣ to 2 units in the last place, between e⁻⁸⁷ and e⁸⁸: 2ⁿ times a polynomial on |r| ≤ ln 2 / 2 (Cephes' expf). */
// @ts-ignore: decorator
@inline
export function exp4(x: v128): v128 {
  const within = f32x4.pmax(f32x4.pmin(x, f32x4.splat(88.3)), f32x4.splat(-87.3));
  // To a float this large a sum is rounded to a whole number, which stands in its lowest bits.
  const shifted = madd(within, f32x4.splat(1.44269504088896341), f32x4.splat(12582912));
  const n = f32x4.sub(shifted, f32x4.splat(12582912));
  const r = madd(n, f32x4.splat(2.12194440e-4), nmadd(n, f32x4.splat(0.693359375), within));
  let p = f32x4.splat(1.9875691500e-4);
  p = plus(1.3981999507e-3, p, r);
  p = plus(8.3334519073e-3, p, r);
  p = plus(4.1665795894e-2, p, r);
  p = plus(1.6666665459e-1, p, r);
  p = plus(5.0000001201e-1, p, r);
  const y = f32x4.add(madd(f32x4.mul(r, r), p, r), f32x4.splat(1));
  return f32x4.mul(y, i32x4.shl(i32x4.add(shifted, i32x4.splat(127)), 23));
}

/** `1/(1 + e⁻ˣ)`. */
// @ts-ignore: decorator
@inline
export function sigmoid4(x: v128): v128 {
  return f32x4.div(f32x4.splat(1), f32x4.add(f32x4.splat(1), exp4(f32x4.neg(x))));
}

/**
 * The normal distribution function, from its density's exponential `e = exp(−x²/2)`: `1 − e·P(1/(1 + p|x|/√2))/2`,
 * mirrored for negative x (Abramowitz and Stegun, 7.1.26, to 1.5e-7, as tfjs's erf).
 */
// @ts-ignore: decorator
@inline
export function normal4(x: v128, e: v128): v128 {
  const t = f32x4.div(
    f32x4.splat(1),
    plus(1, f32x4.abs(x), f32x4.splat(0.3275911 * 0.70710678118654752)),
  );
  let p = f32x4.splat(1.061405429);
  p = plus(-1.453152027, p, t);
  p = plus(1.421413741, p, t);
  p = plus(-0.284496736, p, t);
  p = plus(0.254829592, p, t);
  const half = nmadd(f32x4.mul(f32x4.mul(p, t), e), f32x4.splat(0.5), f32x4.splat(0.5));
  const signed = v128.or(half, v128.and(x, i32x4.splat(0x80000000)));
  return f32x4.add(f32x4.splat(0.5), signed);
}

/** `exp(−x²/2)`. */
// @ts-ignore: decorator
@inline
export function bell4(x: v128): v128 {
  return exp4(f32x4.mul(f32x4.mul(x, x), f32x4.splat(-0.5)));
}
