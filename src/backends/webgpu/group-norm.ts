import type { TensorInfo } from "@tensorflow/tfjs-core";
import type { Call } from "./kernel";
import { columnsOfParts, sumsOfParts } from "./parts";
import type { Program } from "./program";
import { grouped, type Tiles, tileParams } from "./tiles";
import { entry, sigmoid, totalOverLanes, totalOverRows } from "./wgsl";

/*
 * x is `[batch, positions, channels]`. A workgroup has a tile of neighbouring groups, whose channels its lanes read side
 * by side, and a chunk of the positions. Statistics are means first, then squares about them, with the rest that the
 * rounded mean leaves: a large mean costs no digits of the variance.
 */

const lanes = 256;
const totals = totalOverRows(lanes, "vec2<f32>");

/** `single`: a tile is one group, whose sum is one over all lanes. */
interface Variant {
  readonly single: boolean;
  readonly silu: boolean;
}

/** Which part of x is a workgroup's, and a lane's. */
const place = `
  let index = groupIndex(group, groups);
  if (index >= params.batch * params.tiles * params.chunks) { return; }
  let chunk = index / params.tiles % params.chunks;
  let sample = index / (params.tiles * params.chunks);
  let row = lane / params.columns;
  let column = lane % params.columns;
  let width = params.tileGroups * params.size;
  let firstChannel = index % params.tiles * width;
  let channelsEnd = min(firstChannel + width, params.channels);
  let start = chunk * params.chunkPositions;
  let end = min(start + params.chunkPositions, params.positions);
  let firstPosition = select(end, start + row, row < params.rows);
  let base = sample * params.positions * params.channels;
  let groupCount = params.channels / params.size;
  let groupOfLane = min((firstChannel + column) / params.size, groupCount - 1u);
  let statsAt = sample * groupCount + groupOfLane;
  let first = firstChannel + column < channelsEnd && column % params.size == 0u && row == 0u;`;

/** Calls `statements` with each `c` and `i`, channel and index into x, of a lane; `perChannel` before, with each `c`. */
const overElements = (statements: string, perChannel = "") => `
  for (var c = firstChannel + column; c < channelsEnd; c += params.columns) {
    ${perChannel}
    for (var p = firstPosition; p < end; p += params.rows) { let i = base + p * params.channels + c; ${statements} }
  }`;

/** The function `groupTotal(value, lane)`, the sum over the tile's part of the lane's group. */
function groupTotal(single: boolean, subgroups: boolean): string {
  if (single)
    return `${totalOverLanes(lanes, "vec2<f32>", subgroups)}
fn groupTotal(value: vec2<f32>, lane: u32) -> vec2<f32> { return total(value, lane); }`;
  return `fn groupTotal(value: vec2<f32>, lane: u32) -> vec2<f32> {
  let column = lane % params.columns;
  _ = totalOverRows(value, lane / params.columns, params.rows, column, params.columns);
  let first = column - column % params.size;
  var sum = vec2<f32>();
  for (var c = first; c < first + params.size; c++) { sum += rowsRoom[c]; }
  return sum;
}`;
}

/** Mean, and sum of squares about it, of the lane's group in this chunk: `mean`, `squares`, of `count` numbers. */
const statistics = `
  let count = f32((end - start) * params.size);
  var sum = 0.0;
  ${overElements("sum += x[i];")}
  let rough = groupTotal(vec2<f32>(sum, 0.0), lane).x / count;
  var about = vec2<f32>();
  ${overElements("let d = x[i] - rough; about += vec2<f32>(d, d * d);")}
  about = groupTotal(about, lane);
  let rest = about.x / count;
  let mean = rough + rest;
  let centred = about.y - about.x * rest;
  let squares = select(centred, 0.0, centred < 0.0);`;

const normed = (silu: boolean) =>
  overElements(
    `let u = (x[i] - mean) * gain + offset; y[i] = ${silu ? "u * sigmoid(u)" : "u"};`,
    "let gain = r * scale[c]; let offset = shift[c];",
  );

