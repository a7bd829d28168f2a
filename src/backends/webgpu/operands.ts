import { widenHalf } from "./half";
import type { Element, Shader } from "./program";

/**
 * WGSL that reads one operand of a product for the tile in workgroup memory. An invocation takes one line, a row of A or a
 * column of B, and goes along it by four summands at a time:
 * - `start_<name>(matrix, line, k, inside)`: takes line `line`, from summand `k` on; not inside, all are zeros;
 * - `take_<name>() -> vec4<f32>`: the next four, zeros from `kEnd` on;
 * - `skip_<name>()`: leaves out four.
 */
export interface Operand {
  readonly reads: Shader["reads"];
  readonly params: readonly string[];
  readonly code: string;
}

/** How the numbers of a buffer are stored and read. */
export interface Numbers {
  /** By four, which all start at a multiple of four. */
  readonly four: boolean;
  /** Packed halves. */
  readonly half?: boolean | undefined;
}

/** `load_<name>(i)`, element i as f32, and where by four `four_<name>(i)`, elements i to i + 3. */
export function loads(name: string, { four, half }: Numbers): { element: Element; code: string } {
  if (half) {
    const one = `widened(${name}[i / 2u], i)`;
    const code = `
fn load_${name}(i: u32) -> f32 { return ${one}; }
fn four_${name}(i: u32) -> vec4<f32> {
  let low = ${name}[i / 2u];
  let high = ${name}[i / 2u + 1u];
  return vec4<f32>(widened(low, 0u), widened(low, 1u), widened(high, 0u), widened(high, 1u));
}`;
    return { element: "u32", code: widenHalf + code };
  }
  return four
    ? { element: "vec4<f32>", code: `fn four_${name}(i: u32) -> vec4<f32> { return ${name}[i / 4u]; }` }
    : { element: "f32", code: `fn load_${name}(i: u32) -> f32 { return ${name}[i]; }` };
}

/**
 * Matrices: that of product i is the stored one `(i / <name>Each) mod <name>Count`, and element k of a line lies at
 * `matrix·<name>Next + line·<name>Line + k·<name>Step`. By four: the step is 1, all the others are multiples of four.
 */
export function matrices(name: string, numbers: Numbers): Operand {
  const { element, code } = loads(name, numbers);
  const there = (i: number) => `${name}In && ${name}K + ${i}u < kEnd`;
  // What is not there is read all the same, from some place within the buffer: WebGPU sees to that.
  const take = numbers.four
    ? `select(vec4<f32>(), four_${name}(${name}At), ${there(0)})`
    : `vec4<f32>(${[0, 1, 2, 3].map((i) => `select(0.0, load_${name}(${name}At + ${i}u * params.${name}Step), ${there(i)})`).join(", ")})`;
  return {
    reads: { [name]: element },
    params: [`${name}Each`, `${name}Count`, `${name}Next`, `${name}Line`, `${name}Step`],
    code: `${code}
var<private> ${name}At: u32;
var<private> ${name}K: u32;
var<private> ${name}In: bool;
fn start_${name}(matrix: u32, line: u32, k: u32, inside: bool) {
  let stored = (matrix / params.${name}Each) % params.${name}Count;
  ${name}At = stored * params.${name}Next + line * params.${name}Line + k * params.${name}Step;
  ${name}K = k;
  ${name}In = inside;
}
fn skip_${name}() {
  ${name}At += 4u * params.${name}Step;
  ${name}K += 4u;
}
fn take_${name}() -> vec4<f32> {
  let v = ${take};
  skip_${name}();
  return v;
}`,
  };
}

const each = (one: (i: number) => string) => [0, 1, 2, 3].map(one).join("\n  ");

/** An operand with one more line, the last of m, of ones: its products are the sums of the other operand's lines. */
export function withOnes(name: string, { reads, params, code }: Operand): Operand {
  const own = code.replace(new RegExp(`\\b(start|take|skip)_${name}\\b`, "g"), `$1_own_${name}`);
  return {
    reads,
    params: [...params, "m"],
    code: `${own}
var<private> ${name}Ones: bool;
var<private> ${name}OnesK: u32;
fn start_${name}(matrix: u32, line: u32, k: u32, inside: bool) {
  ${name}Ones = inside && line + 1u == params.m;
  ${name}OnesK = k;
  start_own_${name}(matrix, line, k, inside && !${name}Ones);
}
fn skip_${name}() {
  ${name}OnesK += 4u;
  skip_own_${name}();
}
fn take_${name}() -> vec4<f32> {
  var v = take_own_${name}();
  if (${name}Ones) {
    ${each((i) => `v[${i}] = select(0.0, 1.0, ${name}OnesK + ${i}u < kEnd);`)}
  }
  ${name}OnesK += 4u;
  return v;
}`,
  };
}
