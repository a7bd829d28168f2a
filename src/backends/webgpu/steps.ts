import type { TensorInfo } from "@tensorflow/tfjs-core";
import { each, elementwise } from "./elementwise";
import type { Call } from "./kernel";
import { clear, type Program, sizeOf } from "./program";
import { joinColumns, splitColumns } from "./rows";
import { entry } from "./wgsl";

const columns = (tensor: TensorInfo) => ({ tensor, width: sizeOf(tensor) });

/** See `SidPack`. */
export function pack(call: Call): TensorInfo[] {
  const size = call.all.reduce((sum, x) => sum + sizeOf(x), 0);
  const flat = call.output([size]);
  joinColumns(call, call.all.map(columns), { tensor: flat, stride: size });
  return [flat];
}

/** See `SidUnpack`. */
export function unpack(call: Call): TensorInfo[] {
  const [flat, ...like] = call.all as [TensorInfo, ...TensorInfo[]];
  const parts = like.map(({ shape }) => call.output(shape));
  splitColumns(call, { tensor: flat, stride: sizeOf(flat) }, parts.map(columns));
  return parts;
}

const invocations = 256;

/** Adds up over a workgroup, always in the same order: `sums[0]` is what all have. */
const addUp = `
var<workgroup> sums: array<vec2<f32>, ${invocations}>;
fn addUp(lane: u32, own: vec2<f32>) {
  sums[lane] = own;
  for (var half = ${invocations / 2}u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { sums[lane] += sums[lane + half]; }
  }
}`;

/** Numbers in place of what is none, and of each workgroup Σ of squares and how many elements changed. */
const clean: Program<null> = {
  name: "clean",
  shader: () => ({
    reads: { g: "u32" },
    writes: { out: "u32", partial: "vec2<f32>" },
    params: { size: "u32", limit: "f32" },
    body: `${addUp}
${entry(invocations)} {
  var own = vec2(0.0);
  for (var i = group.x * ${invocations}u + lane; i < params.size; i += groups.x * ${invocations}u) {
    // A compiler may take it that no float is NaN or infinite; bits it leaves alone.
    var bits = g[i];
    let finite = (bits & 0x7f800000u) != 0x7f800000u;
    if (!finite) {
      let limit = bitcast<u32>(params.limit) | (bits & 0x80000000u);
      bits = select(limit, 0u, (bits & 0x007fffffu) != 0u);
    }
    out[i] = bits;
    let value = bitcast<f32>(bits);
    own += vec2(value * value, select(1.0, 0.0, finite));
  }
  addUp(lane, own);
  if (lane == 0u) { partial[group.x] = sums[0]; }
}`,
  }),
};

const addPartial: Program<null> = {
  name: "add partial sums",
  shader: () => ({
    reads: { partial: "vec2<f32>" },
    writes: { out: "vec2<f32>" },
    params: { size: "u32" },
    body: `${addUp}
${entry(invocations)} {
  var own = vec2(0.0);
  for (var i = lane; i < params.size; i += ${invocations}u) { own += partial[i]; }
  addUp(lane, own);
  if (lane == 0u) { out[0] = sums[0]; }
}`,
  }),
};

/** See `SidClean`. */
export function cleanGradient(call: Call): TensorInfo[] {
  const [g] = call.inputs;
  const out = call.output(g.shape);
  const figures = call.output([2]);
  const size = sizeOf(g);
  const groups = Math.min(256, Math.ceil(size / invocations));
  if (size === 0) {
    clear(call.backend, figures);
    return [call.share(g), figures];
  }
  const partial = call.scratch([groups, 2]);
  const params = { size, limit: call.attrs["limit"] as number };
  call.run(clean, null, { reads: { g }, writes: { out, partial }, params, groups });
  call.run(addPartial, null, { reads: { partial }, writes: { out: figures }, params: { size: groups }, groups: 1 });
  return [out, figures];
}

const adam = elementwise("adam", {
  ...{ reads: ["p", "v", "g"], writes: ["next", "moment"], params: ["keep", "take", "rate", "epsilon"] },
  statements: `
    let gradient = g[i];
    let square = params.keep * v[i] + params.take * gradient * gradient;
    moment[i] = square;
    next[i] = p[i] - params.rate * gradient / (sqrt(square) + params.epsilon);`,
});

/** See `SidAdam`. */
export function adamStep(call: Call): TensorInfo[] {
  const [p, v, g] = call.inputs;
  const { beta2, rate, epsilon } = call.attrs as { beta2: number; rate: number; epsilon: number };
  const [next, moment] = [call.output(p.shape), call.output(p.shape)];
  each(call, adam, { p, v, g }, { next, moment }, { keep: beta2, take: 1 - beta2, rate, epsilon });
  return [next, moment];
}
