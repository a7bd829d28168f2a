/* Pieces of WGSL that several kernels share. */

/** Beginning of the entry point of a workgroup of `lanes`. */
export function entry(lanes: number): string {
  return `@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32)`;
}

/**
 * The function `total(value, lane)`: the sum of all lanes' values, in each lane. All lanes of the workgroup must call it.
 * Without subgroups the sum is a tree in workgroup memory; with them it is one of the subgroups' sums.
 *
 * @param lanes - of the workgroup, a power of two.
 * @param type - of the values.
 */
export function totalOverLanes(lanes: number, type: "f32" | "vec2<f32>", subgroups: boolean): string {
  const room = `var<workgroup> totalRoom: array<${type}, ${lanes}>;`;
  if (subgroups)
    return `${room}
fn total(value: ${type}, lane: u32) -> ${type} {
  let part = subgroupAdd(value);
  let size = subgroupAdd(1u);
  let count = ${lanes}u / size;
  workgroupBarrier();
  if (lane % size == 0u) { totalRoom[lane / size] = part; }
  workgroupBarrier();
  var sum = ${type}();
  for (var i = lane % size; i < count; i += size) { sum += totalRoom[i]; }
  return subgroupAdd(sum);
}`;
  const halves = Array.from({ length: Math.log2(lanes) }, (_, i) => lanes >> (i + 1));
  return `${room}
fn total(value: ${type}, lane: u32) -> ${type} {
  workgroupBarrier();
  totalRoom[lane] = value;
  ${halves.map((half) => `workgroupBarrier(); if (lane < ${half}u) { totalRoom[lane] += totalRoom[lane + ${half}u]; }`).join("\n  ")}
  workgroupBarrier();
  return totalRoom[0];
}`;
}

/**
 * The function `totalOverRows(value, row, rows, column, columns)`: lanes form `rows` of `columns`, and each gets the sum
 * of its column. All lanes of the workgroup must call it; those outside have a row ≥ rows.
 */
export function totalOverRows(lanes: number, type: "f32" | "vec2<f32>"): string {
  return `var<workgroup> rowsRoom: array<${type}, ${lanes}>;
fn totalOverRows(value: ${type}, row: u32, rows: u32, column: u32, columns: u32) -> ${type} {
  let at = row * columns + column;
  workgroupBarrier();
  if (row < rows) { rowsRoom[at] = value; }
  for (var left = rows; left > 1u; left = (left + 1u) / 2u) {
    workgroupBarrier();
    if (row < left / 2u) { rowsRoom[at] += rowsRoom[at + ((left + 1u) / 2u) * columns]; }
  }
  workgroupBarrier();
  return rowsRoom[column];
}`;
}

/** `sigmoid(x)`. NaN stays NaN, and nothing overflows on the way: a compiler may take it that no number is infinite. */
export const sigmoid = "fn sigmoid(x: f32) -> f32 { return 1.0 / (1.0 + exp(select(-x, 80.0, x < -80.0))); }";
