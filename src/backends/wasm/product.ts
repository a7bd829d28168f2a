import { assembly } from "./assembly";
import { type Pointer, type WasmModule, withScratch } from "./module";

/** Matrices that lie one after the other; `transposed` means that each is stored as its transpose. */
export interface Matrices {
  readonly at: Pointer;
  readonly transposed: boolean;
  /** How many are stored. */
  readonly count: number;
  /** Which of them takes part in product i; none: the i-th, or the only one. */
  readonly pick?: readonly number[];
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
  sizes: Sizes,
  bias: Pointer = 0,
): void {
  const [m, k, n] = sizes;
  const { gemms, gemmScratch } = assembly(wasm);
  const left = strided(a, m, k);
  const right = strided(b, k, n);
  withScratch(wasm, (floats) => {
    const scratch = floats(gemmScratch(n));
    const run = (count: number, a: Pointer, b: Pointer, out: Pointer) =>
      gemms(count, m, n, k, a, ...left, b, ...right, out, m * n, bias, scratch);
    if (!a.pick && !b.pick) run(count, a.at, b.at, out);
    else for (let i = 0; i < count; i++) run(1, placeOf(a, i, m * k), placeOf(b, i, k * n), out + 4 * i * m * n);
  });
}

/** Steps from row to row, column to column and matrix to matrix, in floats. */
function strided({ transposed, count }: Matrices, rows: number, columns: number): [number, number, number] {
  const next = count === 1 ? 0 : rows * columns;
  return transposed ? [1, rows, next] : [columns, 1, next];
}

function placeOf({ at, pick, count }: Matrices, i: number, size: number): Pointer {
  return at + 4 * size * (pick?.[i] ?? (count === 1 ? 0 : i));
}
