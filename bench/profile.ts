/**
 * Where the time of one whole SiD-LSG iteration goes on the WASM backend, kernel by kernel. What is left beside
 * the kernels is JavaScript: the tape, the engine, the noise.
 *
 *     npm run bench:profile -- [middle|digits|emoji] [threads]
 */
import { backend } from "@tensorflow/tfjs-core";
import { useBackend } from "sid-lsg/backends";
import { totalFlops, watchKernels } from "./kernel-watch";
import { iterations, type ShapeName, shapeOf } from "./networks";

const [name = "middle", threads = "1"] = process.argv.slice(2);
const measured = 3;

await useBackend("wasm", { threads: Number(threads) });
const run = iterations(shapeOf(name as ShapeName));
for (let i = 0; i < 12; i++) await run.next();
let whole = 0;
const figures = await watchKernels("wasm", async () => {
  const started = performance.now();
  for (let i = 0; i < measured; i++) await run.next();
  whole = (performance.now() - started) / 1000;
});
await run.end();

const row = (label: string, calls: number | string, seconds: number, flops: number) =>
  console.log(
    label.padEnd(24),
    String(calls).padStart(7),
    `${((1000 * seconds) / measured).toFixed(1)} ms`.padStart(11),
    `${((100 * seconds) / whole).toFixed(1)} %`.padStart(8),
    flops > 0 ? `${(flops / seconds / 1e9).toFixed(1)} GFLOP/s` : "",
  );
console.log(`${name}, ${threads} thread(s), one iteration:\n`);
console.log(`${"kernel".padEnd(24)}   calls        time    share`);
const sorted = [...figures].sort(([, a], [, b]) => b.seconds - a.seconds);
for (const [kernel, { calls, seconds, flops }] of sorted)
  if (seconds / whole > 0.002) row(kernel, calls / measured, seconds, flops);
const inKernels = sorted.reduce((sum, [, { seconds }]) => sum + seconds, 0);
row("JavaScript", "", whole - inKernels, 0);
const arithmetic = sorted.reduce((sum, [, { seconds, flops }]) => sum + (flops > 0 ? seconds : 0), 0);
row("\nproducts, convolutions", "", arithmetic, totalFlops(figures));
row("everything else", "", whole - arithmetic, 0);
row("whole iteration", "", whole, totalFlops(figures));
console.log(`${(totalFlops(figures) / measured / 1e9).toFixed(1)} billion operations an iteration`);
const { wasm } = backend() as unknown as { wasm: { HEAPU8: Uint8Array } };
console.log(`heap ${(wasm.HEAPU8.length / 2 ** 20).toFixed(0)} MiB`);
