/**
 * Norms, gates, sums and attention on WebGPU, this library's kernels against compositions of TensorFlow.js's own in
 * alternating turns: medians; then the bytes of attention at its peak. On a processor that plays a GPU it is processor
 * time that is measured, which other programs disturb less.
 *
 *     npm run bench:webgpu-layers -- [turns=3] [tokens=1024] [only=part of a name]
 */
import { resolve } from "node:path";
import {
  backend,
  dispose,
  engine,
  getKernelsForBackend,
  type KernelConfig,
  mean,
  randomNormal,
  registerKernel,
  sum,
  type Tensor,
  tidy,
  unregisterKernel,
} from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-webgpu";
import { build } from "esbuild";
import { vjp } from "sid-lsg";
import { useBackend } from "sid-lsg/backends";
import { registerGradientsPlugin } from "../../scripts/register-gradients-plugin";

/** The layers are not exported: they are bundled from the sources. */
async function layer<T>(name: string): Promise<T> {
  const outfile = resolve(`node_modules/.cache/sid-lsg/bench-${name}.mjs`);
  const external = ["@tensorflow/tfjs-core"];
  const plugins = [registerGradientsPlugin()];
  await build({ entryPoints: [`src/models/nn/${name}.ts`], outfile, bundle: true, format: "esm", external, plugins });
  return (await import(outfile)) as T;
}
const { gegluGate } = await layer<typeof import("../../src/models/nn/activations")>("activations");
const { attention } = await layer<typeof import("../../src/models/nn/attention")>("attention");
const { groupNorm, layerNorm } = await layer<typeof import("../../src/models/nn/norms")>("norms");

const stock = getKernelsForBackend("webgpu");
await useBackend("webgpu");
const ours = getKernelsForBackend("webgpu");

function put(kernels: readonly KernelConfig[]): void {
  for (const { kernelName } of getKernelsForBackend("webgpu")) unregisterKernel(kernelName, "webgpu");
  for (const config of kernels) registerKernel(config);
}

const gpu = backend() as unknown as {
  submitQueue(): void;
  ensureCommandEncoderReady(): void;
  endComputePassEncoder(): void;
  bufferManager: { numBytesUsed: number; acquireBuffer(...args: unknown[]): unknown };
  device: {
    queue: { onSubmittedWorkDone(): Promise<void> };
    adapterInfo: { description?: string; isFallbackAdapter?: boolean };
  };
};
const { description = "", isFallbackAdapter } = gpu.device.adapterInfo;
const software = isFallbackAdapter || /swiftshader|llvmpipe/i.test(description);

function clock(): number {
  const { user, system } = process.cpuUsage();
  return software ? (user + system) / 1e6 : performance.now() / 1000;
}

/** Seconds of `calls` calls, until the GPU is done. */
async function time(run: () => Tensor[], calls: number): Promise<number> {
  const start = clock();
  for (let i = 0; i < calls; i++) dispose(tidy(run));
  gpu.ensureCommandEncoderReady();
  gpu.endComputePassEncoder();
  gpu.submitQueue();
  await gpu.device.queue.onSubmittedWorkDone();
  return clock() - start;
}

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1] as number;
const argument = (name: string, otherwise: number) =>
  Number(
    process.argv
      .slice(2)
      .map((arg) => arg.split("="))
      .find(([key]) => key === name)?.[1] ?? otherwise,
  );
const only =
  process.argv
    .slice(2)
    .find((arg) => arg.startsWith("only="))
    ?.slice(5) ?? "";
const [turns, tokens] = [argument("turns", 3), argument("tokens", 1024)];

/** A function of tensors of these shapes, forward, and with its gradients. */
function both(name: string, f: (...xs: Tensor[]) => Tensor, ...shapes: readonly (readonly number[])[]) {
  const inputs = shapes.map((shape) => randomNormal([...shape]));
  const dy = tidy(() => randomNormal(f(...inputs).shape));
  return [
    { name: `${name} ${JSON.stringify(shapes[0])}`, run: () => [f(...inputs)] },
    { name: `${name}, gradients`, run: () => [...vjp(f as never, inputs as never, dy)] as Tensor[] },
  ];
}

const norm = (groups: number) => (x?: Tensor, scale?: Tensor, shift?: Tensor) =>
  groupNorm(x as Tensor, scale as Tensor, shift as Tensor, groups, 1e-5, "silu");
