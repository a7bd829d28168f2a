/*
 * Products of matrices. Both indices of A may run in two nested loops, which makes a product of every convolution.
 * Pointers are in bytes, steps in floats. Blocks of B are packed into panels of 8 columns; tiles of up to 6 × 8
 * elements of C are summed in registers. Whatever the tiles, each element of C is summed in the order of its index l.
 */
import { bytes, copy, madd, transpose4 } from "./floats";

/** Rows and columns of a block of B, which shall stay in the second cache. */
const blockRows: i32 = 256;
const blockColumns: i32 = 1024;
/**
 * Rows of a tile, at most. V8 has 15 registers to give on x86-64: two hold a row of the panel, one an element of A and,
 * where nothing is fused, one a product. A row of sums more than fits costs half the speed.
 */
const tileRows: i32 = ASC_FEATURE_RELAXED_SIMD ? 6 : 5;
/** From so many floats on, neighbours in a row of A fight for the same lines of the first cache. */
const farApart: i32 = 256;

/** The rows of A that a tile is made of, and how to walk along them: `outer` times `inner` elements. */
let row0: usize, row1: usize, row2: usize, row3: usize, row4: usize, row5: usize;
let outer: i32, inner: i32;
/** Bytes to the next element, and from the end of the inner loop to the next element. */
let step: usize, skip: usize;

/** Floats of scratch that {@link gemm} wants for `n` columns: where sums begin, a tile, 6 rows of A, a block of B. */
export function gemmScratch(n: i32): i32 {
  const columns = (min(n, blockColumns) + 7) & ~7;
  return columns + 48 + 6 * blockRows + blockRows * columns;
}

/**
 * `C[i, j] = Σ_l A[i, l]·B[l, j]`, plus `bias[j]` where there is one, or plus what C holds if `accumulate`; for rows
 * `firstRow ≤ i < lastRow`, and `first ≤ r < last` times with A, B and C so many floats further on each time. Where C
 * stays in its place, the products add up.
 *
 * i counts `image`s of lines of `mInner` places: row i of A begins at
 * `(i div image)·imageStep + (i mod image div mInner)·mOuterStep + (i mod mInner)·mStep`. Its element l lies
 * `(l div kInner)·kOuterStep + (l mod kInner)·kStep` further. There are `kOuter·kInner` elements.
 */
export function gemm(
  first: i32, last: i32, aNext: i32, bNext: i32, cNext: i32,
  firstRow: i32, lastRow: i32, n: i32, kOuter: i32, kInner: i32,
  a: usize, image: i32, imageStep: i32, mInner: i32, mOuterStep: i32, mStep: i32, kOuterStep: i32, kStep: i32,
  b: usize, bRowStep: i32, bColumnStep: i32,
  c: usize, cRowStep: i32,
  bias: usize, accumulate: i32, scratch: usize,
): void {
  for (let r = first; r < last; r++)
    multiply(
      firstRow, lastRow, n, kOuter, kInner,
      a + bytes(r * aNext), image, imageStep, mInner, mOuterStep, mStep, kOuterStep, kStep,
      b + bytes(r * bNext), bRowStep, bColumnStep,
      c + bytes(r * cNext), cRowStep, bias, accumulate | i32(cNext == 0 && r > first), scratch,
    );
}

/** `[m, n]` of C from plain matrices, by the steps between their rows and columns. */
// @ts-ignore: decorator
@inline
export function product(
  m: i32, n: i32, k: i32, a: usize, aRow: i32, aColumn: i32, b: usize, bRow: i32, bColumn: i32,
  c: usize, cRow: i32, accumulate: i32, scratch: usize,
): void {
  multiply(0, m, n, 1, k, a, m, 0, m, 0, aRow, 0, aColumn, b, bRow, bColumn, c, cRow, 0, accumulate, scratch);
}

