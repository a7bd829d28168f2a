import { checkInteger, checkNumbers } from "../core/checks";
import { SidError } from "../core/errors";
import { addRowProducts, blocks, type RowRange } from "./row-products";

/** Throws unless `features` holds whole finite vectors of `dimension` numbers, at least `least`; returns their count. */
export function countFeatures(
  where: string,
  name: string,
  features: ArrayLike<number>,
  dimension: number,
  least: number,
): number {
  checkInteger(where, "dimension", dimension, 1);
  const { length } = checkNumbers(where, name, features);
  const count = length / dimension;
  if (!Number.isInteger(count) || count < least)
    throw new SidError(
      "shape-mismatch",
      `${where}: ${name} must hold whole vectors of ${dimension} numbers, at least ${least} of them, ` +
        `got ${length} numbers.`,
    );
  return count;
}

/** Some of the vectors, in float64. */
export function float64Rows(features: ArrayLike<number>, dimension: number, { from, to }: RowRange): Float64Array {
  const rows = new Float64Array((to - from) * dimension);
  const start = from * dimension;
  for (let i = 0; i < rows.length; i++) rows[i] = features[start + i] as number;
  return rows;
}

/** The network that both name, if any; throws where they name two. */
export function oneNetwork(where: string, a: string | undefined, b: string | undefined): string | undefined {
  if (a !== undefined && b !== undefined && a !== b)
    throw new SidError(
      "invalid-argument",
      `${where}: wanted features of one network, got those of ${JSON.stringify(a)} and of ${JSON.stringify(b)}: ` +
        "compute both with the same one.",
    );
  return a ?? b;
}

/** Rows of a set that is read block by block. */
export interface RowReader {
  readonly count: number;
  readonly dimension: number;
  /** Those rows in float64. */
  read(rows: RowRange): Float64Array;
}

/** Vectors that are there, one after another. */
export function featureReader(features: ArrayLike<number>, dimension: number): RowReader {
  const read = (rows: RowRange): Float64Array => float64Rows(features, dimension, rows);
  return { count: features.length / dimension, dimension, read };
}

/** Inner products of some rows of one set with some of another; row-major, a row per row of `i`. */
export interface ProductBlock {
  readonly i: RowRange;
  readonly j: RowRange;
  readonly products: Float64Array;
}

/** Rows of a block: its products and factors fit the second cache at 2048 dimensions, or nearly. */
const blockRows = 256;

/** Inner products of all rows of `a` with all of `b`, block by block; `wanted` may pass blocks over. */
export function* productBlocks(
  a: RowReader,
  b: RowReader,
  wanted: (i: RowRange, j: RowRange) => boolean = () => true,
): Generator<ProductBlock> {
  for (const i of blocks(a.count, blockRows)) {
    const left = a.read(i);
    for (const j of blocks(b.count, blockRows)) {
      if (!wanted(i, j)) continue;
      const right = b.read(j);
      const [rows, columns] = [i.to - i.from, j.to - j.from];
      const products = new Float64Array(rows * columns);
      const out = { values: products, stride: columns };
      addRowProducts(out, left, { from: 0, to: rows }, right, { from: 0, to: columns }, a.dimension);
      yield { i, j, products };
    }
  }
}

/** Of the pairs of a set with itself, each block once. */
export function half(i: RowRange, j: RowRange): boolean {
  return i.from <= j.from;
}
