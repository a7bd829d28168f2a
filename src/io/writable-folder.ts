import { checkMethods, describe } from "../core/checks";
import { SidError } from "../core/errors";
import { blobSource, messageOf } from "./byte-source";
import { checkRelative, type FileTree } from "./file-tree";

/** A folder whose own files can be written: where a run's checkpoints lie that is not on a disk. */
export interface WritableFolder extends FileTree {
  /**
   * The names of its files.
   *
   * @throws SidError `io` where they cannot be read.
   */
  list(): Promise<readonly string[]>;
  /**
   * Writes a file anew, of parts that follow each other. A failure leaves none; a program that is killed may leave a part
   * of one, so what must be whole is written under another name and renamed.
   *
   * @throws SidError `io` where it cannot be written, for example where there is no room; `invalid-argument` for what is no
   *   name of a file.
   */
  write(name: string, parts: readonly Uint8Array[]): Promise<void>;
  /**
   * Gives a file another name, in place of the file that has it, which stays as it is where this fails.
   *
   * @throws SidError `io` where there is no such file, or it cannot be renamed; `invalid-argument` for what is no name.
   */
  rename(from: string, to: string): Promise<void>;
  /**
   * Removes a file; nothing where there is none.
   *
   * @throws SidError `io` where it cannot be removed; `invalid-argument` for what is no name.
   */
  remove(name: string): Promise<void>;
}

/** What {@link handleFolder} needs of a browser's `FileSystemDirectoryHandle`. */
export interface DirectoryHandle {
  /** For messages. */
  readonly name: string;
  /** A file of the folder, which may be made. */
  getFileHandle(name: string, options?: { create?: boolean }): Promise<FileHandle>;
  /** Removes a file. */
  removeEntry(name: string): Promise<void>;
}

/** What it needs of a `FileSystemFileHandle`; it takes more where the browser has more. */
export interface FileHandle {
  /** The file as it is now. */
  getFile(): Promise<Blob>;
}

/** What browsers have of it besides, not all of them all of it; TypeScript's own declarations lack some. */
interface WholeDirectory extends DirectoryHandle {
  getFileHandle(name: string, options?: { create?: boolean }): Promise<WholeFile>;
  values(): AsyncIterable<{ readonly kind: string; readonly name: string }>;
}

interface WholeFile extends FileHandle {
  createWritable?(): Promise<{
    write(part: Uint8Array): Promise<void>;
    close(): Promise<void>;
    abort(): Promise<void>;
  }>;
  createSyncAccessHandle?(): Promise<{
    truncate(size: number): void;
    write(part: Uint8Array, options: { at: number }): number;
    flush(): void;
    close(): void;
  }>;
  move?(to: string): Promise<void>;
}

/**
 * A folder of a browser's own storage (OPFS), or one that the user gave the page: for checkpoints in a page, see
 * {@link sid-lsg!DistillCheckpoint.folder | checkpoint.folder} of `distill`. Its own files only, none of folders in it. Browsers
 * without `createWritable` write it in a worker.
 *
 * `rename` is the browser's own `move`. Where a browser has none for such files it copies, which needs room for the file once
 * more and is not atomic: a page that is killed while it copies leaves both names, and in browsers without `createWritable`
 * the new one in part, beside the file that it came from.
 *
 * @param directory - a `FileSystemDirectoryHandle`.
 * @returns the folder; its functions throw `io` where the browser refuses.
 * @throws SidError `invalid-argument` for anything else.
 *
 * @example
 * ```ts no-run
 * import { handleFolder } from "sid-lsg/io";
 *
 * const root = await navigator.storage.getDirectory();
 * const folder = handleFolder(await root.getDirectoryHandle("run", { create: true }));
 * await folder.write("note.txt", [new TextEncoder().encode("hello")]);
 * console.log(await folder.list()); // ["note.txt"]
 * ```
 *
 * @example A run that goes on after its tab was closed.
 * ```ts no-run
 * import { ddpmSchedule, gaussianModel, generatorFrom, randomStream } from "sid-lsg";
 * import { handleFolder } from "sid-lsg/io";
 * import { mlp } from "sid-lsg/models";
 * import { distill } from "sid-lsg/train";
 *
 * const schedule = ddpmSchedule();
 * const network = (name: string) =>
 *   mlp({ dim: 2, hidden: 16 }, { name, schedule, predicts: "eps", weights: randomStream(1) });
 * const root = await navigator.storage.getDirectory();
 * const folder = handleFolder(await root.getDirectoryHandle("run", { create: true }));
 * await distill({
 *   teacher: gaussianModel({ mean: [1, 0], variance: 0.25, schedule }),
 *   fakeScore: network("folder-example/fake"),
 *   generator: generatorFrom(network("folder-example/generator")),
 *   ...{ sampleShape: [2], batch: 32, iterations: 300, learningRate: 1e-3 },
 *   checkpoint: { path: "run.safetensors", folder, every: 25, resume: "if-present" },
 * });
 * ```
 */
