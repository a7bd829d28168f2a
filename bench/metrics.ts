/**
 * What the figures of an evaluation take: the Fréchet distance, KID and neighbours of two sets of 10,000 features with
 * 2048 dimensions, as FID's Inception gives them. Each is a process of its own, for its peak of memory.
 *
 *     npx tsup --no-dts --silent && npx tsx --tsconfig tsconfig.base.json bench/metrics.ts
 */
import { spawnSync } from "node:child_process";
import { randomStream } from "sid-lsg";
import { featureStatistics, frechetDistance, kernelDistanceOfSubsets, neighbourMetrics } from "sid-lsg/metrics";

const [dimension, count] = [2048, 10_000];

/** Features of a law; of the statistics only so many as make them regular. */
function features(seed: number, rows: number): Float32Array {
  const [stream, all] = [randomStream(seed), new Float32Array(rows * dimension)];
  for (let row = 0; row < rows; row++) all.set(stream.normals(dimension), row * dimension);
  return all;
}

const cases: Readonly<Record<string, () => () => unknown>> = {
  frechetDistance: () => {
    const [a, b] = [1, 2].map((seed) => featureStatistics(features(seed, 3000), dimension));
    return () => frechetDistance(a as never, b as never);
  },
  kernelDistanceOfSubsets: () => {
    const [a, b] = [features(1, count), features(2, count)];
    return () => kernelDistanceOfSubsets(a, b, { dimension });
  },
  neighbourMetrics: () => {
    const [a, b] = [features(1, count), features(2, count)];
    return () => neighbourMetrics(a, b, { dimension });
  },
};

const [name] = process.argv.slice(2);
if (name === undefined)
  for (const each of Object.keys(cases)) {
    const [node, ...script] = [process.execPath, ...process.execArgv, process.argv[1] as string, each];
    spawnSync(node, script, { stdio: "inherit" });
  }
else {
  const run = cases[name]?.() as () => unknown;
  globalThis.gc?.();
  const before = process.memoryUsage.rss();
  const started = performance.now();
  run();
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  const peak = process.resourceUsage().maxRSS * 1024;
  const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`;
  console.log(`${name}: ${seconds} s, process at most ${megabytes(peak)}, before ${megabytes(before)}`);
}
