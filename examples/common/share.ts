/** Work that several processes share, such as the ranks of a launcher: they see one another in a common folder only. */
import { setTimeout } from "node:timers/promises";
import { makeFolder } from "./folders";
import { claimFolder } from "./lock";

/** A part that one process does whole. */
export interface SharedTask {
  /** Its own; whoever has locked it does the task. */
  readonly folder: string;
  /** Whether any process has done it. */
  isFinished(): boolean;
  /** Does it, or what is left of it; leaves some where the signal fires. */
  carryOut(signal: AbortSignal): Promise<void>;
}

/** Milliseconds between looks at what others do. */
const lookEvery = 500;

/**
 * Does the tasks in their order, but those that are finished or that another process does. Waits for the latter, and does
 * what one that ended has left. Returns whether all are finished: not where the signal fired.
 */
export async function shareTasks(
  tasks: readonly SharedTask[],
  { signal, log }: { readonly signal: AbortSignal; readonly log: (line: string) => void },
): Promise<boolean> {
  for (let told = ""; ; ) {
    const { taken, stopped } = await workThrough(tasks, signal);
    if (tasks.every((task) => task.isFinished())) return true;
    if (stopped) return false;
    if (taken === undefined) continue;
    if (taken !== told) log(`Waiting for the others: ${taken}`);
    told = taken;
    await setTimeout(lookEvery, undefined, { signal }).catch(() => {});
  }
}

/** One round. `taken`: who does the first task that is left. */
async function workThrough(tasks: readonly SharedTask[], signal: AbortSignal) {
  let taken: string | undefined;
  for (const task of tasks) {
    if (signal.aborted) return { taken, stopped: true };
    if (task.isFinished()) continue;
    makeFolder(task.folder);
    const claim = claimFolder(task.folder);
    if (typeof claim !== "function") {
      taken ??= claim.reason;
      continue;
    }
    try {
      // Another process may have come and gone.
      if (!task.isFinished()) await task.carryOut(signal);
      if (!task.isFinished()) return { taken, stopped: true };
    } finally {
      claim();
    }
  }
  return { taken, stopped: signal.aborted };
}