const attend = (x?: Tensor, k?: Tensor, v?: Tensor) => attention(x as Tensor, k as Tensor, v as Tensor, { heads: 8 });
const forward = (name: string, f: (x: Tensor) => Tensor, shape: readonly number[]) => {
  const x = randomNormal([...shape]);
  return { name: `${name} ${JSON.stringify(shape)}`, run: () => [f(x)] };
};

const figures = [
  ...both("group norm with SiLU", norm(4), [32, 8, 8, 16], [16], [16]),
  ...both("group norm with SiLU", norm(32), [1, 64, 64, 320], [320], [320]),
  ...both("layer norm", (x, a, b) => layerNorm(x as Tensor, a as Tensor, b as Tensor, 1e-5), [1024, 320], [320], [320]),
  ...both("gate of GEGLU", (h, g) => gegluGate(h as Tensor, g as Tensor), [1024, 1280], [1024, 1280]),
  forward("sum of rows", (x) => sum(x, 1), [4096, 320]),
  forward("sum of columns", (x) => sum(x, 0), [4096, 320]),
  forward("sum over positions", (x) => sum(x, [0, 1, 2]), [16, 16, 16, 64]),
  forward("mean of all", (x) => mean(x), [1 << 20]),
  ...both("attention", attend, [1, tokens, 320], [1, tokens, 320], [1, tokens, 320]),
  ...both("attention", attend, [1, tokens, 320], [1, 77, 320], [1, 77, 320]),
];

console.log(`${description || "a GPU"}; ${software ? "processor" : "wall"} time, medians of ${turns} turns`);
console.log(`${"".padEnd(44)}   ours, ms  stock, ms  stock/ours`);
for (const { name, run } of figures.filter(({ name }) => name.includes(only))) {
  const kinds = [ours, stock].map((kernels) => ({ kernels, calls: 1, seconds: [] as number[] }));
  for (const kind of kinds) {
    put(kind.kernels);
    await time(run, 1);
    kind.calls = Math.max(1, Math.min(200, Math.ceil(0.1 / (await time(run, 1)))));
  }
  for (let turn = 0; turn < turns; turn++)
    for (const kind of kinds) {
      put(kind.kernels);
      kind.seconds.push((await time(run, kind.calls)) / kind.calls);
    }
  const [own, other] = kinds.map(({ seconds }) => 1000 * median(seconds)) as [number, number];
  console.log(
    name.padEnd(44),
    ...[own.toFixed(1), other.toFixed(1), (other / own).toFixed(2)].map((x) => x.padStart(10)),
  );
}

/** Bytes at the peak of forward and backward pass, inputs and dy among them; nothing is computed yet when it returns. */
function peakBytes(kernels: readonly KernelConfig[], heads: number, slice?: number): number {
  put(kernels);
  const inputs = [1, 2, 3, 4].map(() => randomNormal([1, 4096, heads * 40]));
  const [q, k, v, dy] = inputs as [Tensor, Tensor, Tensor, Tensor];
  const before = gpu.bufferManager.numBytesUsed;
  const { acquireBuffer } = gpu.bufferManager;
  let peak = 0;
  gpu.bufferManager.acquireBuffer = (...args) => {
    const buffer = acquireBuffer.apply(gpu.bufferManager, args);
    peak = Math.max(peak, gpu.bufferManager.numBytesUsed);
    return buffer;
  };
  const attend = (q: Tensor, k: Tensor, v: Tensor) => attention(q, k, v, { heads, slice });
  engine().startScope();
  dispose([...vjp(attend as never, [q, k, v] as never, dy)] as Tensor[]);
  engine().endScope();
  Object.assign(gpu.bufferManager, { acquireBuffer });
  dispose(inputs);
  return peak - before;
}

console.log("\nattention of 4096 tokens, heads of 40, forward and backward: MiB at the peak");
// All bytes are proportional to the heads; the scores of two are what a driver takes in one buffer.
for (const [name, heads, slice] of [
  ["all scores at once, 2 heads", 2, 4096],
  ["scores in slices of 64 MiB, 8 heads", 8, undefined],
] as const) {
  const [own, other] = [peakBytes(ours, heads), peakBytes(stock, heads, slice)];
  const cells = [...[own, other].map((bytes) => (bytes / 2 ** 20).toFixed(1)), (own / other).toFixed(4)];
  console.log(name.padEnd(44), ...cells.map((x) => x.padStart(10)), "(ours, stock, ours/stock)");
}
process.exit(0);
