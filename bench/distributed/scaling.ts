/**
 * A model on paper, nothing is measured: the efficiency of SiD-LSG on Stable Diffusion 1.5 over 8 to 512 ranks, one GPU a
 * rank, batch 512 in all. Prints the tables of docs/distributed.md; its assumptions stand beside them.
 *
 *     npx tsup --no-dts --silent && npx tsx --tsconfig tsconfig.base.json bench/distributed/scaling.ts
 *
 *     T(N) = C·B/N/S + Σ over θ and ψ of [2·(N − 1)/N·bytes/w + 2·(N − 1)·l + 2·bytes/p],   efficiency = C·B/S/(N·T(N))
 *
 * C operations a sample, S operations a second, w bytes a second of a rank's link, l seconds of a message, p bytes a second
 * between GPU and host. Nothing overlaps; the ring's all-reduce is the one that moves least.
 */
import { parseUnetConfig, unetParameterSpecs } from "sid-lsg/models";

const batch = 512;
/** Of one forward pass of the U-Net on a latent of 64×64 with 77 tokens: 402 billion multiplications and additions. */
const forward = 2 * 402e9;
/** Share of a link's rate that messages get. */
const yieldOfLink = 0.8;
/** Seconds of a message over Ethernet. */
const latency = 30e-6;
/** Bytes a second between GPU and host, PCIe 4.0 with 16 lanes. */
const pcie = 20e9;

const specs = unetParameterSpecs(parseUnetConfig({ cross_attention_dim: 768 }));
const elements = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
const whole = specs.reduce((sum, { shape }) => sum + elements(shape), 0);
/** Adapters of rank 64 on the projections of attention: two matrices each. */
const adapters = specs
  .filter(({ name }) => /\.attn[12]\.to_(q|k|v|out\.0)\.weight$/.test(name))
  .reduce((sum, { shape }) => sum + 64 * ((shape[0] as number) + (shape[1] as number)), 0);

/**
 * Forward passes that an iteration is worth, with κ = 1.5 everywhere, staged, with gradient checkpointing. The backward
 * pass of a network costs two where its weights train, one where only its input or an adapter asks, and one more for what it
 * computes again. ψ: θ F, 2·(ψ F + B); θ: F and F + B, and of each of φ and ψ 2·(F and F + B).
 */
const passes = (trained: number) => 1 + 2 * (1 + trained) + 1 + (1 + trained) + 2 * 2 * (2 + 2);

const kinds = [
  { name: "whole networks", weights: whole, passes: passes(2 + 1) },
  { name: "adapters of rank 64", weights: adapters, passes: passes(1 + 1) },
] as const;
const speeds = [
  { name: "15 TFLOP/s, as float32 on WebGPU might be", flops: 15e12 },
  { name: "150 TFLOP/s, as TensorFloat-32 through CUDA might be", flops: 150e12 },
] as const;
const ranks = [8, 32, 128, 512];
const links = [10, 100];

for (const { name, weights, passes } of kinds) {
  const bytes = 4 * weights;
  console.log(
    `\n${name}: ${(weights / 1e6).toFixed(1)} million weights in each of θ and ψ, ${passes} forward passes a sample\n`,
  );
  console.log(`| GPU | Gbit/s a rank | ${ranks.map((n) => `${n} ranks`).join(" | ")} |`);
  console.log(`|---|---|${ranks.map(() => "---").join("|")}|`);
  for (const speed of speeds)
    for (const link of links) {
      const bandwidth = (yieldOfLink * link * 1e9) / 8;
      const cells = ranks.map((n) => {
        const work = (passes * forward * batch) / n / speed.flops;
        const apart = 2 * ((2 * (n - 1) * bytes) / n / bandwidth + 2 * (n - 1) * latency + (2 * bytes) / pcie);
        const seconds = work + apart;
        return `${(work / seconds).toFixed(2)} (${seconds < 10 ? seconds.toPrecision(2) : seconds.toFixed(0)} s)`;
      });
      console.log(`| ${speed.name} | ${link} | ${cells.join(" | ")} |`);
    }
}
