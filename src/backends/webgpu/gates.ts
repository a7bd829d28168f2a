import type { TensorInfo } from "@tensorflow/tfjs-core";
import type { Call } from "./kernel";
import { type Program, sizeOf } from "./program";

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
  const size = sizeOf(Object.values(writes)[0] as TensorInfo);
  const groups = Math.ceil(size / (invocations * perInvocation));
  run(program, formula, { reads, writes, params: { size, ...params }, groups });
}

const sigmoid = "fn sigmoid(x: f32) -> f32 { return 1.0 / (1.0 + exp(-x)); }";

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
