import { gemm, plain } from "./gemm";
import type { Pointer, WasmModule } from "./module";

/** Matrices that lie one after the other; `transposed` means that each is stored as its transpose. */
export interface Matrices {
  readonly at: Pointer;
  readonly transposed: boolean;
  /** How many are stored. */
  readonly count: number;
  /** Which of them takes part in product i; none: the i-th, or the only one. */
  readonly pick?: readonly number[] | undefined;
}

/** `[m, k, n]`: the product of `[m, k]` by `[k, n]`. */
export type Sizes = readonly [number, number, number];

/** `out[i] = A[i]·B[i]`, plus `bias` in every row, for `count` products, all row-major. */
export function products(
  wasm: WasmModule,
  a: Matrices,
  b: Matrices,
  out: Pointer,
  count: number,
  [m, k, n]: Sizes,
  bias?: Pointer,
): void {
  const [aRow, aColumn] = a.transposed ? [1, m] : [k, 1];
  const [row, column] = b.transposed ? [1, k] : [n, 1];
  const next = (x: Matrices, size: number) => (x.count === 1 ? 0 : size);
  const run = (count: number, aAt: Pointer, bAt: Pointer, cAt: Pointer) =>
    gemm(wasm, {
      ...{ count, m, n, k: [1, k], bias },
      a: plain(aAt, next(a, m * k), m, aRow, aColumn),
      b: { at: bAt, next: next(b, k * n), row, column },
      c: { at: cAt, next: m * n, row: n },
    });
  if (!a.pick && !b.pick) run(count, a.at, b.at, out);
  else
    for (let i = 0; i < count; i++) {
      const place = (x: Matrices, size: number) => x.at + 4 * (x.pick?.[i] ?? i) * next(x, size);
      run(1, place(a, m * k), place(b, k * n), out + 4 * i * m * n);
    }
}
