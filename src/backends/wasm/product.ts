import { cached, type Pointer, transposeMatrices, type WasmModule, withRight, withScratch } from "./module";
import { type Strided, smallProduct } from "./small-product";

/** Matrices that lie one after the other; `transposed` means that each is stored as its transpose. */
export interface Matrices {
  readonly at: Pointer;
  readonly transposed: boolean;
  /** How many are stored. */
  readonly count: number;
  /** Which of them takes part in product i; none: the i-th. */
  readonly pick?: readonly number[];
}

/** `[m, k, n]`: the product of `[m, k]` by `[k, n]`. */
export type Sizes = readonly [number, number, number];

/**
 * `out[i] = A[i]·B[i]` for `count` products, all row-major, by the cheapest of three ways:
 *
 * - `script`: plain code, for small matrices;
 * - `direct`: the module's fast path, with transposed operands rewritten first;
 * - `swapped`: the same for `Bᵀ·Aᵀ`, whose result is transposed: it packs A where the direct way packs B.
 */
export function products(wasm: WasmModule, a: Matrices, b: Matrices, out: Pointer, count: number, sizes: Sizes): void {
  const [m, k, n] = sizes;
  const way = cheapestWay(a.transposed, b.transposed, sizes);
  if (way === "script") multiplyInScript(wasm, a, b, out, count, sizes);
  else if (way === "direct") multiplyAll(wasm, a, b, out, count, sizes);
  else
    withScratch(wasm, (floats) => {
      const transposedOut = floats(count * m * n);
      const flip = (x: Matrices): Matrices => ({ ...x, transposed: !x.transposed });
      multiplyAll(wasm, flip(b), flip(a), transposedOut, count, [n, k, m]);
      transposeMatrices(wasm, transposedOut, out, count, n, m);
    });
}

/** Nanoseconds per call, element or multiplication, as measured on one machine; only their ratios matter. */
const cost = { call: 1500, transpose: 1, pack: 3.2, scriptMultiply: 0.55, multiply: 0.07 };

/** The way that should take the least time for one product. */
export function cheapestWay(
  aTransposed: boolean,
  bTransposed: boolean,
  [m, k, n]: Sizes,
): "script" | "direct" | "swapped" {
  const module = cost.call + cost.multiply * m * k * n;
  const script = cost.scriptMultiply * m * k * n;
  const direct = module + cost.pack * k * n + cost.transpose * ((aTransposed ? m * k : 0) + (bTransposed ? k * n : 0));
  const swapped =
    module + cost.pack * m * k + cost.transpose * ((aTransposed ? 0 : m * k) + (bTransposed ? 0 : k * n) + m * n);
  if (script <= Math.min(direct, swapped)) return "script";
  return direct <= swapped ? "direct" : "swapped";
}

function multiplyInScript(
  wasm: WasmModule,
  a: Matrices,
  b: Matrices,
  out: Pointer,
  count: number,
  [m, k, n]: Sizes,
): void {
  const strided = (x: Matrices, i: number, rows: number, columns: number): Strided => ({
    at: (x.at >>> 2) + (x.pick?.[i] ?? i) * rows * columns,
    row: x.transposed ? 1 : columns,
    column: x.transposed ? rows : 1,
  });
  for (let i = 0; i < count; i++)
    smallProduct(wasm.HEAPF32, strided(a, i, m, k), strided(b, i, k, n), (out >>> 2) + i * m * n, [m, k, n]);
}

function multiplyAll(wasm: WasmModule, a: Matrices, b: Matrices, out: Pointer, count: number, [m, k, n]: Sizes): void {
  withScratch(wasm, (floats) => {
    const left = straightened(wasm, a, m, k, floats);
    const right = straightened(wasm, b, k, n, floats);
    for (let i = 0; i < count; i++) {
      const [leftAt, rightAt] = [left(i), right(i)];
      withRight(wasm, rightAt, k, n, (multiply) => multiply(leftAt, m, out + 4 * m * n * i));
    }
  });
}

/**
 * Where the matrix that takes part in product i lies as `[rows, columns]`. Transposed ones are rewritten when it is
 * their turn, so that the cache still holds them in the product; small ones all at once, since a call costs more.
 */
function straightened(
  wasm: WasmModule,
  { at, transposed, count, pick }: Matrices,
  rows: number,
  columns: number,
  floats: (count: number) => Pointer,
): (i: number) => Pointer {
  const size = rows * columns;
  const stored = (i: number) => pick?.[i] ?? i;
  if (!transposed) return (i) => at + 4 * size * stored(i);
  const together = size <= cached ? count : 1;
  const to = floats(together * size);
  let written = -1;
  return (i) => {
    const group = Math.floor(stored(i) / together);
    if (group !== written) transposeMatrices(wasm, at + 4 * size * together * group, to, together, columns, rows);
    written = group;
    return to + 4 * size * (stored(i) % together);
  };
}
