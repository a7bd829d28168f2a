/**
 * What one whole SiD-LSG iteration asks of a GPU: programs, copies between buffers, submits, reads and new buffers,
 * by kernel of the library. With `stock`, TensorFlow.js's own kernels alone.
 *
 *     npm run bench:webgpu -- [emoji|digits|middle] [stock]
 */
import { backend, getKernelsForBackend, registerKernel, unregisterKernel } from "@tensorflow/tfjs-core";
import { useBackend } from "sid-lsg/backends";
import { iterations, type ShapeName, shapeOf } from "../networks";
import { useStockWebgpu } from "./stock";

const [name = "emoji", kind = "ours"] = process.argv.slice(2);

/** What is counted. */
interface Counts {
  calls: number;
  programs: number;
  copies: number;
}
const none = (): Counts => ({ calls: 0, programs: 0, copies: 0 });

type Method = (...args: unknown[]) => unknown;
/** Has `see` told of every call of an object's method. */
function watch<T extends object>(target: T, method: keyof T & string, see: (result: unknown) => void): void {
  const own = target[method] as Method;
  Object.assign(target, {
    [method](...args: unknown[]) {
      const result = own.apply(target, args);
      see(result);
      return result;
    },
  });
}

await (kind === "stock" ? useStockWebgpu() : useBackend("webgpu"));

const byKernel = new Map<string, Counts>();
const totals = { submits: 0, passes: 0, buffers: 0, reads: 0, pipelines: 0 };
let current: Counts | undefined;
const outside = none();
const here = () => current ?? outside;

type Encoder = { beginComputePass: Method; copyBufferToBuffer: Method };
const { device } = backend() as unknown as {
  device: {
    createCommandEncoder: Method;
    createBuffer: Method;
    createComputePipeline: Method;
    queue: { submit: Method };
  };
};
watch(device, "createCommandEncoder", (encoder) => {
  watch(encoder as Encoder, "copyBufferToBuffer", () => {
    here().copies++;
  });
  watch(encoder as Encoder, "beginComputePass", (pass) => {
    totals.passes++;
    watch(pass as { dispatchWorkgroups: Method }, "dispatchWorkgroups", () => {
      here().programs++;
    });
  });
});
watch(device.queue, "submit", () => {
  totals.submits++;
});
watch(device, "createBuffer", (buffer) => {
  totals.buffers++;
  watch(buffer as { mapAsync: Method }, "mapAsync", () => {
    totals.reads++;
  });
});
watch(device, "createComputePipeline", () => {
  totals.pipelines++;
});

for (const config of getKernelsForBackend("webgpu")) {
  const { kernelName, kernelFunc } = config;
  unregisterKernel(kernelName, "webgpu");
  registerKernel({
    ...config,
    kernelFunc(call) {
      if (current) return kernelFunc(call);
      const counts = byKernel.get(kernelName) ?? none();
      byKernel.set(kernelName, counts);
      counts.calls++;
      current = counts;
      try {
        return kernelFunc(call);
      } finally {
        current = undefined;
      }
    },
  });
}

const run = iterations(shapeOf(name as ShapeName));
const reset = () => {
  byKernel.clear();
  Object.assign(outside, none());
  for (const key of Object.keys(totals) as (keyof typeof totals)[]) totals[key] = 0;
};
const seconds: number[] = [];
for (let i = 0; i < 3; i++) {
  reset();
  const started = performance.now();
  await run.next();
  seconds.push((performance.now() - started) / 1000);
  if (i === 0) console.log(`first iteration: ${totals.pipelines} pipelines, ${totals.buffers} buffers`);
}
const rows = [...byKernel].sort(([, a], [, b]) => b.programs - a.programs || b.calls - a.calls);
const line = (label: string, { calls, programs, copies }: Counts) =>
  console.log(label.padEnd(28), ...[calls, programs, copies].map((n) => String(n).padStart(9)));
console.log(`\n${name}, ${kind}, the third iteration:\n${"kernel".padEnd(28)}     calls  programs    copies`);
for (const [kernel, counts] of rows) line(kernel, counts);
line("outside kernels", outside);
const sum = (of: keyof Counts) => outside[of] + rows.reduce((total, [, counts]) => total + counts[of], 0);
line("all", { calls: sum("calls"), programs: sum("programs"), copies: sum("copies") });
console.log(totals, "seconds of each iteration:", seconds.map((s) => s.toFixed(1)).join(", "));
await run.end();
process.exit(0);
