/** Columns that a workgroup of {@link sumsOfParts} sums, one per lane of a row. */
export const columnsOfParts = 32;

/**
 * The function `sumParts(tile, lane, count, channels)`, the second stage of the gradients of a norm's scale and shift:
 * sums `parts`, `[count, channels]` of (∂shift, ∂scale, …), into `dShift` and `dScale`. It calls `totalOverRows`.
 */
export function sumsOfParts(lanes: number): string {
  const [rows, columns] = [lanes / columnsOfParts, columnsOfParts];
  return `
fn sumParts(tile: u32, lane: u32, count: u32, channels: u32) {
  let row = lane / ${columns}u;
  let column = lane % ${columns}u;
  let c = tile * ${columns}u + column;
  var sums = vec2<f32>();
  if (c < channels) {
    for (var n = row; n < count; n += ${rows}u) { sums += parts[n * channels + c].xy; }
  }
  sums = totalOverRows(sums, row, ${rows}u, column, ${columns}u);
  if (row == 0u && c < channels) { dShift[c] = sums.x; dScale[c] = sums.y; }
}`;
}
