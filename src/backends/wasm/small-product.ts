/** A matrix in the heap: where it begins, and the steps to the next row and column, in floats. */
export interface Strided {
  readonly at: number;
  readonly row: number;
  readonly column: number;
}

/**
 * `out [m, n] = a [m, k] · b [k, n]` in plain code, two rows by four columns at a time. Small products cost
 * less here than the call into the module, and it reads either operand transposed as well as not.
 */
export function smallProduct(
  heap: Float32Array,
  a: Strided,
  b: Strided,
  out: number,
  [m, k, n]: readonly [number, number, number],
): void {
  const pairs = m - (m % 2);
  for (let i = 0; i < pairs; i += 2) twoRows(heap, a, a.at + i * a.row, b, out + i * n, k, n);
  if (pairs < m) oneRow(heap, a, a.at + pairs * a.row, b, out + pairs * n, k, n);
}

function twoRows(heap: Float32Array, a: Strided, row: number, b: Strided, out: number, k: number, n: number): void {
  const { row: step, column } = b;
  let j = 0;
  for (; j + 4 <= n; j += 4) {
    let s0 = 0;
    let s1 = 0;
    let s2 = 0;
    let s3 = 0;
    let t0 = 0;
    let t1 = 0;
    let t2 = 0;
    let t3 = 0;
    let p = row;
    let q = b.at + j * column;
    for (let l = 0; l < k; l++) {
      const x = heap[p] as number;
      const y = heap[p + a.row] as number;
      const b0 = heap[q] as number;
      const b1 = heap[q + column] as number;
      const b2 = heap[q + 2 * column] as number;
      const b3 = heap[q + 3 * column] as number;
      s0 += x * b0;
      s1 += x * b1;
      s2 += x * b2;
      s3 += x * b3;
      t0 += y * b0;
      t1 += y * b1;
      t2 += y * b2;
      t3 += y * b3;
      p += a.column;
      q += step;
    }
    const to = out + j;
    heap[to] = s0;
    heap[to + 1] = s1;
    heap[to + 2] = s2;
    heap[to + 3] = s3;
    heap[to + n] = t0;
    heap[to + n + 1] = t1;
    heap[to + n + 2] = t2;
    heap[to + n + 3] = t3;
  }
  for (; j < n; j++) {
    heap[out + j] = dot(heap, row, a.column, b.at + j * column, step, k);
    heap[out + n + j] = dot(heap, row + a.row, a.column, b.at + j * column, step, k);
  }
}

function oneRow(heap: Float32Array, a: Strided, row: number, b: Strided, out: number, k: number, n: number): void {
  const { row: step, column } = b;
  let j = 0;
  for (; j + 4 <= n; j += 4) {
    let s0 = 0;
    let s1 = 0;
    let s2 = 0;
    let s3 = 0;
    let p = row;
    let q = b.at + j * column;
    for (let l = 0; l < k; l++) {
      const x = heap[p] as number;
      s0 += x * (heap[q] as number);
      s1 += x * (heap[q + column] as number);
      s2 += x * (heap[q + 2 * column] as number);
      s3 += x * (heap[q + 3 * column] as number);
      p += a.column;
      q += step;
    }
    heap[out + j] = s0;
    heap[out + j + 1] = s1;
    heap[out + j + 2] = s2;
    heap[out + j + 3] = s3;
  }
  for (; j < n; j++) heap[out + j] = dot(heap, row, a.column, b.at + j * column, step, k);
}

function dot(heap: Float32Array, p: number, pStep: number, q: number, qStep: number, k: number): number {
  let sum = 0;
  for (let l = 0; l < k; l++) sum += (heap[p + l * pStep] as number) * (heap[q + l * qStep] as number);
  return sum;
}
