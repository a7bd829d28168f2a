/**
 * Peak memory of a training iteration of Stable Diffusion 1.5 at 512 pixels, one image at a time, estimated: nothing
 * of that size is computed. Prints the table of docs/stable-diffusion.md.
 *
 *     npx tsup --no-dts --silent && npx tsx --tsconfig tsconfig.base.json bench/stable-diffusion-memory.ts
 */
import { lsg, sidLsg } from "sid-lsg";
import { estimateMemory, type MemoryConfig } from "sid-lsg/memory";
import { parseUnetConfig } from "sid-lsg/models";

const run = {
  unet: parseUnetConfig({ cross_attention_dim: 768 }),
  size: [64, 64],
  method: sidLsg({ guidance: lsg(1.5) }),
} as const;

const settings: readonly [string, Partial<MemoryConfig>][] = [
  [
    'three networks, `backward: "joint"`, `attentionSlice: 4096`: all at once',
    { backward: "joint", attentionSlice: 4096 },
  ],
  ['three networks, `backward: "joint"`', { backward: "joint" }],
  ["three networks, staged (the default)", {}],
  ["the same, `gradientCheckpointing: true`", { gradientCheckpointing: true }],
  ["the same, and a moving average", { gradientCheckpointing: true, ema: true }],
  ["one network, adapters of rank 64", { lora: { rank: 64 } }],
  ["the same, `gradientCheckpointing: true`", { lora: { rank: 64 }, gradientCheckpointing: true }],
];

const gigabytes = (bytes: number) => (bytes / 1e9).toFixed(1);
console.log("| | weights | at rest | peak, GPU backends | peak, WASM's kernels |\n|---|---|---|---|---|");
for (const [name, setting] of settings) {
  const [plain, fused] = [
    await estimateMemory({ ...run, ...setting, fusedKernels: false }),
    await estimateMemory({ ...run, ...setting, fusedKernels: true }),
  ];
  const cells = [plain.weights, plain.atRest, plain.peak, fused.peak].map((x) => `${gigabytes(x)} GB`);
  console.log(`| ${[name, ...cells].join(" | ")} |`);
}
