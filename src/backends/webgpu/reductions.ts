import { backend_util, type NamedAttrMap, type TensorInfo, util } from "@tensorflow/tfjs-core";
import type { Call, Kernel } from "./kernel";
import { type Program, sizeOf } from "./program";
import { entry, totalOverLanes, totalOverRows } from "./wgsl";

/*
 * Sums and means. Axes that are reduced and neighbours are one, so that x is `[outer, count, inner]`, of which the result
 * is `[outer, inner]`; a long `count` is cut into parts, whose sums are summed.
 */

const lanes = 256;
/** Numbers that a lane adds one after the other before a second program is worth it. */
const mostPerLane = 128;
/** Rows that one lane sums alone, up to this length, beside others. */
const shortRow = 64;
/** Numbers that it adds at least in each of several parts. */
const leastPerLane = 16;
/** Workgroups that fill a GPU. */
const enough = 256;

/** Sums of rows, `inner` being 1: a workgroup has a part of one. */
const rowSums: Program<{ readonly lanes: number }> = {
  name: "sums of rows",
  shader: ({ lanes }, { subgroups }) => ({
    reads: { x: "f32" },
    writes: { sums: "f32" },
    params: { results: "u32", count: "u32", parts: "u32", partLength: "u32", factor: "f32" },
    body: `
${totalOverLanes(lanes, "f32", subgroups)}
${entry(lanes)} {
  let index = groupIndex(group, groups);
  if (index >= params.results * params.parts) { return; }
  let base = index / params.parts * params.count;
  let start = index % params.parts * params.partLength;
  let end = min(start + params.partLength, params.count);
  var sum = 0.0;
  for (var n = start + lane; n < end; n += ${lanes}u) { sum += x[base + n]; }
  sum = total(sum, lane);
  if (lane == 0u) { sums[index] = sum * params.factor; }
}`,
  }),
};

/** Sums of columns: a workgroup has `columns` results side by side, whose numbers its rows of lanes share. */
const columnSums: Program<{ readonly columns: number }> = {
  name: "sums of columns",
  shader: ({ columns }) => ({
    reads: { x: "f32" },
    writes: { sums: "f32" },
    params: { results: "u32", inner: "u32", count: "u32", parts: "u32", partLength: "u32", factor: "f32" },
    body: `
${totalOverRows(lanes, "f32")}
${entry(lanes)} {
  let index = groupIndex(group, groups);
  let row = lane / ${columns}u;
  let column = lane % ${columns}u;
  let tiles = (params.results + ${columns - 1}u) / ${columns}u;
  if (index >= tiles * params.parts) { return; }
  let part = index / tiles;
  let result = index % tiles * ${columns}u + column;
  let start = part * params.partLength;
  let end = select(start, min(start + params.partLength, params.count), result < params.results);
  let outer = result / params.inner;
  let base = outer * params.count * params.inner + result % params.inner;
  var sum = 0.0;
  for (var n = start + row; n < end; n += ${lanes / columns}u) { sum += x[base + n * params.inner]; }
  ${columns === lanes ? "" : `sum = totalOverRows(sum, row, ${lanes / columns}u, column, ${columns}u);`}
  if (row == 0u && result < params.results) {
    sums[(outer * params.parts + part) * params.inner + result % params.inner] = sum * params.factor;
  }
}`,
  }),
};

/** `[outer, count, inner] → [outer, parts, inner]`, times `factor`. */
function sumParts(
  { run }: Call,
  x: TensorInfo,
  sums: TensorInfo,
  { outer, count, inner }: Run,
  { parts, factor }: { readonly parts: number; readonly factor: number },
): void {
  const results = outer * inner;
  const partLength = Math.ceil(count / parts);
  const io = { reads: { x }, writes: { sums } };
  if (inner === 1 && count > shortRow) {
    const params = { results, count, parts, partLength, factor };
    run(rowSums, { lanes: lanesFor(partLength) }, { ...io, params, groups: results * parts });
  } else {
    const columns = columnsFor(results, partLength);
    const params = { results, inner, count, parts, partLength, factor };
    run(columnSums, { columns }, { ...io, params, groups: Math.ceil(results / columns) * parts });
  }
}

