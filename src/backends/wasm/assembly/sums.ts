import { bytes, loadUpTo4, storeUpTo4, sum4 } from "./floats";

/** Rows that are added up one by one; then these sums are, so that long columns do not lose digits. */
const together: i32 = 128;

/** `out[o, i] = factor · Σ_r x[o, r, i]`, for `x` of `[outer, rows, inner]`; scratch for `inner` floats. */
export function sumRows(x: usize, outer: i32, rows: i32, inner: i32, factor: f32, out: usize, scratch: usize): void {
  if (inner == 1) {
    for (let o = 0; o < outer; o++, x += bytes(rows)) store<f32>(out + bytes(o), factor * <f32>sumOf(x, rows));
    return;
  }
  for (let o = 0; o < outer; o++, out += bytes(inner)) {
    memory.fill(out, 0, bytes(inner));
    for (let first = 0; first < rows; first += together) {
      memory.fill(scratch, 0, bytes(inner));
      for (let r = min(together, rows - first); r > 0; r--, x += bytes(inner)) addTo(scratch, x, inner);
      addTo(out, scratch, inner);
    }
    for (let i = 0; i < inner; i++) store<f32>(out + bytes(i), factor * load<f32>(out + bytes(i)));
  }
}

// @ts-ignore: decorator
@inline
function addTo(sums: usize, x: usize, n: i32): void {
  const whole = n & ~3;
  for (let i = 0; i < whole; i += 4) addUpTo4(sums + bytes(i), x + bytes(i), 4);
  if (whole < n) addUpTo4(sums + bytes(whole), x + bytes(whole), n - whole);
}

// @ts-ignore: decorator
@inline
function addUpTo4(sums: usize, x: usize, count: i32): void {
  storeUpTo4(sums, f32x4.add(loadUpTo4(sums, count), loadUpTo4(x, count)), count);
}

function sumOf(x: usize, n: i32): f64 {
  let total: f64 = 0;
  for (let first = 0; first < n; first += 4 * together) {
    const count = min(4 * together, n - first);
    let sum = f32x4.splat(0);
    for (let i = 0; i < count; i += 4) sum = f32x4.add(sum, loadUpTo4(x + bytes(first + i), count - i));
    total += sum4(sum);
  }
  return total;
}
