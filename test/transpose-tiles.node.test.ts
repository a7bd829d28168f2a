import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import { transposeTiles } from "../src/backends/wasm/transpose-tiles";

const size = fc.integer({ min: 1, max: 150 });

test.prop({ rows: size, columns: size, from: fc.nat(5), gap: fc.nat(5) })(
  "every element goes to its place, and nothing beside the matrix changes",
  ({ rows, columns, from, gap }) => {
    const to = from + rows * columns + gap;
    const heap = Float32Array.from({ length: to + rows * columns + 5 }, (_, i) => i);
    const before = heap.slice();
    transposeTiles(heap, from, to, rows, columns);
    const wanted = before.slice();
    for (let i = 0; i < rows; i++)
      for (let j = 0; j < columns; j++) wanted[to + j * rows + i] = before[from + i * columns + j] as number;
    expect(heap).toEqual(wanted);
  },
);
