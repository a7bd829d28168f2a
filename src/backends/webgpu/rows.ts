import type { TensorInfo } from "@tensorflow/tfjs-core";
import type { Call } from "./kernel";
import { type Program, sizeOf } from "./program";

/** A tensor seen as rows of `width` elements: columns of a larger one. */
export interface Columns {
  readonly tensor: TensorInfo;
  readonly width: number;
}

/** A tensor seen as rows of `stride` elements. */
export interface Rows {
  readonly tensor: TensorInfo;
  readonly stride: number;
  /** Column where the first part begins. */
  readonly begin?: number;
}

interface Variant {
  /** Parts. */
  readonly count: number;
  /** Into the parts, or out of them. */
  readonly split: boolean;
}

const perInvocation = 4;
const invocations = 64;

/** Copies between one tensor and parts of it, side by side. Bits are copied, whatever they mean. */
const program: Program<Variant> = {
  name: "rows",
  shader: ({ count, split }) => {
    const parts = Array.from({ length: count }, (_, i) => i);
    const buffers = Object.fromEntries(parts.map((i) => [`part${i}`, "u32" as const]));
    const whole = { whole: "u32" as const };
    const place = (i: number) => {
      const start = i === 0 ? "0u" : `params.end${i - 1}`;
      const part = `part${i}[row * (params.end${i} - ${start}) + column - ${start}]`;
      const copy = split ? `${part} = whole[at];` : `whole[at] = ${part};`;
      return `if (column < params.end${i}) { ${copy} continue; }`;
    };
    return {
      reads: split ? whole : buffers,
      writes: split ? buffers : whole,
      params: {
        ...{ size: "u32", width: "u32", stride: "u32", begin: "u32" },
        ...Object.fromEntries(parts.map((i) => [`end${i}`, "u32" as const])),
      },
      body: `
@compute @workgroup_size(${invocations})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let first = groupIndex(group, groups) * ${invocations * perInvocation}u + lane;
  for (var n = 0u; n < ${perInvocation}u; n++) {
    let i = first + n * ${invocations}u;
    if (i >= params.size) { return; }
    let row = i / params.width;
    let column = i - row * params.width;
    let at = row * params.stride + params.begin + column;
    ${parts.map(place).join("\n    ")}
  }
}`,
    };
  },
};

/** Writes parts side by side into a tensor: as many in one program as the GPU binds buffers. */
export function joinColumns(call: Call, parts: readonly Columns[], into: Rows): void {
  copyColumns(call, parts, into, false);
}

/** Takes a tensor apart into columns. */
export function splitColumns(call: Call, from: Rows, parts: readonly Columns[]): void {
  copyColumns(call, parts, from, true);
}

/** Buffers of one program; more make a longer search for the part that an element belongs to. */
const most = 16;

function copyColumns({ backend, run }: Call, all: readonly Columns[], whole: Rows, split: boolean): void {
  const filled = all.filter(({ tensor }) => sizeOf(tensor) > 0);
  const count = Math.min(most, backend.device.limits.maxStorageBuffersPerShaderStage) - 1;
  let begin = whole.begin ?? 0;
  for (let i = 0; i < filled.length; i += count) {
    const parts = filled.slice(i, i + count);
    const tensors = Object.fromEntries(parts.map(({ tensor }, n) => [`part${n}`, tensor]));
    let width = 0;
    const ends: Record<string, number> = {};
    parts.forEach((part, n) => {
      width += part.width;
      ends[`end${n}`] = width;
    });
    const size = parts.reduce((sum, { tensor }) => sum + sizeOf(tensor), 0);
    const [one, many] = [{ whole: whole.tensor }, tensors];
    run(
      program,
      { count: parts.length, split },
      {
        ...(split ? { reads: one, writes: many } : { reads: many, writes: one }),
        params: { size, width, stride: whole.stride, begin, ...ends },
        groups: Math.ceil(size / (invocations * perInvocation)),
      },
    );
    begin += width;
  }
}
