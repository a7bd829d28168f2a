import type { TensorInfo } from "@tensorflow/tfjs-core";
import type { Call } from "./kernel";
import { type Program, sizeOf } from "./program";
import { entry } from "./wgsl";

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

/** The program of a formula. */
export function elementwise(
  name: string,
  { reads, writes, statements, functions = "", params = [] }: Formula,
): Program<null> {
  return {
    name,
    shader: () => ({
      reads: Object.fromEntries(reads.map((name) => [name, "f32"])),
      writes: Object.fromEntries(writes.map((name) => [name, "f32"])),
      params: { size: "u32", ...Object.fromEntries(params.map((name) => [name, "f32" as const])) },
      body: `
${functions}
${entry(invocations)} {
  let first = groupIndex(group, groups) * ${invocations * perInvocation}u + lane;
  for (var n = 0u; n < ${perInvocation}u; n++) {
    let i = first + n * ${invocations}u;
    if (i >= params.size) { return; }
    ${statements}
  }
}`,
    }),
  };
}

/** Runs a formula over tensors of one size. */
export function each(
  { run }: Call,
  program: Program<null>,
  reads: Readonly<Record<string, TensorInfo>>,
  writes: Readonly<Record<string, TensorInfo>>,
  params: Readonly<Record<string, number>> = {},
): void {
  const { size = sizeOf(Object.values(writes)[0] as TensorInfo) } = params;
  const groups = Math.ceil(size / (invocations * perInvocation));
  run(program, null, { reads, writes, params: { size, ...params }, groups });
}
