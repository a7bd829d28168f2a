/** An experiment is many runs, each in a folder of its own, whose result says that it is finished: so it can stop anywhere. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { writeFileAtomic } from "sid-lsg/io";
import { shown } from "../common/paths";
import { shareTasks } from "../common/share";
import { type Surroundings, surroundings } from "./surroundings";

/** One run: what is varied, and the seed of its random numbers. */
export interface Task {
  readonly name: string;
  readonly seed: number;
}

/** All that decides a run's result beside its seed, as plain data. */
export type Settings = Readonly<Record<string, unknown>>;

/** What a run leaves, as plain data: `result.json`. */
export interface RunRecord<F> extends Task {
  readonly settings: Settings;
  readonly figures: F;
  /** Wall-clock seconds of each part. */
  readonly seconds: Readonly<Record<string, number>>;
  readonly surroundings: Surroundings;
}

/** A run to do: what it is, and how it is done. */
export interface Job<F> extends Task {
  readonly settings: Settings;
  /** Does it, in a folder that may hold what an earlier try left; undefined where the signal stopped it. */
  readonly carryOut: (
    folder: string,
    signal: AbortSignal,
  ) => Promise<Pick<RunRecord<F>, "figures" | "seconds"> | undefined>;
}

const resultFile = "result.json";

/** Where a run works. */
export function runFolder(out: string, { name, seed }: Task): string {
  return join(out, `${name}-seed${seed}`);
}

/** The record of a run that is finished. Throws for a damaged one, by its name. */
export function readRun<F>(folder: string): RunRecord<F> | undefined {
  const path = join(folder, resultFile);
  if (!existsSync(path)) return undefined;
  try {
    return JSON.parse(readFileSync(path, "utf8")) as RunRecord<F>;
  } catch (cause) {
    throw new Error(`${shown(path)} is no JSON: ${(cause as Error).message}. Remove it and the run is done anew.`, {
      cause,
    });
  }
}

/** The records of all finished runs of a folder, by seed and then by name. */
export function readRuns<F>(out: string): RunRecord<F>[] {
  if (!existsSync(out)) return [];
  const folders = readdirSync(out, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return folders.flatMap(({ name }) => readRun<F>(join(out, name)) ?? []).sort(bySeedAndName);
}

/** By seed and then by name. */
export function bySeedAndName(a: Task, b: Task): number {
  return a.seed - b.seed || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
}

/** Writes a run's record in its folder. */
export async function writeRun<F>(folder: string, record: RunRecord<F>): Promise<void> {
  await writeFileAtomic(join(folder, resultFile), `${JSON.stringify(record)}\n`);
}

/**
 * Does the jobs in their order, but those that are finished; a finished one of other settings is refused before any work.
 * Several processes may do so in one folder: each run is one process', and all wait until all runs are finished. Ends early
 * when the signal fires. Returns how many are finished in the end.
 */
export async function runJobs<F>(
  out: string,
  jobs: readonly Job<F>[],
  { signal, log }: { readonly signal: AbortSignal; readonly log: (line: string) => void },
): Promise<number> {
  const done = jobs.map((job) => readRun<F>(runFolder(out, job)));
  jobs.forEach((job, i) => {
    const settings = done[i]?.settings;
    if (settings && !isDeepStrictEqual(settings, plain(job.settings)))
      throw new Error(
        `${shown(runFolder(out, job))} is of other settings: ${difference(settings, plain(job.settings))}. ` +
          "Give the same options, or another --out.",
      );
  });
  const finished = () => tasks.filter((task) => task.isFinished()).length;
  const tasks = jobs.map((job) => {
    const folder = runFolder(out, job);
    return {
      folder,
      isFinished: () => existsSync(join(folder, resultFile)),
      async carryOut() {
        const result = await job.carryOut(folder, signal);
        if (!result) return;
        const { name, seed, settings } = job;
        await writeRun(folder, { name, seed, settings, ...result, surroundings: surroundings() });
        const seconds = Object.values(result.seconds).reduce((a, b) => a + b, 0);
        log(`${finished()}/${jobs.length}  ${name}, seed ${seed}: ${seconds.toFixed(0)} s`);
      },
    };
  });
  if (finished() > 0) log(`${finished()} of ${jobs.length} runs are finished already.`);
  await shareTasks(tasks, { signal, log });
  return finished();
}

/** As JSON gives it back. */
function plain(settings: Settings): Settings {
  return JSON.parse(JSON.stringify(settings));
}

function difference(found: Settings, wanted: Settings): string {
  const names = [...new Set([...Object.keys(found), ...Object.keys(wanted)])];
  return names
    .filter((name) => !isDeepStrictEqual(found[name], wanted[name]))
    .map((name) => `${name} is ${JSON.stringify(found[name])}, wanted ${JSON.stringify(wanted[name])}`)
    .join("; ");
}
