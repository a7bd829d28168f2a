/** A folder belongs to one run at a time: its file `run.lock` says to which. */
import { existsSync, readdirSync, readFileSync, unlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Holder, isGone, isHere, thisProcess } from "./holder";
import { shown } from "./paths";
import { say } from "./terminal";

export const lockFile = "run.lock";
/** Taking over a dead process' lock takes milliseconds; whoever is at it this long was killed. */
const secondsOfTakeover = 10;
/** Between creating a lock and filling it lie microseconds; a lock that stays empty this long was left by a killed process. */
const secondsOfWriting = 1;

/**
 * Takes a folder, which must exist, for this process until it ends; throws where another process has it. What a
 * process left that is no more is taken over with a line. What is returned gives the folder back earlier.
 */
export function lockFolder(option: string, folder: string): () => void {
  const claim = claimFolder(folder);
  if (typeof claim === "function") return claim;
  throw new Error(`--${option}: ${claim.reason}`);
}

/** Why a folder is not ours. */
export interface Taken {
  readonly reason: string;
}

/** {@link lockFolder} for what several processes share: says who has the folder where another one has it. */
export function claimFolder(folder: string): (() => void) | Taken {
  const path = join(folder, lockFile);
  const mine = thisProcess();
  const taken = create(path, mine) ? undefined : takeOver(path, mine);
  if (taken) return taken;
  const release = () => {
    process.off("exit", release);
    if (holderOf(path)?.token === mine.token) unlinkSync(path);
  };
  process.on("exit", release);
  return release;
}

/** Creates a file that must not be there; false where it is. */
function create(path: string, holder: Holder): boolean {
  try {
    writeFileSync(path, `${JSON.stringify(holder)}\n`, { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** One process at a time removes a lock that nobody holds: else the second one would remove the first one's new lock. */
function takeOver(path: string, mine: Holder): Taken | undefined {
  const guard = `${path}.takeover`;
  const found = settled(path);
  if (found && !isGone(found)) return takenBy(path, found);
  const began = performance.now();
  while (!create(guard, mine)) {
    if (performance.now() - began > 1000 * secondsOfTakeover) remove(guard);
    else sleep(20);
  }
  try {
    const left = settled(path);
    if (left && !isGone(left)) return takenBy(path, left);
    const wasThere = remove(path);
    if (!create(path, mine)) return takenBy(path, settled(path));
    if (!wasThere) return undefined;
    const who = left ? `process ${left.pid}, which was killed` : "a process that was killed";
    say(`Took over ${shown(path)}, left by ${who}.`);
    removeUnfinished(dirname(path));
    return undefined;
  } finally {
    remove(guard);
  }
}

/**
 * Whoever was killed while writing left temporary files, of gigabytes perhaps; the folder is ours now, but those in it that
 * have a lock of their own.
 */
function removeUnfinished(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      if (!existsSync(join(path, lockFile))) removeUnfinished(path);
    } else if (/\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.tmp$/.test(entry.name)) remove(path);
  }
}

function takenBy(path: string, holder: Holder | undefined): Taken {
  const where = `${shown(dirname(path))} is taken`;
  if (!holder) return { reason: `${where} by another process.` };
  const { pid, host, since } = holder;
  const remedy = isHere(holder)
    ? "Wait until it ends, or stop it, or take another folder"
    : `Whether it still runs cannot be seen from here: if it does not, remove ${shown(path)}`;
  return { reason: `${where} by process ${pid} on ${host}, since ${since}. ${remedy}.` };
}

/** Who holds a lock; undefined where it is gone, or nobody ever said. */
function settled(path: string): Holder | undefined {
  const began = performance.now();
  for (;;) {
    const holder = holderOf(path);
    if (holder || !existsSync(path) || performance.now() - began > 1000 * secondsOfWriting) return holder;
    sleep(20);
  }
}

function holderOf(path: string): Holder | undefined {
  try {
    const { pid, host, since, token, ...rest } = JSON.parse(readFileSync(path, "utf8"));
    if (Number.isSafeInteger(pid) && pid > 0 && typeof host === "string") return { pid, host, since, token, ...rest };
  } catch {
    // Gone, or not written yet.
  }
  return undefined;
}

/** Whether it was there. */
function remove(path: string): boolean {
  try {
    unlinkSync(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return false;
  }
}

function sleep(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}
