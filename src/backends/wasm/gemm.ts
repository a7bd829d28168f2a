import { assembly } from "./assembly";
import { type Pointer, type WasmModule, withScratch } from "./module";
import { callTogether, ranges, threadsFor } from "./workers";

/**
 * How to walk through a left operand, in floats. Row i lies in place `i mod line` of a line, the line in an image;
 * its elements run in two nested loops. A convolution is a product with such an operand.
 */
export interface Walk {
  readonly at: Pointer;
  /** From product to product. */
  readonly next: number;
  /** Rows of one image, and from image to image. */
  readonly image: number;
  readonly imageStep: number;
  /** Rows of one line, from line to line, and from row to row. */
  readonly line: number;
  readonly lineStep: number;
  readonly step: number;
  /** From element to element, in the outer and the inner loop. */
  readonly outerStep: number;
  readonly innerStep: number;
}

/** `C = A·B (+ bias, or + C)`, all sizes and steps in floats. */
export interface Product {
  /** Products, each `next` further in all three; where C stays in its place, they add up. */
  readonly count: number;
  readonly m: number;
  readonly n: number;
  /** Elements of a row of A: so many times so many. */
  readonly k: readonly [outer: number, inner: number];
  readonly a: Walk;
  readonly b: { readonly at: Pointer; readonly next: number; readonly row: number; readonly column: number };
  readonly c: { readonly at: Pointer; readonly next: number; readonly row: number };
  readonly bias?: Pointer | undefined;
  readonly accumulate?: boolean | undefined;
}

/** A plain matrix of `rows` rows as a left operand. */
export function plain(at: Pointer, next: number, rows: number, step: number, innerStep: number): Walk {
  return { at, next, image: rows, imageStep: 0, line: rows, lineStep: 0, step, outerStep: 0, innerStep };
}

/** Multiplications that one more thread is worth: some 10 microseconds. */
const enough = 2 ** 17;

/** Computes a product, on all threads if it is large: each its part of the products, or of the rows of C. */
export function gemm(wasm: WasmModule, { count, m, n, k, a, b, c, bias = 0, accumulate = false }: Product): void {
  const threads = threadsFor(wasm, count * m * n * k[0] * k[1], enough);
  const apart = c.next !== 0 && count >= threads;
  const parts = apart ? ranges(count, threads) : ranges(m, threads, tileRows);
  const room = assembly(wasm).gemmScratch(n);
  withScratch(wasm, (floats) =>
    callTogether(
      wasm,
      "gemm",
      parts.map(([from, to]) => [
        ...(apart ? [from, to] : [0, count]),
        ...[a.next, b.next, c.next],
        ...(apart ? [0, m] : [from, to]),
        ...[n, ...k, a.at, a.image, a.imageStep, a.line, a.lineStep, a.step, a.outerStep, a.innerStep],
        ...[b.at, b.row, b.column, c.at, c.row, bias, accumulate ? 1 : 0, floats(room)],
      ]),
    ),
  );
}

/** Rows of a part are a multiple of this: nearly whole tiles. */
const tileRows = 6;