export function handleFolder(directory: DirectoryHandle): WritableFolder {
  const whole = directory as WholeDirectory;
  const methods = ["getFileHandle", "removeEntry", "values"] as const;
  checkMethods("handleFolder", "directory", whole, "a FileSystemDirectoryHandle", methods);
  const label = `handleFolder ${JSON.stringify(directory.name)}`;
  /** What the browser throws becomes a SidError. */
  const attempt = async <T>(where: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (cause) {
      if (cause instanceof SidError) throw cause;
      throw new SidError("io", `${where}: ${messageOf(cause)}.`, { cause });
    }
  };
  const checkName = (file: string): void => {
    if (checkRelative(label, file).includes("/"))
      throw new SidError("invalid-argument", `${label}: wanted the name of a file, got ${describe(file)}.`);
  };
  const on = async <T>(file: string, work: () => Promise<T>): Promise<T> => {
    checkName(file);
    return attempt(`${label}, ${JSON.stringify(file)}`, work);
  };
  const folder: WritableFolder = {
    name: label,
    open: (path) =>
      on(path, async () => {
        const found = await ifThere(() => whole.getFileHandle(path));
        return found && blobSource(await found.getFile(), path);
      }),
    list: () =>
      attempt(label, async () => {
        const names: string[] = [];
        for await (const { kind, name } of whole.values()) if (kind === "file") names.push(name);
        return names;
      }),
    write: (name, parts) =>
      on(name, async () => {
        try {
          await fill(await whole.getFileHandle(name, { create: true }), parts);
        } catch (error) {
          await whole.removeEntry(name).catch(() => {});
          throw error;
        }
      }),
    rename: (from, to) =>
      on(from, async () => {
        checkName(to);
        const file = await whole.getFileHandle(from);
        const moved = await file.move?.(to).then(
          () => true,
          () => false,
        );
        if (moved || from === to) return;
        await copy(whole, file, to);
        await folder.remove(from);
      }),
    remove: (name) => on(name, async () => void (await ifThere(() => whole.removeEntry(name)))),
  };
  return folder;
}

/** Undefined where there is no such file. */
async function ifThere<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if ((error as Partial<Error> | undefined)?.name === "NotFoundError") return undefined;
    throw error;
  }
}

/** Writes a file's content to another name; where that fails, what has the name stays as it is. */
async function copy(directory: WholeDirectory, from: WholeFile, to: string): Promise<void> {
  const bytesOf = async (file: WholeFile) => new Uint8Array(await (await file.getFile()).arrayBuffer());
  const bytes = await bytesOf(from);
  const there = await ifThere(() => directory.getFileHandle(to));
  // A stream writes beside the file until it is closed; the other way writes over it.
  const before = there && !there.createWritable ? await bytesOf(there) : undefined;
  const file = there ?? (await directory.getFileHandle(to, { create: true }));
  try {
    await fill(file, [bytes]);
  } catch (error) {
    if (before) await fill(file, [before]);
    else if (!there) await directory.removeEntry(to).catch(() => {});
    throw error;
  }
}

async function fill(file: WholeFile, parts: readonly Uint8Array[]): Promise<void> {
  if (file.createWritable) {
    const stream = await file.createWritable();
    try {
      for (const part of parts) await stream.write(part);
    } catch (error) {
      await stream.abort().catch(() => {});
      throw error;
    }
    return stream.close();
  }
  if (!file.createSyncAccessHandle) throw new Error("this browser writes no files of its storage here");
  const access = await file.createSyncAccessHandle();
  try {
    access.truncate(0);
    let at = 0;
    for (const part of parts) {
      const written = access.write(part, { at });
      if (written !== part.length) throw new Error(`${written} of ${part.length} bytes were written: there is no room`);
      at += written;
    }
    access.flush();
  } finally {
    access.close();
  }
}