function multiply(
  firstRow: i32, lastRow: i32, n: i32, kOuter: i32, kInner: i32,
  a: usize, image: i32, imageStep: i32, mInner: i32, mOuterStep: i32, mStep: i32, kOuterStep: i32, kStep: i32,
  b: usize, bRowStep: i32, bColumnStep: i32,
  c: usize, cRowStep: i32,
  bias: usize, accumulate: i32, scratch: usize,
): void {
  const outerPerBlock = max(1, blockRows / kInner);
  const innerPerBlock = min(blockRows, kInner);
  for (let j = 0; j < n; j += blockColumns) {
    const columns = min(blockColumns, n - j);
    const starts = scratch;
    const tile = starts + bytes((columns + 7) & ~7);
    const packedA = tile + bytes(48);
    const panels = packedA + bytes(6 * blockRows);
    memory.fill(starts, 0, tile - starts);
    if (bias) memory.copy(starts, bias + bytes(j), bytes(columns));
    let onto = accumulate;
    for (let o = 0; o < kOuter; o += outerPerBlock) {
      for (let l = 0; l < kInner; l += innerPerBlock) {
        outer = min(outerPerBlock, kOuter - o);
        inner = min(innerPerBlock, kInner - l);
        const k = outer * inner;
        packB(b + bytes((o * kInner + l) * bRowStep + j * bColumnStep), k, columns, bRowStep, bColumnStep, panels);
        startRows(a + bytes(o * kOuterStep + l * kStep), firstRow, image, imageStep, mInner, mOuterStep, mStep);
        for (let i = firstRow, rows = 0; i < lastRow; i += rows) {
          const left = lastRow - i;
          rows = left > tileRows && left < 2 * tileRows ? (left + 1) >> 1 : min(left, tileRows);
          row0 = nextRow();
          row1 = rows > 1 ? nextRow() : row0;
          row2 = rows > 2 ? nextRow() : row0;
          row3 = rows > 3 ? nextRow() : row0;
          row4 = rows > 4 ? nextRow() : row0;
          row5 = rows > 5 ? nextRow() : row0;
          step = bytes(kStep);
          skip = bytes(kOuterStep - inner * kStep);
          if (kStep >= farApart && columns >= 64) packA(packedA);
          const rowOfC = c + bytes(i * cRowStep + j);
          for (let column = 0; column < columns; column += 8) {
            const panel = panels + bytes(column * k);
            const start = starts + bytes(column);
            const to = rowOfC + bytes(column);
            const width = min(8, columns - column);
            if (width == 8) {
              if (onto) addRows(rows, panel, to, bytes(cRowStep), to, bytes(cRowStep));
              else addRows(rows, panel, start, 0, to, bytes(cRowStep));
            } else {
              if (onto) for (let r = 0; r < rows; r++) copy(tile + bytes(8 * r), to + bytes(r * cRowStep), width);
              addRows(rows, panel, onto ? tile : start, onto ? 32 : 0, tile, 32);
              for (let r = 0; r < rows; r++) copy(to + bytes(r * cRowStep), tile + bytes(8 * r), width);
            }
          }
        }
        onto = 1;
      }
    }
  }
}

/** The next row of A: where it begins, its place in its line, its line in its image; and bytes from each to the next. */
let cursor: usize, place: i32, line: i32;
let places: i32, lines: i32, toPlace: usize, toLine: usize, toImage: usize;

function startRows(a: usize, i: i32, image: i32, imageStep: i32, mInner: i32, mOuterStep: i32, mStep: i32): void {
  places = mInner;
  lines = image / mInner;
  toPlace = bytes(mStep);
  toLine = bytes(mOuterStep - mInner * mStep);
  toImage = bytes(imageStep - lines * mOuterStep);
  const inImage = i % image;
  place = inImage % mInner;
  line = inImage / mInner;
  cursor = a + bytes((i / image) * imageStep + line * mOuterStep + place * mStep);
}

// @ts-ignore: decorator
@inline
function nextRow(): usize {
  const row = cursor;
  cursor += toPlace;
  if (++place == places) {
    place = 0;
    cursor += toLine;
    if (++line == lines) {
      line = 0;
      cursor += toImage;
    }
  }
  return row;
}

/** Panels of 8 columns each, row by row; columns that are missing become zeros. */
function packB(from: usize, rows: i32, columns: i32, rowStep: i32, columnStep: i32, to: usize): void {
  const down = bytes(rowStep);
  const right = bytes(columnStep);
  for (let j = 0; j < columns; j += 8, from += 8 * right) {
    const width = min(8, columns - j);
    let p = from;
    let l = 0;
    if (width == 8 && columnStep == 1) {
      for (; l < rows; l++, p += down, to += 32) {
        v128.store(to, v128.load(p));
        v128.store(to, v128.load(p, 16), 16);
      }
    } else if (width == 8 && rowStep == 1) {
      for (; l + 4 <= rows; l += 4, p += 16, to += 128) {
        transpose4(p, right, to, 32);
        transpose4(p + 4 * right, right, to + 16, 32);
      }
    }
    for (; l < rows; l++, p += down, to += 32)
      for (let w = 0; w < 8; w++)
        store<f32>(to + bytes(w), w < width ? load<f32>(p + <usize>w * right) : 0);
  }
}

/** Copies the rows next to each other and walks along the copy from now on. */
function packA(to: usize): void {
  let at = to;
  let p: usize = 0;
  for (let o = 0; o < outer; o++, p += skip)
    for (let l = 0; l < inner; l++, p += step, at += 24) {
      store<f32>(at, load<f32>(row0 + p));
      store<f32>(at, load<f32>(row1 + p), 4);
      store<f32>(at, load<f32>(row2 + p), 8);
      store<f32>(at, load<f32>(row3 + p), 12);
      store<f32>(at, load<f32>(row4 + p), 16);
      store<f32>(at, load<f32>(row5 + p), 20);
    }
  row0 = to;
  row1 = to + 4;
  row2 = to + 8;
  row3 = to + 12;
  row4 = to + 16;
  row5 = to + 20;
  step = 24;
  skip = 0;
}

