import type { NamedAttrMap, TensorInfo } from "@tensorflow/tfjs-core";
import { entry } from "./wgsl";

/*
 * What the programs of attention share. 64 lanes, 8 by 8, make a tile of scores: a lane has some rows that follow one another
 * and four columns, 8 apart. Operands pass through workgroup memory, some numbers of the head width at a time. Of what the
 * scores are multiplied with, a lane has columns 8 apart of the head width.
 */

const side = 8;
const lanes = side * side;
export const columnsOfLane = [0, 1, 2, 3] as const;
/** Columns of a tile. */
export const tileColumns = side * columnsOfLane.length;
/** Groups of four numbers between rows in workgroup memory, so that no two lanes want the same bank. */
const roomStride = 5;
/** The same between columns of the tile. */
const tileStride = side + 1;

/** What the programs are compiled for. */
export interface Variant {
  /** Rows of a lane: 4, 2 or 1, the fewer the wider the heads, of which a lane has to hold as many parts. */
  readonly rows: 1 | 2 | 4;
  /** Numbers of the head width that a lane has of each row. */
  readonly parts: number;
  /** Numbers of the head width that pass through workgroup memory at a time. */
  readonly depth: 16 | 20;
  /** Four numbers are read at once. */
  readonly fours: boolean;
}

/** Fields of the programs' params. */
export const params = {
  /** Samples times heads. */
  count: "u32",
  heads: "u32",
  queries: "u32",
  keys: "u32",
  /** Of a head, and of all together. */
  width: "u32",
  all: "u32",
  scale: "f32",
} as const;

/** Sizes of a call, and the variant that fits them. */
export function sizesOf(q: TensorInfo, k: TensorInfo, attrs: NamedAttrMap) {
  const [batch, queries, all] = q.shape as [number, number, number];
  const [keys, heads] = [k.shape[1] as number, attrs["heads"] as number];
  const width = all / heads;
  const parts = Math.ceil(width / side);
  const variant: Variant = {
    rows: parts <= 10 ? 4 : parts <= 24 ? 2 : 1,
    parts,
    depth: width % 20 === 0 ? 20 : 16,
    fours: width % 4 === 0,
  };
  const values = { count: batch * heads, heads, queries, keys, width, all, scale: 1 / Math.sqrt(width) };
  const rowBlocks = (tokens: number) => values.count * Math.ceil(tokens / tileRows(variant));
  /** Multiplications of one product with the scores' matrix. */
  const ofProduct = values.count * queries * keys * width;
  return { ...values, params: values, variant, rowBlocks, ofProduct };
}

/** Rows of a tile. */
const tileRows = ({ rows }: Variant) => side * rows;

/** A number for each of a lane's rows. */
export const vector = ({ rows }: Variant) => (rows === 1 ? "f32" : `vec${rows}<f32>`);

/** The number of one of a lane's rows. */
export const component = ({ rows }: Variant, name: string, row: number) => (rows === 1 ? name : `${name}[${row}]`);

/** Text for each of a lane's rows, or parts, joined. */
export const each = (count: number, text: (i: number) => string, between = "\n") =>
  Array.from({ length: count }, (_, i) => text(i)).join(between);

/** The element of buffers that are read by heads. */
export const element = ({ fours }: Variant) => (fours ? ("vec4<f32>" as const) : ("f32" as const));

/** Workgroup memory, and how the buffers that are read by heads are read. */
export function declarations(variant: Variant, buffers: readonly string[]): string {
  const { fours } = variant;
  const reading = (name: string) => `
fn ${name}Four(base: u32, token: u32, tokens: u32, x: u32) -> vec4<f32> {
  if (token >= tokens || x >= params.width) { return vec4<f32>(); }
  let at = base + token * params.all + x;
  ${
    fours
      ? `return ${name}[at / 4u];`
      : `var four = vec4<f32>(${name}[at], 0.0, 0.0, 0.0);
  if (x + 1u < params.width) { four.y = ${name}[at + 1u]; }
  if (x + 2u < params.width) { four.z = ${name}[at + 2u]; }
  if (x + 3u < params.width) { four.w = ${name}[at + 3u]; }
  return four;`
  }
}
fn ${name}One(at: u32) -> f32 { return ${fours ? `${name}[at / 4u][at % 4u]` : `${name}[at]`}; }`;
  return `
var<workgroup> left: array<vec4<f32>, ${tileRows(variant) * roomStride}>;
var<workgroup> right: array<vec4<f32>, ${tileColumns * roomStride}>;
var<workgroup> tile: array<${vector(variant)}, ${tileColumns * tileStride}>;
var<workgroup> perLane: array<${vector(variant)}, ${lanes}>;
${buffers.map(reading).join("\n")}`;
}

