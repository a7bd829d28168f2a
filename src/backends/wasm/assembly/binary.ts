import { bytes, loadUpTo4, storeUpTo4 } from "./floats";

/**
 * `out = a ∘ b` over `rows` rows of `n`: addition, subtraction, multiplication, division, squared difference for
 * `operation` 0 to 4. Each operand has its step from row to row, and 1 or 0 within a row: an element or the same one.
 */
export function binary(
  operation: i32, rows: i32, n: i32,
  a: usize, aRow: i32, aStep: i32, b: usize, bRow: i32, bStep: i32, out: usize,
): void {
  switch (operation) {
    case 0: return loop(0, rows, n, a, aRow, aStep, b, bRow, bStep, out);
    case 1: return loop(1, rows, n, a, aRow, aStep, b, bRow, bStep, out);
    case 2: return loop(2, rows, n, a, aRow, aStep, b, bRow, bStep, out);
    case 3: return loop(3, rows, n, a, aRow, aStep, b, bRow, bStep, out);
    default: return loop(4, rows, n, a, aRow, aStep, b, bRow, bStep, out);
  }
}

// @ts-ignore: decorator
@inline
function loop(
  operation: i32, rows: i32, n: i32,
  a: usize, aRow: i32, aStep: i32, b: usize, bRow: i32, bStep: i32, out: usize,
): void {
  const whole = bytes(n & ~3);
  const rest = n & 3;
  for (let row = 0; row < rows; row++, a += bytes(aRow), b += bytes(bRow), out += bytes(n)) {
    if (aStep == 1 && bStep == 1) {
      for (let i: usize = 0; i < whole; i += 16)
        v128.store(out + i, apply(operation, v128.load(a + i), v128.load(b + i)));
    } else if (aStep == 1) {
      const y = v128.load_splat<f32>(b);
      for (let i: usize = 0; i < whole; i += 16) v128.store(out + i, apply(operation, v128.load(a + i), y));
    } else {
      const x = v128.load_splat<f32>(a);
      for (let i: usize = 0; i < whole; i += 16) v128.store(out + i, apply(operation, x, v128.load(b + i)));
    }
    if (rest) {
      const x = aStep == 1 ? loadUpTo4(a + whole, rest) : v128.load_splat<f32>(a);
      const y = bStep == 1 ? loadUpTo4(b + whole, rest) : v128.load_splat<f32>(b);
      storeUpTo4(out + whole, apply(operation, x, y), rest);
    }
  }
}

// @ts-ignore: decorator
@inline
function apply(operation: i32, x: v128, y: v128): v128 {
  if (operation == 0) return f32x4.add(x, y);
  if (operation == 1) return f32x4.sub(x, y);
  if (operation == 2) return f32x4.mul(x, y);
  if (operation == 3) return f32x4.div(x, y);
  const difference = f32x4.sub(x, y);
  return f32x4.mul(difference, difference);
}
