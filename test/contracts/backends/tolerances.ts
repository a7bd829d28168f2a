import type { BackendName } from "../../../src/backends";

/**
 * What a result may differ from that of `cpu`, as relative L2 norm; the seeded noise must be equal bit for bit on all.
 *
 * All of them compute in float32. `cpu` adds up in float64 and rounds at the end, the others add up in float32, each in
 * an order of its own: sums of a few thousand terms then differ by some 1e-6, and a network's gradients, through some
 * twenty layers, by some 1e-5. A GPU may also take exp, sin, division and square root to 2 or 3 units in the last place
 * (WGSL and GLSL allow it), which the tail of a sigmoid or a softmax multiplies.
 */
export const tolerances: Readonly<Record<BackendName, number>> = {
  cpu: 0,
  wasm: 1e-5,
  node: 1e-5,
  "node-gpu": 1e-4,
  webgpu: 1e-4,
  webgl: 1e-4,
};