/** Entry, and where a workgroup is: its first row of `rows`, and where its head begins in what is read by either. */
export const begin = (variant: Variant, rows: "queries" | "keys") => `
${entry(lanes)} {
  let blocks = (params.${rows} + ${tileRows(variant) - 1}u) / ${tileRows(variant)}u;
  let index = groupIndex(group, groups);
  let head = index / blocks;
  if (head >= params.count) { return; }
  let across = lane % ${side}u;
  let down = lane / ${side}u;
  let firstRow = index % blocks * ${tileRows(variant)}u;
  let lanesRow = firstRow + down * ${variant.rows}u;
  let sample = head / params.heads;
  let within = head % params.heads * params.width;
  let ofQueries = sample * params.queries * params.all + within;
  let ofKeys = sample * params.keys * params.all + within;
`;

/** `into0` … `into3`: products over the head width of the workgroup's rows of one buffer with those of another from `first`. */
export function product(
  variant: Variant,
  into: string,
  row: { readonly name: string; readonly of: "queries" | "keys" },
  column: { readonly name: string; readonly of: "queries" | "keys"; readonly first: string },
): string {
  const { rows, depth } = variant;
  const fours = depth / 4;
  const base = { queries: "ofQueries", keys: "ofKeys" };
  const stage = (room: string, count: number, { name, of }: typeof row, first: string) => `
    for (var n = lane; n < ${count * fours}u; n += ${lanes}u) {
      let token = n / ${fours}u;
      ${room}[token * ${roomStride}u + n % ${fours}u] = ${name}Four(${base[of]}, ${first} + token, params.${of}, x0 + n % ${fours}u * 4u);
    }`;
  const dots = (c: number) => each(rows, (r) => `dot(a${r}, b${c})`, ", ");
  return `
  ${columnsOfLane.map((c) => `var ${into}${c} = ${vector(variant)}();`).join(" ")}
  for (var x0 = 0u; x0 < params.width; x0 += ${depth}u) {
    workgroupBarrier();
    ${stage("left", tileRows(variant), row, "firstRow")}
    ${stage("right", tileColumns, column, column.first)}
    workgroupBarrier();
    for (var x = x0; x < min(x0 + ${depth}u, params.width); x += 4u) {
      let n = (x - x0) / 4u;
      ${each(rows, (r) => `let a${r} = left[(down * ${rows}u + ${r}u) * ${roomStride}u + n];`)}
      ${columnsOfLane.map((c) => `let b${c} = right[(across + ${side * c}u) * ${roomStride}u + n];`).join("\n")}
      ${columnsOfLane.map((c) => `${into}${c} += ${vector(variant)}(${dots(c)});`).join("\n")}
    }
  }`;
}

/** Puts a lane's numbers into the tile, from which {@link addProduct} has them; all lanes must have read what was there. */
export const putTile = (value: (column: number) => string) => `
  ${columnsOfLane.map((c) => `tile[(across + ${side * c}u) * ${tileStride}u + down] = ${value(c)};`).join("\n  ")}
  workgroupBarrier();`;

export const declareParts = (variant: Variant, into: string) =>
  each(variant.parts, (i) => `var ${into}${i} = ${vector(variant)}();`, " ");

/** Adds the tile times rows of `buffer` from `first` on to `into0` …: rows by the head width. */
export function addProduct(
  variant: Variant,
  into: string,
  buffer: { readonly name: string; readonly of: "queries" | "keys"; readonly first: string },
): string {
  const { name, of, first } = buffer;
  const base = of === "queries" ? "ofQueries" : "ofKeys";
  const last = variant.parts - 1;
  return `
  for (var token = ${first}; token < min(${first} + ${tileColumns}u, params.${of}); token++) {
    let weight = tile[(token - ${first}) * ${tileStride}u + down];
    let at = ${base} + token * params.all;
    ${each(variant.parts, (i) => `${into}${i} += weight * ${name}One(at + ${i === last ? `min(across + ${side * i}u, params.width - 1u)` : `across + ${side * i}u`});`)}
  }`;
}

/** Writes a lane's rows of `from0` … times `factor`. */
export function writeParts(
  variant: Variant,
  from: string,
  to: { readonly name: string; readonly of: "queries" | "keys" },
  factor: string,
): string {
  const base = to.of === "queries" ? "ofQueries" : "ofKeys";
  const write = (row: number, part: number) =>
    `if (across + ${side * part}u < params.width) { ${to.name}[at + ${side * part}u] = ${component(variant, `${from}${part}`, row)} * ${factor}; }`;
  return each(
    variant.rows,
    (row) => `
  if (lanesRow + ${row}u < params.${to.of}) {
    let at = ${base} + (lanesRow + ${row}u) * params.all + across;
    ${each(variant.parts, (part) => write(row, part))}
  }`,
  );
}

/** `name` becomes what `combine` makes of it in the lanes that have the same rows. */
export const overRow = (name: string, combine: (a: string, b: string) => string) => `
  workgroupBarrier();
  perLane[across * ${side}u + down] = ${name};
  workgroupBarrier();
  ${name} = perLane[down];
  for (var n = 1u; n < ${side}u; n++) { ${name} = ${combine(name, `perLane[n * ${side}u + down]`)}; }`;