/** Lanes for so much of a row. */
const lanesFor = (length: number) => (length <= 2048 ? 64 : lanes);

/** Lanes side by side: one for each result, where there are enough, or few numbers each. */
function columnsFor(results: number, count: number): number {
  if (count <= 8 || results >= lanes * enough) return lanes;
  return Math.min(32, Math.max(4, 2 ** Math.ceil(Math.log2(results))));
}

/** Parts of `count` that keep enough workgroups busy, each with work for its lanes. */
function partsFor({ outer, count, inner }: Run): number {
  const results = outer * inner;
  const [tiles, rows] =
    inner === 1 && count > shortRow ? [results, lanes] : shareOf(results, columnsFor(results, count));
  if (count <= rows * mostPerLane && tiles * count <= enough * rows * mostPerLane) return 1;
  const most = Math.floor(count / (leastPerLane * rows));
  const parts = Math.max(1, Math.min(most, Math.ceil(enough / tiles)));
  return Math.ceil(count / Math.ceil(count / parts));
}

const shareOf = (results: number, columns: number): [tiles: number, rows: number] => [
  Math.ceil(results / columns),
  lanes / columns,
];

/** A run of reduced axes between others. */
interface Run {
  readonly outer: number;
  readonly count: number;
  readonly inner: number;
}

/** tfjs's `Sum` or `Mean` of float32; other types are tfjs's own business. */
export const reduction =
  (what: "sum" | "mean"): Kernel =>
  (call) =>
    call.inputs[0].dtype === "float32" ? reduced(call, what) : undefined;

function reduced(call: Call, what: "sum" | "mean"): TensorInfo {
  const x = call.inputs[0];
  const { shape, runs } = planOf(x, call.attrs);
  const size = runs.reduce((product, { count }) => product * count, 1);
  if (runs.length === 0) return call.share(x, shape);
  const out = call.output(shape);
  if (sizeOf(x) === 0) {
    // What has no elements has no buffer.
    call.backend.tensorMap.get(out.dataId).values = new Float32Array(sizeOf(out)).fill(what === "sum" ? 0 : Number.NaN);
    return out;
  }
  let current = x;
  runs.forEach((run, i) => {
    const last = i === runs.length - 1;
    const factor = last && what === "mean" ? 1 / size : 1;
    const parts = partsFor(run);
    const result = last ? out : call.scratch([run.outer, run.inner]);
    if (parts > 1) {
      const between = call.scratch([run.outer, parts, run.inner]);
      sumParts(call, current, between, run, { parts, factor: 1 });
      sumParts(call, between, result, { ...run, count: parts }, { parts: 1, factor });
    } else sumParts(call, current, result, run, { parts: 1, factor });
    current = result;
  });
  return out;
}

/** The result's shape, and the runs of axes, the last one first, so that each leaves less to the next. */
function planOf({ shape }: TensorInfo, { axis, keepDims }: NamedAttrMap): { shape: number[]; runs: Run[] } {
  const axes = util.parseAxisParam(axis as number | number[], [...shape]);
  const [outShape] = backend_util.computeOutAndReduceShapes([...shape], axes);
  const merged: { size: number; reduced: boolean }[] = [];
  shape.forEach((size, i) => {
    const [reduced, previous] = [axes.includes(i), merged[merged.length - 1]];
    if (size === 1) return;
    if (previous?.reduced === reduced) previous.size *= size;
    else merged.push({ size, reduced });
  });
  let [outer, inner] = [util.sizeFromShape([...shape]), 1];
  const runs: Run[] = [];
  for (const { size, reduced } of merged.reverse()) {
    outer /= size;
    if (reduced) runs.push({ outer, count: size, inner });
    else inner *= size;
  }
  return { shape: keepDims ? backend_util.expandShapeToKeepDim(outShape, axes) : outShape, runs };
}
