/**
 * Runs whole iterations of one case on WebGPU for some seconds and says what they took, line by line as JSON, so that one
 * who is stopped has said something: `worker.ts CASE ours|stock SECONDS`.
 */
import { backend } from "@tensorflow/tfjs-core";
import { useBackend } from "sid-lsg/backends";
import { watchBytes } from "../../examples/experiments/peak-bytes";
import { type CaseName, estimateOf, iterationsOf } from "./networks";
import { useStockWebgpu } from "./stock";

const [name, kernels, seconds] = process.argv.slice(2) as [CaseName, "ours" | "stock", string];
const say = (figures: object) => console.log(JSON.stringify(figures));
const own = kernels === "ours";
const frozen = own ? "f16" : "f32";

type Method = (...args: unknown[]) => unknown;
type Gpu = {
  readonly adapterInfo?: unknown;
  readonly device: {
    readonly features: Set<string>;
    readonly limits: Record<string, number>;
    readonly adapterInfo?: object;
  };
  readonly bufferManager: { readonly numBytesAllocated: number; readonly numBytesUsed: number; acquireBuffer: Method };
};

if (own) await useBackend("webgpu");
else await useStockWebgpu();
const gpu = backend() as unknown as Gpu;
const { vendor, architecture, device, description } = (gpu.device.adapterInfo ?? {}) as Record<string, string>;
say({
  adapter: [vendor, architecture, device, description].filter(Boolean).join(" "),
  features: [...gpu.device.features].sort(),
  maxBufferSize: gpu.device.limits["maxBufferSize"],
});
if (own) say({ estimate: await estimateOf(name, frozen, true) });

let used = 0;
const { acquireBuffer } = gpu.bufferManager;
gpu.bufferManager.acquireBuffer = (...args) => {
  const buffer = acquireBuffer.apply(gpu.bufferManager, args);
  used = Math.max(used, gpu.bufferManager.numBytesUsed);
  return buffer;
};
let programs = 0;
const bytes = watchBytes();
const started = performance.now();
const run = iterationsOf(name, frozen);
say({ start: (performance.now() - started) / 1000 });
for (let i = 0; performance.now() - started < 1000 * Number(seconds) || i < 2; i++) {
  const [from, before] = [performance.now(), process.cpuUsage()];
  await run.next();
  const { user, system } = process.cpuUsage(before);
  say({ iteration: (performance.now() - from) / 1000, processor: (user + system) / 1e6 });
}
say({ tensors: bytes.peak(), used, allocated: gpu.bufferManager.numBytesAllocated });
// Counted last, since to count takes time.
const encoders = gpu.device as unknown as { createCommandEncoder: Method };
const create = encoders.createCommandEncoder;
encoders.createCommandEncoder = (...args) => {
  const encoder = create.apply(gpu.device, args) as { beginComputePass: Method };
  const begin = encoder.beginComputePass;
  return Object.assign(encoder, {
    beginComputePass(...args: unknown[]) {
      const pass = begin.apply(encoder, args) as { dispatchWorkgroups: Method };
      const dispatch = pass.dispatchWorkgroups;
      return Object.assign(pass, {
        dispatchWorkgroups(...sizes: unknown[]) {
          programs++;
          return dispatch.apply(pass, sizes);
        },
      });
    },
  });
};
await run.next();
say({ programs });
process.exit(0);
