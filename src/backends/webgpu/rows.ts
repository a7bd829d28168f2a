import type { TensorInfo } from "@tensorflow/tfjs-core";
import { withFloats } from "./half";
import type { Call } from "./kernel";
import { copyBytes, type Program, sizeOf } from "./program";
import { entry } from "./wgsl";

/** A tensor seen as rows of `width` elements: columns of a larger one. */
interface Columns {
  readonly tensor: TensorInfo;
  readonly width: number;
}

/** A tensor seen as rows of `stride` elements. */
interface Rows {
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
  /** Elements that an invocation copies at once. */
  readonly unit: 1 | 4;
}

const perInvocation = 4;
const invocations = 64;

/** Copies between one tensor and parts of it, side by side. Bits are copied, whatever they mean. */
const program: Program<Variant> = {
  name: "rows",
  shader: ({ count, split, unit }) => {
    const parts = Array.from({ length: count }, (_, i) => i);
    const element = unit === 4 ? "vec4<u32>" : "u32";
    const buffers = Object.fromEntries(parts.map((i) => [`part${i}`, element] as const));
    const whole = { whole: element } as const;
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
${entry(invocations)} {
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

function copyColumns(call: Call, all: readonly Columns[], whole: Rows, split: boolean): void {
  const filled = all.filter(({ tensor }) => sizeOf(tensor) > 0);
  // One row each: what is copied lies together.
  const together = filled.every(({ tensor, width }) => sizeOf(tensor) === width);
  if (together) copyWhole(call, filled, whole, split);
  else copyRows(call, filled, whole, split);
}

function copyRows(call: Call, parts: readonly Columns[], whole: Rows, split: boolean): void {
  const count = Math.min(most, call.backend.device.limits.maxStorageBuffersPerShaderStage) - 1;
  let begin = whole.begin ?? 0;
  for (let i = 0; i < parts.length; i += count) {
    const some = parts.slice(i, i + count);
    copyInterleaved(call, some, { ...whole, begin }, split);
    for (const { width } of some) begin += width;
  }
}

/** Copies of memory, no programs. */
function copyWhole({ backend }: Call, parts: readonly Columns[], whole: Rows, split: boolean): void {
  withFloats(backend, [whole.tensor, ...parts.map(({ tensor }) => tensor)], ([tensor, ...tensors]) => {
    let offset = 4 * (whole.begin ?? 0);
    for (const [i, { width }] of parts.entries()) {
      const [at, part] = [{ tensor: tensor as TensorInfo, offset }, { tensor: tensors[i] as TensorInfo }];
      copyBytes(backend, split ? at : part, split ? part : at, 4 * width);
      offset += 4 * width;
    }
  });
}

function copyInterleaved(
  { run }: Call,
  parts: readonly Columns[],
  { tensor, stride, begin = 0 }: Rows,
  split: boolean,
) {
  const fours = [stride, begin, ...parts.map(({ width }) => width)].every((n) => n % 4 === 0);
  const unit = fours ? 4 : 1;
  let width = 0;
  const ends: Record<string, number> = {};
  parts.forEach((part, n) => {
    width += part.width / unit;
    ends[`end${n}`] = width;
  });
  const size = parts.reduce((sum, { tensor }) => sum + sizeOf(tensor), 0) / unit;
  const [one, many] = [{ whole: tensor }, Object.fromEntries(parts.map(({ tensor }, n) => [`part${n}`, tensor]))];
  run(
    program,
    { count: parts.length, split, unit },
    {
      ...(split ? { reads: one, writes: many } : { reads: many, writes: one }),
      params: { size, width, stride: stride / unit, begin: begin / unit, ...ends },
      groups: Math.ceil(size / (invocations * perInvocation)),
    },
  );
}
