import type { TensorInfo } from "@tensorflow/tfjs-core";
import { depth, lanes, machineOf, type Plan, plan, type Tile, tiles } from "./gemm-plan";
import type { Call } from "./kernel";
import type { Operand } from "./operands";
import { type Program, type Shader, sizeOf } from "./program";
import { entry } from "./wgsl";

/** Activations that a product ends with, of `v`. */
const activations = {
  linear: "v",
  relu: "select(v, 0.0, v < 0.0)",
  relu6: "select(select(v, 0.0, v < 0.0), 6.0, v > 6.0)",
  // Beyond 80 the exponential would overflow on the way to a number that is zero anyway.
  sigmoid: "1.0 / (1.0 + exp(select(-v, 80.0, v < -80.0)))",
} as const;

/** What is done to each number of a product. */
interface Ending {
  /** A number for each column is added. */
  readonly bias: boolean;
  readonly activation: keyof typeof activations;
  /** Then, a number for each of its own. */
  readonly addend: boolean;
}

const plainEnding: Ending = { bias: false, activation: "linear", addend: false };

/** Whether products may end so. */
export function isActivation(name: string): name is Ending["activation"] {
  return Object.hasOwn(activations, name);
}

const endingCode = ({ bias, activation, addend }: Ending) => `
fn ended(sum: f32, at: u32, column: u32) -> f32 {
  let v = sum${bias ? " + bias[column]" : ""};
  return ${activations[activation]}${addend ? " + addend[at]" : ""};
}`;

const endingReads = ({ bias, addend }: Ending): Shader["reads"] => ({
  ...(bias ? { bias: "f32" } : {}),
  ...(addend ? { addend: "f32" } : {}),
});

/** Fields of params. */
const numbers = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, "u32" as const]));

/** A kind of product: `count` of them, `[m, k]·[k, n]`. */
interface Kind {
  readonly a: Operand;
  readonly b: Operand;
  readonly ending: Ending;
  /** WGSL `fn sizes(matrix: u32) -> vec2<u32>`, its m and k; else they are params. */
  readonly sizes?: string;
  /** WGSL `fn rowAt(matrix: u32, row: u32) -> u32`: which row of n numbers of the result; else that of `[count, m, n]`. */
  readonly rowAt?: string;
}

const common = ["m", "k", "n", "count", "rowTiles", "columnTiles", "splits", "part", "size"] as const;

const range = (length: number) => [...Array(length).keys()];

/** Statements that multiply what lies in workgroup memory, and add it to `c<row>_<column>`. */
function multiply({ rows, columns, lanes: [lanesDown, lanesAcross], per, broadcast }: Tile): string {
  const [down, across] = [range(per[0]), range(per[1])];
  const readB = (q: string, j: number) => `let b${j} = tile_b[(${q}) * ${columns}u + across + ${j * lanesAcross}u];`;
  if (!broadcast)
    return `for (var q = 0u; q < ${depth / 4}u; q++) {
      ${down.map((i) => `let a${i} = tile_a[q * ${rows}u + down + ${i * lanesDown}u];`).join("\n      ")}
      ${across
        .flatMap((j) => [
          readB("q", j),
          ...down.map((i) => ["x", "y", "z", "w"].map((e) => `c${i}_${j} += a${i}.${e} * b${j}.${e};`).join(" ")),
        ])
        .join("\n      ")}
    }`;
  const eighth = (q: number, e: number) =>
    down.flatMap((i) => [
      `let s${i} = subgroupBroadcast(a${i}, ${4 * q + e}u);`,
      ...across.map((j) => `c${i}_${j} += s${i} * b${j}[${e}];`),
    ]);
  const quarter = (q: number) =>
    `{ ${across.map((j) => readB(`q + ${q}u`, j)).join(" ")}
      ${range(4)
        .map((e) => `{ ${eighth(q, e).join(" ")} }`)
        .join("\n      ")} }`;
  return `for (var q = 0u; q < ${depth / 4}u; q += 2u) {
      let mine = (q + (lane & 7u) / 4u) * ${rows}u + down;
      ${down.map((i) => `let a${i} = tile_a[mine + ${i * lanesDown}u][lane & 3u];`).join("\n      ")}
      ${quarter(0)}
      ${quarter(1)}
    }`;
}

