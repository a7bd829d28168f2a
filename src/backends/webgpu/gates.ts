import { backend_util, type TensorInfo } from "@tensorflow/tfjs-core";
import type { Call } from "./kernel";
import { type Program, sizeOf } from "./program";
import { sigmoid } from "./wgsl";

/** Numbers that an invocation works on, a multiple of the number of invocations apart, so that neighbours read neighbours. */
const perInvocation = 4;
const invocations = 64;

/** A function of each element of some tensors of one size. */
interface Formula {
  readonly reads: readonly string[];
  readonly writes: readonly string[];
  /** Statements that read `<name>[i]`, and write. */
  readonly statements: string;
  /** Functions that the statements call. */
  readonly functions?: string;
  /** Named numbers. */
  readonly params?: readonly string[];
}

const program: Program<Formula> = {
  name: "each",
  shader: ({ reads, writes, statements, functions = "", params = [] }) => ({
    reads: Object.fromEntries(reads.map((name) => [name, "f32"])),
    writes: Object.fromEntries(writes.map((name) => [name, "f32"])),
    params: { size: "u32", ...Object.fromEntries(params.map((name) => [name, "f32" as const])) },
    body: `
${functions}
@compute @workgroup_size(${invocations})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let first = groupIndex(group, groups) * ${invocations * perInvocation}u + lane;
  for (var n = 0u; n < ${perInvocation}u; n++) {
    let i = first + n * ${invocations}u;
    if (i >= params.size) { return; }
    ${statements}
  }
}`,
  }),
};

/** Runs a formula over tensors of one size. */
export function each(
  { run }: Call,
  formula: Formula,
  reads: Readonly<Record<string, TensorInfo>>,
  writes: Readonly<Record<string, TensorInfo>>,
  params: Readonly<Record<string, number>> = {},
): void {
  const { size = sizeOf(Object.values(writes)[0] as TensorInfo) } = params;
  const groups = Math.ceil(size / (invocations * perInvocation));
  run(program, formula, { reads, writes, params: { size, ...params }, groups });
}

/** See `SidSigmoidGate`. */
export function sigmoidGate(call: Call): TensorInfo[] {
  const [x] = call.inputs;
  const y = call.output(x.shape);
  const statements = "y[i] = x[i] * sigmoid(params.k * x[i]);";
  const formula = { reads: ["x"], writes: ["y"], statements, functions: sigmoid, params: ["k"] };
  each(call, formula, { x }, { y }, { k: call.attrs["k"] as number });
  return [y];
}

/** Its gradient: dy·(s + k·x·s·(1 − s)). */
export function sigmoidGateGradient(call: Call): TensorInfo[] {
  const [dy, x] = call.inputs;
  const dx = call.output(x.shape);
  const statements = "let s = sigmoid(params.k * x[i]); dx[i] = dy[i] * s * (1.0 + params.k * x[i] * (1.0 - s));";
  const formula = { reads: ["dy", "x"], writes: ["dx"], statements, functions: sigmoid, params: ["k"] };
  each(call, formula, { dy, x }, { dx }, { k: call.attrs["k"] as number });
  return [dx];
}

/** The normal law's distribution function with tfjs's erf (Abramowitz & Stegun 7.1.26), and its density. */
const normal = `
fn density(x: f32) -> f32 { return ${1 / Math.sqrt(2 * Math.PI)} * exp(-0.5 * x * x); }
fn distribution(x: f32) -> f32 {
  let z = abs(x) * ${Math.SQRT1_2};
  let t = 1.0 / (1.0 + ${backend_util.ERF_P} * z);
  let p = ((((${backend_util.ERF_A5} * t + ${backend_util.ERF_A4}) * t + ${backend_util.ERF_A3}) * t + ${backend_util.ERF_A2}) * t + ${backend_util.ERF_A1}) * t;
  let erf = 1.0 - p * exp(-z * z);
  return 0.5 * (1.0 + select(erf, -erf, x < 0.0));
}`;

/** See `SidGeluGate`. */
export function geluGate(call: Call): TensorInfo[] {
  const [h, g] = call.inputs;
  const y = call.output(h.shape);
  const statements = "y[i] = h[i] * (g[i] * distribution(g[i]));";
  each(call, { reads: ["h", "g"], writes: ["y"], statements, functions: normal }, { h, g }, { y });
  return [y];
}

/** Its gradients: dy·g·Φ(g) and dy·h·(Φ(g) + g·φ(g)). */
export function geluGateGradient(call: Call): TensorInfo[] {
  const [dy, h, g] = call.inputs;
  const [dh, dg] = [call.output(h.shape), call.output(g.shape)];
  const statements = `
    let x = g[i];
    let phi = distribution(x);
    dh[i] = dy[i] * (x * phi);
    dg[i] = dy[i] * h[i] * (phi + x * density(x));`;
  const formula = { reads: ["dy", "h", "g"], writes: ["dh", "dg"], statements, functions: normal };
  each(call, formula, { dy, h, g }, { dh, dg });
  return [dh, dg];
}

/** Where the two halves of a row lie whose gate is element i. */
const halves = "let width = u32(params.width); let at = i + i / width * width;";

/** See `SidGeglu`. */
export function geglu(call: Call): TensorInfo[] {
  const [x] = call.inputs;
  const width = (x.shape[x.shape.length - 1] as number) / 2;
  const y = call.output([...x.shape.slice(0, -1), width]);
  const statements = `${halves} let g = x[at + width]; y[i] = x[at] * (g * distribution(g));`;
  const formula = { reads: ["x"], writes: ["y"], statements, functions: normal, params: ["width"] };
  each(call, formula, { x }, { y }, { width });
  return [y];
}

/** Its gradient: dy·g·Φ(g) beside dy·h·(Φ(g) + g·φ(g)). */
export function gegluGradient(call: Call): TensorInfo[] {
  const [dy, x] = call.inputs;
  const dx = call.output(x.shape);
  const statements = `
    ${halves}
    let g = x[at + width];
    let phi = distribution(g);
    dx[at] = dy[i] * (g * phi);
    dx[at + width] = dy[i] * x[at] * (phi + g * density(g));`;
  const formula = { reads: ["dy", "x"], writes: ["dx"], statements, functions: normal, params: ["width"] };
  each(call, formula, { dy, x }, { dx }, { width: (x.shape[x.shape.length - 1] as number) / 2, size: sizeOf(dy) });
  return [dx];
}
