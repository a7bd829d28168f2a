import { SidError } from "../core/errors";
import { onDisk } from "../io/disk";
import type { CheckpointPlace } from "./checkpoint-place";

/**
 * The files of a run's checkpoints. The newest has the given path, those before it `.1`, `.2` and so on behind it;
 * `.next` is one that is being written.
 */
export interface CheckpointFiles {
  /** Those that are there, the newest first. */
  readonly found: readonly string[];
  /** What `read` makes of the newest one that is not damaged; going back to an older one is a warning. */
  load<T>(read: (path: string) => Promise<T>): Promise<T>;
  /** Has `write` write a new one, and only then makes it the newest and removes the oldest. */
  save(write: (path: string) => Promise<void>): Promise<void>;
}

/**
 * Looks for a run's checkpoints; throws `io` unless one can be written. Removes what a run left behind that was killed
 * while it wrote: files as large as the checkpoint.
 */
export async function openCheckpoints(
  place: CheckpointPlace,
  path: string,
  keep: number,
  onWarning: (warning: string) => void,
  writes = true,
): Promise<CheckpointFiles> {
  const where = `distill: checkpoint ${JSON.stringify(path)}`;
  const found = writes ? await survey(where, place, path) : await look(where, place, path);
  let newestIsDamaged = false;
  return {
    found,
    async load(read) {
      let damage: unknown = found[0] === path ? undefined : missing(where);
      for (const file of found)
        try {
          const result = await read(file);
          if (damage) onWarning(`${(damage as Error).message} The run goes on from ${JSON.stringify(file)}.`);
          newestIsDamaged = file !== path;
          return result;
        } catch (error) {
          if (!(error instanceof SidError && error.code === "corrupt-file")) throw error;
          damage ??= error;
        }
      if (found.length === 0) throw damage;
      const remedy = "No older one is whole: start afresh, or resume from a copy.";
      throw new SidError("corrupt-file", `${(damage as Error).message} ${remedy}`, { cause: damage });
    },
    async save(write) {
      const next = `${path}.next`;
      await write(next);
      await onDisk(where, async () => {
        // A damaged one does not push a whole one out.
        if (!newestIsDamaged) await shift(place, path, keep);
        await place.rename(next, path);
        newestIsDamaged = false;
        for (const file of await numbered(place, path)) if (numberOf(file) >= keep) await place.remove(file);
      });
    },
  };
}

/** Makes room for a new file at `path`, which stays where it is until it is replaced: as a link where the disk has links. */
async function shift(place: CheckpointPlace, path: string, keep: number): Promise<void> {
  for (let i = keep - 1; i > 1; i--) await place.keepAs(`${path}.${i - 1}`, `${path}.${i}`);
  if (keep > 1) await place.keepAs(path, `${path}.1`);
}

/** What is there, after a look at whether it can be replaced. */
async function survey(where: string, place: CheckpointPlace, path: string): Promise<string[]> {
  const probe = `${path}.probe`;
  try {
    await place.write(probe, []);
    await place.remove(probe);
    for (const file of await siblings(place, path, unfinished)) await place.remove(file);
  } catch (cause) {
    throw new SidError("io", `${where}: cannot be written: ${(cause as Error).message}`, { cause });
  }
  return look(where, place, path);
}

/** What is there. */
async function look(where: string, place: CheckpointPlace, path: string): Promise<string[]> {
  const newest = await place.kindOf(path);
  if (newest === "folder") throw new SidError("io", `${where} must be a file, but a folder is there.`);
  return [...(newest ? [path] : []), ...(await numbered(place, path))];
}

/** What the names of files that were never finished have after the checkpoint's own. */
const unfinished = /^(\.next|(\.probe|\.next)?\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.tmp)$/;

/** The older checkpoints, the newest of them first. */
async function numbered(place: CheckpointPlace, path: string): Promise<string[]> {
  const files = await siblings(place, path, /^\.[1-9]\d{0,8}$/);
  return files.sort((a, b) => numberOf(a) - numberOf(b));
}

function numberOf(file: string): number {
  return Number(file.slice(file.lastIndexOf(".") + 1));
}

/** Files beside `path` whose names are its own and what the pattern says. */
async function siblings(place: CheckpointPlace, path: string, rest: RegExp): Promise<string[]> {
  const name = path.replace(/^.*[\\/]/s, "");
  return (await place.neighbours(path))
    .filter((file) => file.startsWith(name) && rest.test(file.slice(name.length)))
    .map((file) => `${path}${file.slice(name.length)}`);
}

function missing(where: string): SidError {
  return new SidError("io", `${where}: there is no such file; for a run that may have none yet, resume "if-present".`);
}
