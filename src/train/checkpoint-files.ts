import { SidError } from "../core/errors";
import { nodeFs, onDisk } from "../io/disk";
import { writeFileAtomic } from "../io/files";

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
  path: string,
  keep: number,
  onWarning: (warning: string) => void,
  writes = true,
): Promise<CheckpointFiles> {
  const where = `distill: checkpoint ${JSON.stringify(path)}`;
  const found = writes ? await survey(where, path) : await look(where, path);
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
        if (!newestIsDamaged) await shift(path, keep);
        const { rename, rm } = await nodeFs();
        await rename(next, path);
        newestIsDamaged = false;
        for (const file of await numbered(path)) if (numberOf(file) >= keep) await rm(file, { force: true });
      });
    },
  };
}

/** Makes room for a new file at `path`, which stays where it is until it is replaced: as a link where the disk has links. */
async function shift(path: string, keep: number): Promise<void> {
  const { link, rename, rm } = await nodeFs();
  const unlessMissing = (error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
  };
  for (let i = keep - 1; i > 1; i--) await rename(`${path}.${i - 1}`, `${path}.${i}`).catch(unlessMissing);
  if (keep === 1) return;
  await rm(`${path}.1`, { force: true });
  await link(path, `${path}.1`).catch(() => rename(path, `${path}.1`).catch(unlessMissing));
}

/** What is there, after a look at whether it can be replaced. */
async function survey(where: string, path: string): Promise<string[]> {
  const { rm } = await nodeFs();
  const probe = `${path}.probe`;
  try {
    await writeFileAtomic(probe, "");
    await rm(probe, { force: true });
    for (const file of await siblings(path, unfinished)) await rm(file, { force: true });
  } catch (cause) {
    throw new SidError("io", `${where}: cannot be written: ${(cause as Error).message}`, { cause });
  }
  return look(where, path);
}

/** What is there. */
async function look(where: string, path: string): Promise<string[]> {
  const { stat } = await nodeFs();
  const newest = await stat(path).catch(() => undefined);
  if (newest?.isDirectory()) throw new SidError("io", `${where} must be a file, but a folder is there.`);
  return [...(newest ? [path] : []), ...(await numbered(path))];
}

/** What the names of files that were never finished have after the checkpoint's own. */
const unfinished = /^(\.next|(\.probe|\.next)?\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.tmp)$/;

/** The older checkpoints, the newest of them first. */
async function numbered(path: string): Promise<string[]> {
  const files = await siblings(path, /^\.[1-9]\d{0,8}$/);
  return files.sort((a, b) => numberOf(a) - numberOf(b));
}

function numberOf(file: string): number {
  return Number(file.slice(file.lastIndexOf(".") + 1));
}

/** Files beside `path` whose names are its own and what the pattern says. */
async function siblings(path: string, rest: RegExp): Promise<string[]> {
  const { readdir } = await nodeFs();
  const name = path.replace(/^.*[\\/]/s, "");
  const folder = path.slice(0, path.length - name.length) || ".";
  // Where one rank of many writes, the others need not see its folder.
  const all = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw new SidError("io", `the folder of ${path} cannot be read: ${error.message}`, { cause: error });
  });
  return all
    .filter((file) => file.startsWith(name) && rest.test(file.slice(name.length)))
    .map((file) => `${path}${file.slice(name.length)}`);
}

function missing(where: string): SidError {
  return new SidError("io", `${where}: there is no such file; for a run that may have none yet, resume "if-present".`);
}