/** {@link addTile} for as many rows as are there. */
function addRows(rows: i32, panel: usize, start: usize, startStep: usize, to: usize, toStep: usize): void {
  switch (rows) {
    case 1: return addTile(1, panel, start, startStep, to, toStep);
    case 2: return addTile(2, panel, start, startStep, to, toStep);
    case 3: return addTile(3, panel, start, startStep, to, toStep);
    case 4: return addTile(4, panel, start, startStep, to, toStep);
    case 5: return addTile(5, panel, start, startStep, to, toStep);
    default: return addTile(6, panel, start, startStep, to, toStep);
  }
}

/**
 * `to = start + (rows of A)·panel`: rows of 8 floats each at `start` and `to`, so many bytes apart. `rows` is a constant
 * where this is called, so that each number of rows has a loop of its own. It is one loop with a branch, not one in
 * another: that takes V8 12 and older (Node 22) half as long again, and newer ones as long.
 */
// @ts-ignore: decorator
@inline
function addTile(rows: i32, panel: usize, start: usize, startStep: usize, to: usize, toStep: usize): void {
  let x0 = v128.load(start), y0 = v128.load(start, 16);
  let x1 = x0, y1 = y0;
  let x2 = x0, y2 = y0;
  let x3 = x0, y3 = y0;
  let x4 = x0, y4 = y0;
  let x5 = x0, y5 = y0;
  if (rows > 1) {
    start += startStep;
    x1 = v128.load(start);
    y1 = v128.load(start, 16);
  }
  if (rows > 2) {
    start += startStep;
    x2 = v128.load(start);
    y2 = v128.load(start, 16);
  }
  if (rows > 3) {
    start += startStep;
    x3 = v128.load(start);
    y3 = v128.load(start, 16);
  }
  if (rows > 4) {
    start += startStep;
    x4 = v128.load(start);
    y4 = v128.load(start, 16);
  }
  if (rows > 5) {
    start += startStep;
    x5 = v128.load(start);
    y5 = v128.load(start, 16);
  }
  let p0 = row0, p1 = row1, p2 = row2, p3 = row3, p4 = row4, p5 = row5;
  const along = step;
  const across = skip;
  const length = bytes(8 * inner);
  const end = panel + bytes(8 * inner * outer);
  let lineEnd = panel + length;
  while (panel < end) {
    const u = v128.load(panel), v = v128.load(panel, 16);
    let s = v128.load_splat<f32>(p0);
    x0 = madd(s, u, x0);
    y0 = madd(s, v, y0);
    if (rows > 1) {
      s = v128.load_splat<f32>(p1);
      x1 = madd(s, u, x1);
      y1 = madd(s, v, y1);
    }
    if (rows > 2) {
      s = v128.load_splat<f32>(p2);
      x2 = madd(s, u, x2);
      y2 = madd(s, v, y2);
    }
    if (rows > 3) {
      s = v128.load_splat<f32>(p3);
      x3 = madd(s, u, x3);
      y3 = madd(s, v, y3);
    }
    if (rows > 4) {
      s = v128.load_splat<f32>(p4);
      x4 = madd(s, u, x4);
      y4 = madd(s, v, y4);
    }
    if (rows > 5) {
      s = v128.load_splat<f32>(p5);
      x5 = madd(s, u, x5);
      y5 = madd(s, v, y5);
    }
    panel += 32;
    p0 += along;
    if (rows > 1) p1 += along;
    if (rows > 2) p2 += along;
    if (rows > 3) p3 += along;
    if (rows > 4) p4 += along;
    if (rows > 5) p5 += along;
    if (panel == lineEnd) {
      lineEnd += length;
      p0 += across;
      if (rows > 1) p1 += across;
      if (rows > 2) p2 += across;
      if (rows > 3) p3 += across;
      if (rows > 4) p4 += across;
      if (rows > 5) p5 += across;
    }
  }
  v128.store(to, x0);
  v128.store(to, y0, 16);
  if (rows > 1) {
    to += toStep;
    v128.store(to, x1);
    v128.store(to, y1, 16);
  }
  if (rows > 2) {
    to += toStep;
    v128.store(to, x2);
    v128.store(to, y2, 16);
  }
  if (rows > 3) {
    to += toStep;
    v128.store(to, x3);
    v128.store(to, y3, 16);
  }
  if (rows > 4) {
    to += toStep;
    v128.store(to, x4);
    v128.store(to, y4, 16);
  }
  if (rows > 5) {
    to += toStep;
    v128.store(to, x5);
    v128.store(to, y5, 16);
  }
}
