import { type TensorInfo, util } from "@tensorflow/tfjs-core";
import { isHalf, storeAsHalves } from "./half";
import type { Call } from "./kernel";
import { dispatch, type Program } from "./program";
import { entry } from "./wgsl";

/** Rounded to nearest, ties to even, on every GPU alike; WGSL's own conversion may round either way. */
const narrow: Program<null> = {
  name: "to halves",
  shader: () => ({
    reads: { x: "u32" },
    writes: { y: "u32" },
    params: { size: "u32" },
    body: `
fn narrowed(bits: u32) -> u32 {
  let sign = (bits >> 16u) & 0x8000u;
  let magnitude = bits & 0x7fffffffu;
  if (magnitude < 0x38800000u) {
    // Below 2^-14 the unit is 2^-24.
    let shift = 126u - (magnitude >> 23u);
    if (shift > 24u) { return sign; }
    let mantissa = (magnitude & 0x7fffffu) | 0x800000u;
    return sign | toEven(mantissa, shift);
  }
  return sign | min(toEven(magnitude - 0x38000000u, 13u), 0x7c00u);
}
fn toEven(n: u32, shift: u32) -> u32 {
  let floor = n >> shift;
  let rest = n & ((1u << shift) - 1u);
  let middle = 1u << (shift - 1u);
  return floor + select(0u, 1u, rest > middle || (rest == middle && (floor & 1u) == 1u));
}
${entry(64)} {
  let i = groupIndex(group, groups) * 64u + lane;
  if (2u * i >= params.size) { return; }
  let lower = narrowed(x[2u * i]);
  let upper = select(0u, narrowed(x[min(2u * i + 1u, params.size - 1u)]), 2u * i + 1u < params.size);
  y[i] = lower | (upper << 16u);
}`,
  }),
};

/** See `SidHalf`. */
export function toHalves({ backend, inputs: [x], output, share }: Call): TensorInfo[] {
  if (isHalf(x) || util.sizeFromShape(x.shape) === 0) return [share(x)];
  const y = output(x.shape);
  const size = util.sizeFromShape(x.shape);
  storeAsHalves(backend, y);
  dispatch(backend, narrow, null, { reads: { x }, writes: { y }, params: { size }, groups: Math.ceil(size / 128) });
  return [y];
}
