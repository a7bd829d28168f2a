import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { DistillMetrics } from "sid-lsg/train";
import { compactMetrics } from "../common/divergence";

/** A run's figures, a line an iteration. A run that was resumed may have written an iteration twice: the later line counts. */
export interface MetricsLog {
  add(metrics: DistillMetrics): void;
  /** Means of every number over the last quarter of the iterations, but of counters; what the gauge said at the end. */
  summary(): Readonly<Record<string, number>>;
  /** Seconds of all iterations. */
  seconds(): number;
}

/** Opens the log of a run's folder. */
export function openMetricsLog(folder: string): MetricsLog {
  const path = join(folder, "metrics.jsonl");
  const read = (): DistillMetrics[] => {
    const lines = existsSync(path) ? readFileSync(path, "utf8").split("\n") : [];
    const all = lines.flatMap((line) => parsed(line) ?? []);
    return [...new Map(all.map((metrics) => [metrics.iteration, metrics])).values()];
  };
  return {
    add: (metrics) => appendFileSync(path, `${JSON.stringify(compactMetrics(metrics))}\n`),
    summary() {
      const all = read().sort((a, b) => a.iteration - b.iteration);
      const last = all.slice(Math.floor(0.75 * all.length));
      const names = Object.entries(last.at(-1) ?? {}).flatMap(([name, value]) =>
        typeof value === "number" && !counters.includes(name) ? [name] : [],
      );
      const mean = (name: string) =>
        last.reduce((sum, metrics) => sum + Number(metrics[name as keyof DistillMetrics]), 0) / last.length;
      return {
        ...Object.fromEntries(names.map((name) => [name, Number(mean(name).toPrecision(6))])),
        ...gaugeOf(last.at(-1)),
      };
    },
    seconds: () => read().reduce((sum, { seconds }) => sum + seconds, 0),
  };
}

/** What the gauge says, in nats; nothing where the method gives it nothing to read. */
export function gaugeOf(metrics: Pick<DistillMetrics, "divergence"> | undefined): Readonly<Record<string, number>> {
  const { divergence } = metrics ?? {};
  if (!divergence) return {};
  const { lowerBound, naive, lag } = divergence;
  return {
    gaugeLowerBound: lowerBound.value,
    gaugeLowerBoundError: lowerBound.standardError,
    gaugeNaive: naive.value,
    gaugeLag: lag.value,
  };
}

const counters = ["iteration", "nimg", "seconds", "emaBeta"];

/** A line; undefined for the half of one that a killed process left. */
function parsed(line: string): DistillMetrics | undefined {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