/** All in one: a chunk is all positions. */
const whole: Program<Variant> = {
  name: "group norm",
  shader: ({ single, silu }, { subgroups }) => ({
    reads: { x: "f32", scale: "f32", shift: "f32" },
    writes: { y: "f32", stats: "vec2<f32>" },
    params: { ...tileParams, eps: "f32" },
    body: `
${totals}
${groupTotal(single, subgroups)}
${sigmoid}
${entry(lanes)} {
  ${place}
  ${statistics}
  let r = 1.0 / sqrt(squares / count + params.eps);
  if (first) { stats[statsAt] = vec2<f32>(mean, r); }
  ${normed(silu)}
}`,
  }),
};

/** Each chunk's mean and squares: `[batch, groups, chunks]`. */
const chunkStatistics: Program<Pick<Variant, "single">> = {
  name: "group norm, statistics",
  shader: ({ single }, { subgroups }) => ({
    reads: { x: "f32" },
    writes: { parts: "vec2<f32>" },
    params: tileParams,
    body: `
${totals}
${groupTotal(single, subgroups)}
${entry(lanes)} {
  ${place}
  ${statistics}
  if (first) { parts[statsAt * params.chunks + chunk] = vec2<f32>(mean, squares); }
}`,
  }),
};

const fromChunks: Program<Pick<Variant, "silu">> = {
  name: "group norm, from statistics",
  shader: ({ silu }) => ({
    reads: { x: "f32", scale: "f32", shift: "f32", parts: "vec2<f32>" },
    writes: { y: "f32", stats: "vec2<f32>" },
    params: { ...tileParams, eps: "f32" },
    body: `
${sigmoid}
fn countOf(chunk: u32) -> f32 {
  return f32((min((chunk + 1u) * params.chunkPositions, params.positions) - chunk * params.chunkPositions) * params.size);
}
${entry(lanes)} {
  ${place}
  let partsAt = statsAt * params.chunks;
  let count = f32(params.positions) * f32(params.size);
  let near = parts[partsAt].x;
  var sum = 0.0;
  for (var n = 0u; n < params.chunks; n++) { sum += (parts[partsAt + n].x - near) * countOf(n); }
  let mean = near + sum / count;
  var squares = 0.0;
  for (var n = 0u; n < params.chunks; n++) {
    let part = parts[partsAt + n];
    let d = part.x - mean;
    squares += part.y + d * d * countOf(n);
  }
  let r = 1.0 / sqrt(squares / count + params.eps);
  if (first && chunk == 0u) { stats[statsAt] = vec2<f32>(mean, r); }
  ${normed(silu)}
}`,
  }),
};

/** See `SidGroupNorm`; then mean and 1/√(variance + eps) of each sample's groups. */
export function groupNorm(call: Call): TensorInfo[] {
  const { inputs, attrs, output, scratch, run } = call;
  const [x, scale, shift] = inputs;
  const { groups, batch, single, tiles } = grouped(x, attrs, "one where it fills the GPU");
  const [y, stats] = [output(x.shape), output([batch, groups, 2])];
  const [eps, silu] = [attrs["eps"] as number, Boolean(attrs["silu"])];
  const params = { ...tiles, eps };
  if (tiles.chunks === 1) {
    run(whole, { single, silu }, { reads: { x, scale, shift }, writes: { y, stats }, params, groups: countOf(tiles) });
    return [y, stats];
  }
  const parts = scratch([batch, groups, tiles.chunks, 2]);
  run(chunkStatistics, { single }, { reads: { x }, writes: { parts }, params: tiles, groups: countOf(tiles) });
  const reads = { x, scale, shift, parts };
  run(fromChunks, { silu }, { reads, writes: { y, stats }, params, groups: countOf(tiles) });
  return [y, stats];
}

const countOf = ({ batch, tiles, chunks }: Tiles) => batch * tiles * chunks;

/** `unit`, the normed x, and `du`, the gradient of what is made of it. */
const through = (silu: boolean) =>
  `let unit = (x[i] - mean) * r; ${silu ? "let u = unit * gain + offset; let s = sigmoid(u); let du = dy[i] * s * (1.0 + u * (1.0 - s));" : "let du = dy[i];"}`;

