/**
 * A process that runs iterations on one backend when it is asked to: `fork(worker.ts, [JSON of the request])`.
 * Says first how many floating-point operations one takes, the seconds of the first and how many weights train, then the
 * seconds of each, and on `"peak"` the largest size of the process so far, in bytes.
 */
import { getBackend } from "@tensorflow/tfjs-core";
import { useBackend } from "sid-lsg/backends";
import { totalFlops, watchKernels } from "./kernel-watch";
import { type BenchMethod, methods } from "./methods";
import { iterations, type ShapeName, shapeOf } from "./networks";

/** What to run. */
export interface Request {
  readonly network: ShapeName;
  readonly backend: "wasm" | "cpu" | "node";
  readonly threads: number;
  /** As in useBackend's options. */
  readonly compile?: boolean;
  /** @defaultValue that of the network */
  readonly batch?: number;
  /** @defaultValue `"sidLsg"`, under LSG at 1.5 */
  readonly method?: BenchMethod;
  /** @defaultValue `"joint"` */
  readonly backward?: "joint" | "staged";
}

const {
  network,
  backend,
  threads,
  compile = false,
  batch,
  method,
  backward,
} = JSON.parse(process.argv[2] ?? "") as Request;
await useBackend(backend, { threads, compile });
const shape = shapeOf(network);
const run = iterations({ ...shape, batch: batch ?? shape.batch }, backward, method && methods[method]());
// The first iteration tries the networks and grows the heap; it takes more until the engine has compiled everything.
const begun = performance.now();
const flops = totalFlops(await watchKernels(getBackend(), () => run.next()));
const firstSeconds = (performance.now() - begun) / 1000;
if (backend !== "cpu") for (const started = performance.now(); performance.now() - started < 3000; ) await run.next();
process.on("message", async (what) => {
  if (what === "peak") {
    process.send?.(process.resourceUsage().maxRSS * 1024);
    return;
  }
  const started = performance.now();
  await run.next();
  process.send?.((performance.now() - started) / 1000);
});
process.once("disconnect", () => process.exit());
process.send?.({ flops, firstSeconds, weights: run.weights });
