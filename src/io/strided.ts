import { allocate } from "./byte-source";

/** A view of elements that lie one after another: `[i, j, …]` is number `offset + i·stride[0] + j·stride[1] + …`. */
export interface View {
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
}

/** Element types by their bytes; only bits are moved. */
const words = { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array, 8: BigUint64Array } as const;

/** The elements of a view in row-major order, in memory of their own. The view must lie within the bytes. */
export function contiguous(
  where: string,
  bytes: Uint8Array<ArrayBuffer>,
  size: number,
  { shape, strides, offset }: View,
): Uint8Array<ArrayBuffer> {
  const count = shape.reduce((a, b) => a * b, 1);
  const to = allocate(where, count * size);
  if (count === 0) return to;
  const whole = isContiguous(shape, strides);
  if (whole) {
    to.set(bytes.subarray(offset * size, (offset + count) * size));
    return to;
  }
  const Words = words[size as keyof typeof words];
  const source = new Words(bytes.buffer, 0, Math.floor(bytes.length / size));
  const target = new Words(to.buffer);
  // An odometer, its last digit as a plain loop.
  const index = shape.map(() => 0);
  const [row, step] = [shape.at(-1) ?? 1, strides.at(-1) ?? 0];
  let from = offset;
  for (let at = 0; at < count; ) {
    for (let i = 0; i < row; i++) target[at++] = source[from + i * step] as never;
    for (let d = shape.length - 2; d >= 0; d--) {
      const [length, stride, digit] = [shape[d] as number, strides[d] as number, (index[d] as number) + 1];
      index[d] = digit === length ? 0 : digit;
      from += digit === length ? stride * (1 - length) : stride;
      if (digit < length) break;
    }
  }
  return to;
}

/** The same elements with the bytes of each the other way round, in place. */
export function swapped(bytes: Uint8Array<ArrayBuffer>, size: number): Uint8Array<ArrayBuffer> {
  for (let at = 0; at < bytes.length; at += size)
    for (let i = at, j = at + size - 1; i < j; i++, j--) {
      const byte = bytes[i] as number;
      bytes[i] = bytes[j] as number;
      bytes[j] = byte;
    }
  return bytes;
}

/** Whether a view's elements lie one after another, in its order; sizes of 1 have any stride. */
function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  let next = 1;
  for (let d = shape.length - 1; d >= 0; d--) {
    if (shape[d] !== 1 && strides[d] !== next) return false;
    next *= shape[d] as number;
  }
  return true;
}
