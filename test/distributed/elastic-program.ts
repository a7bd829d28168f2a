/**
 * What every rank runs in the tests of elastic restart: a small distillation with checkpoints, which goes on from the last
 * one if there is one. Tells its number and its process first, then each iteration, then where its weights are.
 *
 *     node elastic-program.mjs FOLDER BACKEND ITERATIONS [parts|clip-on-N]
 */
import { writeFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { randomStream } from "sid-lsg";
import { useBackend } from "sid-lsg/backends";
import { launchOf, mpi } from "sid-lsg/distributed";
import { gaussianModel, generatorFrom, mlp } from "sid-lsg/models";
import { ddpmSchedule } from "sid-lsg/schedules";
import { distill } from "sid-lsg/train";

const [folder = "", backend = "wasm", iterations = "0", way = ""] = process.argv.slice(2);
const [, threads] = /^clip-on-(\d)$/.exec(way) ?? [];
const stop = new AbortController();
process.once("SIGTERM", () => stop.abort());
const distributed = launchOf().launcher === undefined ? undefined : await mpi({ timeout: 20, startTimeout: 100 });
const rank = distributed?.rank ?? 0;
console.log(`rank ${rank} pid ${process.pid}`);
await useBackend(backend as "wasm" | "node", { threads: Number(threads ?? 1), log: () => {} });

const schedule = ddpmSchedule();
const network = (name: string) =>
  mlp({ dim: 2, hidden: 16, depth: 2 }, { name, schedule, predicts: "eps", weights: randomStream(1) });
const generator = generatorFrom(network("generator"));
const { ended, iteration } = await distill({
  teacher: gaussianModel({ mean: [1, 0], variance: 0.25, schedule }),
  fakeScore: network("fake"),
  generator,
  ...{ sampleShape: [2], batch: 12, iterations: Number(iterations), learningRate: 1e-3, signal: stop.signal },
  ...{ distributed, checkRanks: 10, shardOptimizer: way === "parts" },
  ...(threads !== undefined && { adam: { clipNorm: 1 } }),
  checkpoint: { path: `${folder}/run`, every: 10, resume: "if-present" },
  // Slow enough to be met in the middle.
  onIteration: async (metrics) => {
    if (rank === 0) console.log(`iteration ${metrics.iteration}`);
    await setTimeout(5);
  },
});
if (rank === 0) {
  const weights = await Promise.all(generator.variables.map(async (v) => [v.name, [...(await v.data())]] as const));
  writeFileSync(`${folder}/weights.json`, JSON.stringify(Object.fromEntries(weights)));
  console.log(`ended by ${ended} after ${iteration}`);
}
await distributed?.close();
