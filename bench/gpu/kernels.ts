/**
 * GFLOP/s of products and convolutions on WebGPU, this library's kernels against TensorFlow.js's own in alternating turns:
 * medians. On a processor that plays a GPU it is processor time that is measured, which other programs disturb less.
 *
 *     npm run bench:webgpu-kernels -- [turns=5] [no-stock] [matMul=512 …] [conv=8,32,32,32,3,32[,stride] …]
 */
import {
  backend,
  dispose,
  engine,
  getKernel,
  type KernelConfig,
  registerKernel,
  unregisterKernel,
} from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-webgpu";
import { useBackend } from "sid-lsg/backends";
import { convolution, type Figure, product } from "../kernels";

const names = ["BatchMatMul", "Conv2D", "Conv2DBackpropInput", "Conv2DBackpropFilter"];
const configs = () => names.map((name) => getKernel(name, "webgpu"));
const stock = configs();
await useBackend("webgpu");
const ours = configs();

function put(kernels: readonly KernelConfig[]): void {
  for (const config of kernels) {
    unregisterKernel(config.kernelName, "webgpu");
    registerKernel(config);
  }
}

const gpu = backend() as unknown as {
  submitQueue(): void;
  ensureCommandEncoderReady(): void;
  endComputePassEncoder(): void;
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
async function time(run: Figure["run"], calls: number): Promise<number> {
  const start = clock();
  engine().startScope();
  for (let i = 0; i < calls; i++) dispose(run() as never);
  engine().endScope();
  gpu.ensureCommandEncoderReady();
  gpu.endComputePassEncoder();
  gpu.submitQueue();
  await gpu.device.queue.onSubmittedWorkDone();
  return clock() - start;
}

const median = (values: number[]) => [...values].sort((a, b) => a - b)[values.length >> 1] as number;

const args = process.argv.slice(2).map((arg) => arg.split("=") as [string, string?]);
const option = (name: string) => args.find(([key]) => key === name);
const turns = Number(option("turns")?.[1] ?? 5);
const lists = (name: string) =>
  args.flatMap(([key, value]) => (key === name && value ? [value.split(",").map(Number)] : []));
const [matMuls, convs] = [lists("matMul"), lists("conv")];
const all = matMuls.length + convs.length === 0;
const shapes = all ? [[512], [1024]] : matMuls;
const windows = all
  ? ["8,32,32,32,3,32", "32,16,16,64,3,64", "2,8,8,320,3,320"].map((x) => x.split(",").map(Number))
  : convs;

console.log(`${description || "a GPU"}; ${software ? "processor" : "wall"} time, medians of ${turns} turns`);
console.log(`${"".padEnd(52)}      ours     stock   ratio`);
for (const [m = 1, k = m, n = m] of shapes)
  await compare([
    product([1, m, k], [1, k, n]),
    product([1, m, k], [1, n, k], false, true),
    product([1, k, m], [1, k, n], true),
  ]);
for (const [b = 1, h = 1, w = 1, c = 1, size = 3, o = 1, stride = 1] of windows)
  await compare(convolution([b, h, w, c], size, o, stride));

async function compare(figures: readonly Figure[]): Promise<void> {
  const kinds = { ours, ...(option("no-stock") ? {} : { stock }) };
  const rates = new Map<string, readonly number[]>();
  for (const { name, flops, run } of figures) {
    const calls: Record<string, number> = {};
    const seconds: Record<string, number[]> = { ours: [], stock: [] };
    for (const [kind, kernels] of Object.entries(kinds)) {
      put(kernels);
      await time(run, 1);
      const once = await time(run, 1);
      calls[kind] = Math.max(1, Math.min(1000, Math.ceil(0.05 / once)));
    }
    for (let turn = 0; turn < turns; turn++)
      for (const [kind, kernels] of Object.entries(kinds)) {
        put(kernels);
        seconds[kind]?.push((await time(run, calls[kind] as number)) / (calls[kind] as number));
      }
    const rate = (kind: string) => (seconds[kind]?.length ? flops / median(seconds[kind]) / 1e9 : Number.NaN);
    const [own, other] = [rate("ours"), rate("stock")];
    rates.set(name.split(", ").at(-1) as string, [own, other]);
    console.log(name.padEnd(52), ...[own, other, own / other].map((x) => x.toFixed(2).padStart(9)));
  }
  const [forward, gradient] = [rates.get("forward"), rates.get("filter gradient")];
  if (forward && gradient)
    console.log(
      `the filter gradient against forward: ${gradient.map((rate, i) => (rate / (forward[i] as number)).toFixed(2)).join(" ours, ")} stock`,
    );
}
process.exit(0);
