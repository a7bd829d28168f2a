/** Runs one program on several ranks, each a thread with a TensorFlow.js of its own. */
import { mkdirSync, rmSync } from "node:fs";
import { resolve } from "node:path";
import { Worker } from "node:worker_threads";
import { build } from "esbuild";
import type { Order, Outcome, Spec } from "./program";
import { worldOf } from "./shared-reducer";

/** Threads that wait for runs. */
export interface Ranks {
  /** What each rank made of the same run. */
  run(size: number, spec: Spec): Promise<Outcome[]>;
  close(): Promise<void>;
}

export async function startRanks(most: number): Promise<Ranks> {
  const folder = resolve("node_modules/.cache/sid-lsg");
  mkdirSync(folder, { recursive: true });
  const outfile = resolve(folder, `ranks-${process.pid}.mjs`);
  await build({
    entryPoints: [resolve("test/support/ranks/worker.ts")],
    ...{ outfile, bundle: true, format: "esm", platform: "node", target: "node20", logLevel: "error" },
    external: [/* what all of a thread must share */ "@tensorflow/tfjs-core", "@tensorflow/tfjs-backend-*"],
    // The gradients are registered by a file of which nothing is imported.
    ignoreAnnotations: true,
    alias: { "@tensorflow/tfjs-core/dist/register_all_gradients": resolve(folder, "register-gradients.mjs") },
  });
  const workers = Array.from({ length: most }, () => new Worker(outfile));
  const ask = (worker: Worker, order: Order) =>
    new Promise<Outcome>((done, fail) => {
      worker.once("error", fail);
      worker.once("message", (outcome: Outcome) => {
        worker.off("error", fail);
        done(outcome);
      });
      worker.postMessage(order);
    });
  return {
    run(size, spec) {
      const world = worldOf(size);
      return Promise.all(workers.slice(0, size).map((worker, rank) => ask(worker, { world, rank, spec })));
    },
    async close() {
      await Promise.all(workers.map((worker) => worker.terminate()));
      rmSync(outfile, { force: true });
    },
  };
}
