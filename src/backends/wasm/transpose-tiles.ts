/** Rows that are read together: as many floats as a few lines of the cache hold. */
const panel = 64;

/**
 * `to [columns, rows] = from [rows, columns]ᵀ` in plain code: four columns at a time of a few rows, so that the lines
 * that are read and those that are written all stay in the cache. Positions are in floats.
 */
export function transposeTiles(heap: Float32Array, from: number, to: number, rows: number, columns: number): void {
  const whole = columns - (columns % 4);
  for (let top = 0; top < rows; top += panel) {
    const bottom = Math.min(rows, top + panel);
    for (let column = 0; column < whole; column += 4) {
      let source = from + top * columns + column;
      const end = to + column * rows + bottom;
      for (let target = to + column * rows + top; target < end; target++, source += columns) {
        heap[target] = heap[source] as number;
        heap[target + rows] = heap[source + 1] as number;
        heap[target + 2 * rows] = heap[source + 2] as number;
        heap[target + 3 * rows] = heap[source + 3] as number;
      }
    }
    for (let column = whole; column < columns; column++)
      for (let row = top; row < bottom; row++)
        heap[to + column * rows + row] = heap[from + row * columns + column] as number;
  }
}
