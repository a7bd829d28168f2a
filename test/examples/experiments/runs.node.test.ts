import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { openMetricsLog } from "../../../examples/experiments/metrics-log";
import { type Job, readRuns, runFolder, runJobs } from "../../../examples/experiments/runs";
import type { DistillMetrics } from "../../../src/train";

let out: string;
beforeEach(() => {
  out = mkdtempSync(join(tmpdir(), "sid-lsg-runs-"));
});
afterEach(() => rmSync(out, { recursive: true }));

/** Three jobs that say when they are done; the signal fires within the job that is named, or the process dies there. */
function threeJobs(stopIn?: string, how: "signal" | "death" = "signal", rate = 1) {
  const done: string[] = [];
  const controller = new AbortController();
  const jobs = ["a", "b", "c"].map((name, seed): Job<{ value: number }> => {
    return {
      ...{ name, seed, settings: { rate, absent: undefined } },
      async carryOut() {
        if (name === stopIn && how === "death") throw new Error("killed");
        if (name === stopIn) return void controller.abort();
        done.push(name);
        return { figures: { value: seed + rate }, seconds: { all: 1 } };
      },
    };
  });
  const lines: string[] = [];
  const run = () => runJobs(out, jobs, { signal: controller.signal, log: (line) => lines.push(line) });
  return { run, done, lines };
}

test.each(["signal", "death"] as const)("what was finished before a %s is not done again", async (how) => {
  const first = threeJobs("b", how);
  if (how === "signal") expect(await first.run()).toBe(1);
  else await expect(first.run()).rejects.toThrow("killed");
  expect(first.done).toEqual(["a"]);
  const second = threeJobs();
  expect(await second.run()).toBe(3);
  expect(second.done).toEqual(["b", "c"]);
  expect(second.lines[0]).toBe("1 of 3 runs are finished already.");
  const third = threeJobs();
  expect(await third.run()).toBe(3);
  expect(third.done).toEqual([]);
  expect(readRuns(out).map(({ name, seed, figures }) => [name, seed, figures])).toEqual([
    ["a", 0, { value: 1 }],
    ["b", 1, { value: 2 }],
    ["c", 2, { value: 3 }],
  ]);
});

test("finished runs of other settings are refused before any work", async () => {
  await threeJobs("b").run();
  const other = threeJobs(undefined, "signal", 2);
  await expect(other.run()).rejects.toThrow(/a-seed0 is of other settings: rate is 1, wanted 2\. .*--out/);
  expect(other.done).toEqual([]);
});

test("a damaged result is told by its name", async () => {
  const folder = runFolder(out, { name: "a", seed: 0 });
  mkdirSync(folder);
  writeFileSync(join(folder, "result.json"), '{"name": "a", ');
  await expect(threeJobs().run()).rejects.toThrow(/a-seed0.result\.json is no JSON: .*Remove it/);
});

test("a log that a killed run wrote twice, and half a line of, counts each iteration once", () => {
  const at = (iteration: number, deltaSquared: number) => ({ iteration, deltaSquared, seconds: 2 }) as DistillMetrics;
  const log = openMetricsLog(out);
  for (let i = 1; i <= 6; i++) log.add(at(i, 100));
  writeFileSync(join(out, "metrics.jsonl"), '\n{"iterat\n', { flag: "a" });
  for (let i = 5; i <= 8; i++) openMetricsLog(out).add(at(i, i));
  expect(log.summary()).toEqual({ deltaSquared: 7.5 });
  expect(log.seconds()).toBe(16);
  expect(readdirSync(out)).toEqual(["metrics.jsonl"]);
});

/** For what takes milliseconds, on a busy machine. */
const patience = { timeout: 60_000, interval: 20 };

function gate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

/** Processes that share two jobs, all in this one: `work` says whether it did a job whole. */
function sharing(work: (name: string, stop: () => void) => Promise<boolean>) {
  const controller = new AbortController();
  const done: string[] = [];
  const jobs = ["a", "b"].map((name, seed): Job<{ value: number }> => {
    return {
      ...{ name, seed, settings: {} },
      async carryOut() {
        if (!(await work(name, () => controller.abort()))) return undefined;
        done.push(name);
        return { figures: { value: seed }, seconds: {} };
      },
    };
  });
  const lines: string[] = [];
  return { run: () => runJobs(out, jobs, { signal: controller.signal, log: (line) => lines.push(line) }), done, lines };
}

test("two that share the jobs do each once, and both wait until all are done", async () => {
  const [begun, over] = [gate(), gate()];
  const first = sharing(async () => {
    begun.open();
    await over.opened;
    return true;
  });
  const second = sharing(async () => true);
  const one = first.run();
  await begun.opened;
  const other = second.run();
  await vi.waitFor(() => expect(second.lines).toHaveLength(2), patience);
  expect(second.lines[0]).toBe("1/2  b, seed 1: 0 s");
  expect(second.lines[1]).toMatch(/^Waiting for the others: .*a-seed0 is taken by process \d+ on /);
  over.open();
  expect(await Promise.all([one, other])).toEqual([2, 2]);
  expect([first.done, second.done]).toEqual([["a"], ["b"]]);
  expect(readdirSync(runFolder(out, { name: "a", seed: 0 }))).toEqual(["result.json"]);
});

test("what one that was stopped has left, the other does", async () => {
  const [begun, over] = [gate(), gate()];
  const first = sharing(async (_, stop) => {
    begun.open();
    await over.opened;
    stop();
    return false;
  });
  const second = sharing(async () => true);
  const one = first.run();
  await begun.opened;
  const other = second.run();
  await vi.waitFor(() => expect(second.lines).toHaveLength(2), patience);
  over.open();
  expect(await one).toBe(1);
  expect(await other).toBe(2);
  expect(second.done).toEqual(["b", "a"]);
});