/** The shader of a kind of product. Sums go by rising k within a part; results of several parts lie one after the other. */
export function gemmShader(tileName: keyof typeof tiles, { a, b, ending, sizes, rowAt }: Kind): Shader {
  const tile: Tile = tiles[tileName];
  const [lanesDown, lanesAcross] = tile.lanes;
  const [down, across] = [range(tile.per[0]), range(tile.per[1])];
  const fill = (name: "a" | "b", lines: number) => {
    const own = (depth * lines) / lanes / 4;
    const first = `(lane / ${lines}u) * ${own}u`;
    return {
      start: (inside: string, line: string) =>
        `start_${name}(matrix, ${line} + lane % ${lines}u, first + 4u * ${first}, ${line} + lane % ${lines}u < ${inside});`,
      take: `for (var q = 0u; q < ${own}u; q++) { tile_${name}[(${first} + q) * ${lines}u + lane % ${lines}u] = take_${name}(); }
    for (var q = ${own}u; q < ${depth / 4}u; q++) { skip_${name}(); }`,
    };
  };
  const [fillA, fillB] = [fill("a", tile.rows), fill("b", tile.columns)];
  const store = down.map(
    (i) => `if (row + ${i * lanesDown}u < m) {
    let at = part * params.size + rowAt(matrix, row + ${i * lanesDown}u) * params.n;
    ${across.map((j) => `if (column + ${j * lanesAcross}u < params.n) { out[at + column + ${j * lanesAcross}u] = finished(c${i}_${j}, at + column + ${j * lanesAcross}u, column + ${j * lanesAcross}u); }`).join("\n    ")}
  }`,
  );
  return {
    reads: { ...a.reads, ...b.reads, ...endingReads(ending) },
    writes: { out: "f32" },
    params: numbers([...new Set([...common, ...a.params, ...b.params])]),
    body: `
var<private> kEnd: u32;
var<workgroup> tile_a: array<vec4<f32>, ${(tile.rows * depth) / 4}>;
var<workgroup> tile_b: array<vec4<f32>, ${(tile.columns * depth) / 4}>;
${sizes ?? "fn sizes(matrix: u32) -> vec2<u32> { return vec2<u32>(params.m, params.k); }"}
${rowAt ?? "fn rowAt(matrix: u32, row: u32) -> u32 { return matrix * params.m + row; }"}
${a.code}
${b.code}
${endingCode(ending)}
fn finished(sum: f32, at: u32, column: u32) -> f32 {
  if (params.splits > 1u) { return sum; }
  return ended(sum, at, column);
}
${entry(lanes)} {
  let index = groupIndex(group, groups);
  let rest = index / params.columnTiles;
  let product = rest / params.rowTiles;
  if (product >= params.count * params.splits) { return; }
  let matrix = product / params.splits;
  let part = product % params.splits;
  let m = sizes(matrix).x;
  let row0 = (rest % params.rowTiles) * ${tile.rows}u;
  let column0 = (index % params.columnTiles) * ${tile.columns}u;
  if (row0 >= m) { return; }
  let first = part * params.part;
  let end = min(first + params.part, sizes(matrix).y);
  kEnd = end;
  ${fillA.start("m", "row0")}
  ${fillB.start("params.n", "column0")}
  let down = lane / ${lanesAcross}u;
  let across = lane % ${lanesAcross}u;
  ${down.flatMap((i) => across.map((j) => `var c${i}_${j} = 0.0;`)).join(" ")}
  for (var k = first; k < end; k += ${depth}u) {
    workgroupBarrier();
    ${fillA.take}
    ${fillB.take}
    workgroupBarrier();
    ${multiply(tile)}
  }
  let row = row0 + down;
  let column = column0 + across;
  ${store.join("\n  ")}
}`,
  };
}

