import { type TensorInfo, util } from "@tensorflow/tfjs-core";
import type { Call } from "./kernel";
import { columnsOfParts, sumsOfParts } from "./parts";
import type { Program } from "./program";
import { entry, totalOverLanes, totalOverRows } from "./wgsl";

/* A workgroup has a row, or one row after the other, whose numbers stay in its lanes. */

/** Lanes, and numbers of a row that each holds. */
interface Variant {
  readonly lanes: number;
  readonly each: number;
}

/** Workgroups that fill a GPU. */
const enough = 512;

/** Statements for each number `x[i]` of the row: the `n`-th of a lane. */
const overRow = ({ lanes, each }: Variant, statements: string) => `
  for (var n = 0u; n < ${each}u; n++) { let c = lane + n * ${lanes}u; if (c < params.length) { ${statements} } }`;

const forward: Program<Variant> = {
  name: "layer norm",
  shader: (variant, { subgroups }) => ({
    reads: { x: "f32", scale: "f32", shift: "f32" },
    writes: { y: "f32", stats: "vec2<f32>" },
    params: { rows: "u32", length: "u32", eps: "f32" },
    body: `
${totalOverLanes(variant.lanes, "vec2<f32>", subgroups)}
${entry(variant.lanes)} {
  let row = groupIndex(group, groups);
  if (row >= params.rows) { return; }
  let base = row * params.length;
  let count = f32(params.length);
  var held: array<f32, ${variant.each}>;
  var sum = 0.0;
  ${overRow(variant, "held[n] = x[base + c]; sum += held[n];")}
  let rough = total(vec2<f32>(sum, 0.0), lane).x / count;
  var about = vec2<f32>();
  ${overRow(variant, "let d = held[n] - rough; about += vec2<f32>(d, d * d);")}
  about = total(about, lane);
  let rest = about.x / count;
  let mean = rough + rest;
  let centred = about.y - about.x * rest;
  let r = 1.0 / sqrt(select(centred, 0.0, centred < 0.0) / count + params.eps);
  if (lane == 0u) { stats[row] = vec2<f32>(mean, r); }
  ${overRow(variant, "y[base + c] = (held[n] - mean) * r * scale[c] + shift[c];")}
}`,
  }),
};

/** dx, and each workgroup's sums of dy and dy·unit, `[workgroups, length]`. */
const gradient: Program<Variant> = {
  name: "layer norm, gradient",
  shader: (variant, { subgroups }) => ({
    reads: { dy: "f32", x: "f32", scale: "f32", stats: "vec2<f32>" },
    writes: { dx: "f32", parts: "vec2<f32>" },
    params: { rows: "u32", length: "u32", rowsEach: "u32", parts: "u32" },
    body: `
${totalOverLanes(variant.lanes, "vec2<f32>", subgroups)}
${entry(variant.lanes)} {
  let part = groupIndex(group, groups);
  if (part >= params.parts) { return; }
  var units: array<f32, ${variant.each}>;
  var weighted: array<f32, ${variant.each}>;
  var sums: array<vec2<f32>, ${variant.each}>;
  for (var row = part * params.rowsEach; row < min((part + 1u) * params.rowsEach, params.rows); row++) {
    let base = row * params.length;
    let known = stats[row];
    var means = vec2<f32>();
    ${overRow(
      variant,
      `let d = dy[base + c];
      units[n] = (x[base + c] - known.x) * known.y;
      weighted[n] = d * scale[c];
      sums[n] += vec2<f32>(d, d * units[n]);
      means += vec2<f32>(weighted[n], weighted[n] * units[n]);`,
    )}
    means = total(means, lane) / f32(params.length);
    ${overRow(variant, "dx[base + c] = (weighted[n] - means.x - units[n] * means.y) * known.y;")}
  }
  ${overRow(variant, "parts[part * params.length + c] = sums[n];")}
}`,
  }),
};

const lanesOfSums = 256;

const sumOfParts: Program<null> = {
  name: "layer norm, parameters' gradients",
  shader: () => ({
    reads: { parts: "vec2<f32>" },
    writes: { dScale: "f32", dShift: "f32" },
    params: { count: "u32", length: "u32" },
    body: `
${totalOverRows(lanesOfSums, "vec2<f32>")}
${sumsOfParts(lanesOfSums)}
${entry(lanesOfSums)} { sumParts(groupIndex(group, groups), lane, params.count, params.length); }`,
  }),
};

/** See `SidLayerNorm`; then mean and 1/√(variance + eps) of each row. */
export function layerNorm({ inputs, attrs, output, run }: Call): TensorInfo[] {
  const [x, scale, shift] = inputs;
  const { rows, length, variant } = rowsOf(x);
  const [y, stats] = [output(x.shape), output([rows, 2])];
  const params = { rows, length, eps: attrs["eps"] as number };
  run(forward, variant, { reads: { x, scale, shift }, writes: { y, stats }, params, groups: rows });
  return [y, stats];
}

/** Gradients of x, scale and shift. */
export function layerNormGradient({ inputs, attrs, output, scratch, run }: Call): TensorInfo[] {
  const [dy, x, scale, shift, stats] = inputs;
  const { rows, length, variant } = rowsOf(x);
  const [dx, dScale, dShift] = [output(x.shape), output(scale.shape), output(shift.shape)];
  const rowsEach = Math.ceil(rows / enough);
  const count = Math.ceil(rows / rowsEach);
  const parts = scratch([count, length, 2]);
  const params = { rows, length, rowsEach, parts: count };
  run(gradient, variant, { reads: { dy, x, scale, stats }, writes: { dx, parts }, params, groups: count });
  const groups = Math.ceil(length / columnsOfParts);
  if (!attrs["firstOnly"])
    run(sumOfParts, null, { reads: { parts }, writes: { dScale, dShift }, params: { count, length }, groups });
  return [dx, dScale, dShift];
}

function rowsOf({ shape }: TensorInfo) {
  const length = shape[shape.length - 1] as number;
  const lanes = length <= 448 ? 64 : length <= 896 ? 128 : 256;
  return { rows: util.sizeFromShape(shape) / length, length, variant: { lanes, each: Math.ceil(length / lanes) } };
}
