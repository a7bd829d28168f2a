/** Rows and columns of a tile: sixteen floats are a line of the cache. */
const tile = 16;

/**
 * `to [columns, rows] = from [rows, columns]ᵀ` in plain code, tile by tile, so that the lines that are read and those
 * that are written all stay in the cache. Positions are in floats.
 */
export function transposeTiles(heap: Float32Array, from: number, to: number, rows: number, columns: number): void {
  for (let top = 0; top < rows; top += tile) {
    const bottom = Math.min(rows, top + tile);
    for (let left = 0; left < columns; left += tile) {
      const right = Math.min(columns, left + tile);
      for (let column = left; column < right; column++) {
        let source = from + top * columns + column;
        const start = to + column * rows;
        for (let target = start + top; target < start + bottom; target++, source += columns)
          heap[target] = heap[source] as number;
      }
    }
  }
}
