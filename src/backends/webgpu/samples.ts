import type { TensorInfo } from "@tensorflow/tfjs-core";
import type { Call } from "./kernel";
import { type Program, sizeOf } from "./program";
import { entry } from "./wgsl";

const invocations = 256;

/** Elements of a sample. */
const sampleSize = (x: TensorInfo) => sizeOf(x) / (x.shape[0] as number);

/** A workgroup for each sample looks through `count` tensors. By their bits: a compiler may take it that floats are finite. */
const finite: Program<number> = {
  name: "finite samples",
  shader: (count) => {
    const names = Array.from({ length: count }, (_, i) => i);
    const look = (i: number) => `
  for (var i = lane; i < params.size${i}; i += ${invocations}u) {
    if ((x${i}[sample * params.size${i} + i] & 0x7f800000u) == 0x7f800000u) { own = 0u; }
  }`;
    return {
      reads: Object.fromEntries(names.map((i) => [`x${i}`, "u32"] as const)),
      writes: { valid: "f32" },
      params: { batch: "u32", goOn: "u32", ...Object.fromEntries(names.map((i) => [`size${i}`, "u32"] as const)) },
      body: `
var<workgroup> all: array<u32, ${invocations}>;
${entry(invocations)} {
  let sample = groupIndex(group, groups);
  if (sample >= params.batch) { return; }
  var own = 1u;${names.map(look).join("")}
  all[lane] = own;
  for (var half = ${invocations / 2}u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { all[lane] &= all[lane + half]; }
  }
  if (lane == 0u) { valid[sample] = f32(all[0]) * select(1.0, valid[sample], params.goOn == 1u); }
}`,
    };
  },
};

/** See `SidFiniteSamples`. */
export function finiteSamples(call: Call): TensorInfo[] {
  const { all, backend } = call;
  const batch = (all[0] as TensorInfo).shape[0] as number;
  const valid = call.output([batch]);
  const most = Math.min(8, backend.device.limits.maxStorageBuffersPerShaderStage) - 1;
  for (let from = 0; from < all.length; from += most) {
    const some = all.slice(from, from + most);
    const reads = Object.fromEntries(some.map((x, i) => [`x${i}`, x]));
    const sizes = Object.fromEntries(some.map((x, i) => [`size${i}`, sampleSize(x)]));
    const params = { batch, goOn: from === 0 ? 0 : 1, ...sizes };
    call.run(finite, some.length, { reads, writes: { valid }, params, groups: batch });
  }
  return [valid];
}

/** Bits are copied or not: what is left out may be NaN. */
const select: Program<null> = {
  name: "only valid",
  shader: () => ({
    reads: { x: "u32", valid: "f32" },
    writes: { y: "u32" },
    params: { size: "u32", sample: "u32" },
    body: `
${entry(64)} {
  let first = groupIndex(group, groups) * 256u + lane;
  for (var n = 0u; n < 4u; n++) {
    let i = first + n * 64u;
    if (i >= params.size) { return; }
    y[i] = select(0u, x[i], valid[i / params.sample] > 0.0);
  }
}`,
  }),
};

/** See `SidOnlyValid`. */
export function onlyValid(call: Call): TensorInfo[] {
  const [x, valid] = call.inputs;
  const y = call.output(x.shape);
  const size = sizeOf(x);
  const params = { size, sample: sampleSize(x) };
  call.run(select, null, { reads: { x, valid }, writes: { y }, params, groups: Math.ceil(size / 256) });
  return [y];
}