/** Sums of du and du·unit, mean and 1/√(variance + eps), of each channel: `[batch, chunks, channels]`. */
const gradientParts: Program<Pick<Variant, "silu">> = {
  name: "group norm, gradient's sums",
  shader: ({ silu }) => ({
    reads: { dy: "f32", x: "f32", scale: "f32", shift: "f32", stats: "vec2<f32>" },
    writes: { parts: "vec4<f32>" },
    params: tileParams,
    body: `
${totals}
${sigmoid}
${entry(lanes)} {
  let index = groupIndex(group, groups);
  let tiles = (params.channels + ${columnsOfParts - 1}u) / ${columnsOfParts}u;
  if (index >= params.batch * tiles * params.chunks) { return; }
  let sampleAndChunk = index / tiles;
  let sample = sampleAndChunk / params.chunks;
  let start = sampleAndChunk % params.chunks * params.chunkPositions;
  let end = min(start + params.chunkPositions, params.positions);
  let row = lane / ${columnsOfParts}u;
  let column = lane % ${columnsOfParts}u;
  let wanted = index % tiles * ${columnsOfParts}u + column;
  let c = min(wanted, params.channels - 1u);
  let known = stats[sample * (params.channels / params.size) + c / params.size];
  let mean = known.x;
  let r = known.y;
  let gain = scale[c];
  let offset = shift[c];
  var sums = vec2<f32>();
  for (var p = start + row; p < end; p += ${lanes / columnsOfParts}u) {
    let i = (sample * params.positions + p) * params.channels + c;
    ${through(silu)}
    sums += vec2<f32>(du, du * unit);
  }
  sums = totalOverRows(sums, row, ${lanes / columnsOfParts}u, column, ${columnsOfParts}u);
  if (row == 0u && wanted < params.channels) { parts[sampleAndChunk * params.channels + c] = vec4<f32>(sums, known); }
}`,
  }),
};

/** dx; beyond its workgroups, those of the parameters' gradients. */
const gradient: Program<Variant> = {
  name: "group norm, gradient",
  shader: ({ single, silu }, { subgroups }) => ({
    reads: { dy: "f32", x: "f32", scale: "f32", shift: "f32", parts: "vec4<f32>" },
    writes: { dx: "f32", dScale: "f32", dShift: "f32" },
    params: tileParams,
    body: `
${totals}
${groupTotal(single, subgroups)}
${sigmoid}
${sumsOfParts(lanes)}
${entry(lanes)} {
  let beyond = params.batch * params.tiles * params.chunks;
  let number = groupIndex(group, groups);
  if (number >= beyond) {
    sumParts(number - beyond, lane, params.batch * params.chunks, params.channels);
    return;
  }
  ${place}
  let partsAt = sample * params.chunks * params.channels;
  let count = f32(params.positions) * f32(params.size);
  var sums = vec2<f32>();
  let firstChunk = select(params.chunks, row, row < params.rows);
  for (var c = firstChannel + column; c < channelsEnd; c += params.columns) {
    for (var n = firstChunk; n < params.chunks; n += params.rows) { sums += parts[partsAt + n * params.channels + c].xy * scale[c]; }
  }
  let means = groupTotal(sums, lane) / count;
  let known = parts[partsAt + min(firstChannel + column, params.channels - 1u)];
  let mean = known.z;
  let r = known.w;
  ${overElements(
    `${through(silu)} dx[i] = r * (du * gain - means.x - unit * means.y);`,
    "let gain = scale[c]; let offset = shift[c];",
  )}
}`,
  }),
};

/** Gradients of x, scale and shift. */
export function groupNormGradient({ inputs, attrs, output, scratch, run }: Call): TensorInfo[] {
  const [dy, x, scale, shift, stats] = inputs;
  const { batch, channels, single, tiles } = grouped(x, attrs, "many");
  const silu = Boolean(attrs["silu"]);
  const [dx, dScale, dShift] = [output(x.shape), output(scale.shape), output(shift.shape)];
  const parts = scratch([batch, tiles.chunks, channels, 4]);
  const columns = Math.ceil(channels / columnsOfParts);
  const reads = { dy, x, scale, shift };
  const partGroups = batch * columns * tiles.chunks;
  run(gradientParts, { silu }, { reads: { ...reads, stats }, writes: { parts }, params: tiles, groups: partGroups });
  const writes = { dx, dScale, dShift };
  const gradientGroups = countOf(tiles) + columns;
  run(gradient, { single, silu }, { reads: { ...reads, parts }, writes, params: tiles, groups: gradientGroups });
  return [dx, dScale, dShift];
}