/** Adds up the parts of a product. */
const addition: Program<Ending> = {
  name: "parts of products",
  shader: (ending) => ({
    reads: { parts: "f32", ...endingReads(ending) },
    writes: { out: "f32" },
    params: numbers(["size", "splits", "n"]),
    body: `
${endingCode(ending)}
${entry(lanes)} {
  let i = groupIndex(group, groups) * ${lanes}u + lane;
  if (i >= params.size) { return; }
  var sum = 0.0;
  for (var part = 0u; part < params.splits; part++) { sum += parts[part * params.size + i]; }
  out[i] = ended(sum, i, i % params.n);
}`,
  }),
};

/** What a family of products is varied by, beside its own. */
export interface Variant {
  readonly tile: Plan["tile"];
  readonly ending: Ending;
}

/** Sizes and tensors of products. */
export interface Products {
  /** `count` products `[m, k]·[k, n]`. */
  readonly sizes: readonly [count: number, m: number, k: number, n: number];
  readonly a: TensorInfo;
  readonly b: TensorInfo;
  readonly bias?: TensorInfo | undefined;
  readonly activation?: Ending["activation"] | undefined;
  /** Of the result's elements. */
  readonly addend?: TensorInfo | undefined;
  readonly out: TensorInfo;
  readonly params: Readonly<Record<string, number>>;
  /** The sum over k may be done in parts. */
  readonly splits: boolean;
}

/** Runs products as their sizes ask for. */
export function runProducts<V>(call: Call, program: Program<V & Variant>, variant: V, products: Products): void {
  const { sizes, a, b, bias, activation = "linear", addend, out, splits: mayBeSplit } = products;
  const [count, m, k, n] = sizes;
  const size = sizeOf(out);
  const ending = { bias: bias !== undefined, activation, addend: addend !== undefined };
  if (size * k === 0) {
    addUp(call, ending, { parts: call.scratch([1]), splits: 0, n, bias, addend, out });
    return;
  }
  const chosen = plan(count, m, k, n, machineOf(call.backend, call.capabilities));
  const { tile, splits, part } = mayBeSplit ? chosen : { ...chosen, splits: 1, part: depth * Math.ceil(k / depth) };
  const [rowTiles, columnTiles] = [Math.ceil(m / tiles[tile].rows), Math.ceil(n / tiles[tile].columns)];
  const parts = splits > 1 ? call.scratch([splits, size]) : out;
  const first = splits > 1 ? plainEnding : ending;
  call.run(
    program,
    { ...variant, tile, ending: first },
    {
      reads: { a, b, ...(first.bias && bias ? { bias } : {}), ...(first.addend && addend ? { addend } : {}) },
      writes: { out: parts },
      params: { m, k, n, count, rowTiles, columnTiles, splits, part, size, ...products.params },
      groups: count * splits * rowTiles * columnTiles,
      work: count * m * k * n,
    },
    ["b"],
  );
  if (splits > 1) addUp(call, ending, { parts, splits, n, bias, addend, out });
}

interface Parts {
  readonly parts: TensorInfo;
  readonly splits: number;
  readonly n: number;
  readonly bias?: TensorInfo | undefined;
  readonly addend?: TensorInfo | undefined;
  readonly out: TensorInfo;
}

function addUp(call: Call, ending: Ending, { parts, splits, n, bias, addend, out }: Parts): void {
  const size = sizeOf(out);
  call.run(addition, ending, {
    reads: { parts, ...(bias ? { bias } : {}), ...(addend ? { addend } : {}) },
    writes: { out },
    params: { size, splits, n },
    groups: Math.ceil(size / lanes),
  });
}
