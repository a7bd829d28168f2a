/**
 * Peak memory of a training iteration of Stable Diffusion 1.5 at 512 pixels, one image at a time, estimated: nothing
 * of that size is computed. Prints both tables of docs/stable-diffusion.md: by the options, and by the methods of
 * `npm run sd:distill` with their own passes, without a moving average where the method does not need one.
 *
 *     npx tsup --no-dts --silent && npx tsx --tsconfig tsconfig.base.json bench/stable-diffusion-memory.ts
 */
import { lsg, type Method, sidLsg } from "sid-lsg";
import { estimateMemory, type MemoryConfig } from "sid-lsg/memory";
import { parseUnetConfig } from "sid-lsg/models";
import { methodNamed, methodOf, methods, usual } from "../examples/sd/methods";
import { needsOf } from "../examples/sd/needs";

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
  [
    "the same, on each of 8 ranks, `shardOptimizer: true`",
    { gradientCheckpointing: true, ema: true, ranks: 8, shardOptimizer: true },
  ],
  ["one network, adapters of rank 64", { lora: { rank: 64 } }],
  ["the same, `gradientCheckpointing: true`", { lora: { rank: 64 }, gradientCheckpointing: true }],
  ['the same, `frozenWeights: "f16"`', { lora: { rank: 64 }, gradientCheckpointing: true, frozenWeights: "f16" }],
];

const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;

/** The cells of a row: weights, at rest, peak with tfjs's kernels, peak with ours. */
async function cellsOf(config: MemoryConfig): Promise<string> {
  const plain = await estimateMemory({ ...config, fusedKernels: false });
  const fused = await estimateMemory({ ...config, fusedKernels: true });
  return [plain.weights, plain.atRest, plain.peak, fused.peak].map(gigabytes).join(" | ");
}

/** What a method needs beside teacher, generator and prompts. */
function needed(method: Method, lora: boolean): string {
  const { fakeScore, discriminator, images, average } = needsOf(method);
  const parts = [
    fakeScore && (lora ? "an adapter as the fake score" : "a fake score"),
    discriminator && "a discriminator",
    images && "images",
    average && "the average",
  ].filter(Boolean);
  return parts.length === 0 ? "nothing" : parts.join(", ");
}

console.log("| | weights | at rest | peak, TensorFlow.js's kernels | peak, our kernels |\n|---|---|---|---|---|");
for (const [name, setting] of settings) console.log(`| ${name} | ${await cellsOf({ ...run, ...setting })} |`);

console.log(
  "\n| `--method` | needs | weights | at rest | peak, TensorFlow.js's kernels | peak, our kernels |\n|---|---|---|---|---|---|",
);
const variants = [
  ...Object.keys(methods).map((name) => ({ name, flags: "", values: {}, lora: undefined })),
  { name: "dmd2", flags: " --adversarial", values: { adversarial: true }, lora: undefined },
  { name: "vsd", flags: " --lora-rank 64", values: {}, lora: { rank: 64, networks: "fake-score" } },
] as const;
for (const { name, flags, values, lora } of variants) {
  // The number of updates of the fake score changes no memory.
  const one = methodOf(name, {}).fakeScore ? { "fake-updates": "1" } : {};
  const method = methodOf(name, { ...values, ...one });
  const { steps, gradientThrough } = { ...usual, ...methodNamed(name).start };
  const cells = await cellsOf({ ...run, method, lora, generator: { steps, gradientThrough } });
  console.log(`| \`${name}${flags}\` | ${needed(method, lora !== undefined)} | ${cells} |`);
}
