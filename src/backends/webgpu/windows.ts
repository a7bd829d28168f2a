import { loads, type Numbers, type Operand } from "./operands";

/** WGSL of an operand whose lines are walked by private `K` and what `step` moves on; `<name>` stands as `$` in all texts. */
interface Walk {
  readonly numbers: Numbers;
  /** Declarations, and functions that they need. */
  readonly state: string;
  /** Statements that set the state from `matrix`, `line` and `k`. */
  readonly start: string;
  /** Statements that go on by 1 or 4 summands. */
  readonly step: (by: 1 | 4) => string;
  /** Whether there is a number; else it is a zero. */
  readonly there: string;
  /** Where it lies. */
  readonly at: string;
  readonly params: readonly string[];
}

/** Numbers that are not there are read all the same, from some place within the buffer: WebGPU sees to that. */
function walked(name: string, { numbers, state, start, step, there, at, params }: Walk): Operand {
  const { element, code } = loads(name, numbers);
  const [by, steps] = numbers.four ? ([4, [0]] as const) : ([1, [0, 1, 2, 3]] as const);
  const take = (i: number) =>
    numbers.four ? "v = select(v, four_$($at()), $there())" : `v[${i}] = select(0.0, load_$($at()), $there())`;
  const text = `
var<private> $K: u32;
var<private> $In: bool;
${state}
fn $at() -> u32 { return ${at}; }
fn $there() -> bool { return $In && $K < kEnd && ${there}; }
fn start_$(matrix: u32, line: u32, k: u32, inside: bool) {
  $K = k;
  $In = inside;
  ${start}
}
fn step_$() {
  $K += ${by}u;
  ${step(by)}
}
fn skip_$() { ${steps.map(() => "step_$();").join(" ")} }
fn take_$() -> vec4<f32> {
  var v = vec4<f32>();
  ${steps.map((i) => `${take(i)};\n  step_$();`).join("\n  ")}
  return v;
}`;
  return { reads: { [name]: element }, params, code: code + text.replaceAll("$", name) };
}

/** State of a walk through a window `(y, x, channel)`, row by row; `wide(matrix)` is the window's columns. */
const through = (wide: string, channels: string) => ({
  state: `
var<private> $Wide: u32;
var<private> $Y: u32;
var<private> $X: u32;
var<private> $C: u32;
fn wide_$(matrix: u32) -> u32 { return ${wide}; }`,
  start: `
  $Wide = max(1u, wide_$(matrix));
  $C = k % ${channels};
  $X = (k / ${channels}) % $Wide;
  $Y = k / ${channels} / $Wide;`,
  step: (by: number) => `$C += ${by}u;
  if ($C >= ${channels}) {
    $C = 0u;
    $X += 1u;
    if ($X == $Wide) { $X = 0u; $Y += 1u; }
  }`,
});

/** What a window operand is made of, in WGSL. */
interface Window {
  /** Columns of the window of product `matrix`. */
  readonly wide: string;
  /** An expression of `matrix` and `line`: image, and first row and column in the picture, as `vec3<i32>`. */
  readonly origin: string;
  /** The window goes on from there, or back. */
  readonly direction: "+" | "-";
  readonly params: readonly string[];
}

/**
 * The windows of pictures `[batch, height, width, channels]`: each is a line whose summands are its rows, their columns and
 * their channels, zeros where it lies beyond the edge.
 */
export function windows(name: string, numbers: Numbers, { wide, origin, direction, params: own }: Window): Operand {
  const walk = through(wide, "params.channels");
  const [y, x] = [`u32($Origin.y ${direction} i32($Y))`, `u32($Origin.z ${direction} i32($X))`];
  return walked(name, {
    numbers,
    state: `${walk.state}
var<private> $Origin: vec3<i32>;`,
    start: `${walk.start}
  $Origin = ${origin};`,
    step: walk.step,
    there: `${y} < params.height && ${x} < params.width`,
    at: `((u32($Origin.x) * params.height + ${y}) * params.width + ${x}) * params.channels + $C`,
    params: ["height", "width", "channels", ...own],
  });
}

/**
 * A filter `[filterHeight, filterWidth, inChannels, channels]` as an input gradient's right matrices: a column for each input channel, whose
 * summands are the taps that meet a pixel, and their output channels. `tap(matrix)` is the first tap, `vec2<u32>`.
 */
export function filterColumns(name: string, numbers: Numbers, wide: string, tap: string): Operand {
  const walk = through(wide, "params.channels");
  return walked(name, {
    numbers,
    state: `${walk.state}
var<private> $Line: u32;
var<private> $Tap: vec2<u32>;`,
    start: `${walk.start}
  $Line = line;
  $Tap = ${tap};`,
    step: walk.step,
    there: "true",
    at: `((($Tap.x + $Y * params.strideY) * params.filterWidth + $Tap.y + $X * params.strideX) * params.n + $Line) * params.channels + $C`,
    params: ["channels", "filterWidth", "strideY", "strideX"],
  });
}

/**
 * The windows of pictures, transposed: a line for each `(y, x, channel)` of the window, whose summands are the windows
 * themselves, `outHeight · outWidth` of each picture.
 */
export function windowColumns(name: string): Operand {
  const [y, x] = ["u32(i32($Y * params.strideY) + $Dy)", "u32(i32($X * params.strideX) + $Dx)"];
  return walked(name, {
    numbers: { four: false },
    state: `
var<private> $Image: u32;
var<private> $Y: u32;
var<private> $X: u32;
var<private> $C: u32;
var<private> $Dy: i32;
var<private> $Dx: i32;`,
    start: `$C = line % params.channels;
  $Dx = i32((line / params.channels) % params.filterWidth) - i32(params.left);
  $Dy = i32(line / params.channels / params.filterWidth) - i32(params.top);
  $X = k % params.outWidth;
  $Y = (k / params.outWidth) % params.outHeight;
  $Image = k / params.outWidth / params.outHeight;`,
    step: () => `$X += 1u;
  if ($X == params.outWidth) {
    $X = 0u;
    $Y += 1u;
    if ($Y == params.outHeight) { $Y = 0u; $Image += 1u; }
  }`,
    there: `${y} < params.height && ${x} < params.width`,
    at: `(($Image * params.height + ${y}) * params.width + ${x}) * params.channels + $C`,
    params: [
      "height",
      "width",
      "channels",
      "outHeight",
      "outWidth",
      "strideY",
      "strideX",
      "top",
      "left",
      "filterWidth",
    ],
  });
}
