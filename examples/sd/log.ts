import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { writeFileAtomic } from "sid-lsg/io";
import type { DistillMetrics } from "sid-lsg/train";
import { compactMetrics } from "../common/divergence";

/** A line of `log.jsonl`: the figures of an iteration, what the gauge told in few numbers. */
export interface LogEntry extends ReturnType<typeof compactMetrics<DistillMetrics>> {
  /** Most bytes that the process has had in main memory. */
  readonly peakMemory: number;
}

/** Opens the log. Lines from the first new iteration on, which a killed run left behind its checkpoint, are replaced. */
export function openLog(path: string) {
  let begun = false;
  return {
    async add(metrics: DistillMetrics): Promise<void> {
      if (!begun) await writeFileAtomic(path, linesBefore(path, metrics.iteration));
      begun = true;
      const entry: LogEntry = { ...compactMetrics(metrics), peakMemory: process.resourceUsage().maxRSS * 1024 };
      appendFileSync(path, `${JSON.stringify(entry)}\n`);
    },
  };
}

function linesBefore(path: string, iteration: number): string {
  if (!existsSync(path)) return "";
  const earlier = readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => iterationOf(line) < iteration);
  return earlier.map((line) => `${line}\n`).join("");
}

/** Infinity for a line that was cut off. */
function iterationOf(line: string): number {
  try {
    return Number(JSON.parse(line).iteration);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
