import { bytes, transpose4 } from "./floats";

/** Copies `count` elements of 4 bytes in each of `rows` rows, which begin so many elements apart. */
export function copyRows(from: usize, fromStep: i32, to: usize, toStep: i32, rows: i32, count: i32): void {
  for (let row = 0; row < rows; row++, from += bytes(fromStep), to += bytes(toStep)) {
    let i = 0;
    for (; i + 4 <= count; i += 4) v128.store(to + bytes(i), v128.load(from + bytes(i)));
    for (; i < count; i++) store<u32>(to + bytes(i), load<u32>(from + bytes(i)));
  }
}

/** `[rows, columns] → [columns, rows]`, in tiles of 4 × 4. */
export function transpose(from: usize, rows: i32, columns: i32, to: usize): void {
  const down = bytes(columns);
  const right = bytes(rows);
  const wholeRows = rows & ~3;
  const wholeColumns = columns & ~3;
  for (let i = 0; i < rows; i += 4) {
    for (let j = 0; j < columns; j += 4) {
      const p = from + bytes(i * columns + j);
      const q = to + bytes(j * rows + i);
      if (i < wholeRows && j < wholeColumns) {
        transpose4(p, down, q, right);
      } else {
        for (let y = 0; y < min(4, rows - i); y++)
          for (let x = 0; x < min(4, columns - j); x++)
            store<u32>(q + <usize>x * right + bytes(y), load<u32>(p + <usize>y * down + bytes(x)));
      }
    }
  }
}
