/** Where a run is kept: the browser's own storage of this site (OPFS), or this tab's memory where there is none. */
import { SidError } from "sid-lsg";
import { blobSource, handleFolder, type WritableFolder } from "sid-lsg/io";

/** Of all that this site stores, what a run has. */
const folderName = "sid-lsg-quick-start";

/** A place for files. */
export interface Storage {
  readonly folder: WritableFolder;
  /** Why they do not outlive the tab, if so. */
  readonly unstored: string | undefined;
  /** Why nothing could be written just now; what is there can still be read. */
  readonly doubt: string | undefined;
}

/** A folder that goes on in memory where the storage does not. */
export interface SpareFolder extends WritableFolder {
  /** Whether what is written now ends with the tab. */
  isInMemory(): boolean;
  /** Removes all files, those in the storage first, which is then tried anew. */
  clear(): Promise<void>;
}

/** Opens the browser's storage, or memory where it has none for us. */
export async function openStorage(): Promise<Storage> {
  const unstored = (reason: string): Storage => ({ folder: memoryFolder(), unstored: reason, doubt: undefined });
  if (!isSecureContext)
    return unstored("the browser stores files for pages of https and of this machine only, and this is none");
  if (typeof navigator.storage?.getDirectory !== "function") return unstored("this browser has no storage for files");
  let folder: WritableFolder;
  try {
    const root = await navigator.storage.getDirectory();
    folder = handleFolder(await root.getDirectoryHandle(folderName, { create: true }));
  } catch (error) {
    return unstored(`the browser refuses its storage: ${messageOf(error)}`);
  }
  try {
    await folder.write("probe", [new Uint8Array(1)]);
    await folder.remove("probe");
    return { folder, unstored: undefined, doubt: undefined };
  } catch (error) {
    // A full storage may hold a run.
    return { folder, unstored: undefined, doubt: messageOf(error) };
  }
}

/** Files in memory. */
export function memoryFolder(): WritableFolder {
  const files = new Map<string, Blob>();
  return {
    name: "memory",
    async open(name) {
      const file = files.get(name);
      return file && blobSource(file, name);
    },
    list: async () => [...files.keys()],
    async write(name, parts) {
      files.set(name, new Blob(parts as Uint8Array<ArrayBuffer>[]));
    },
    async rename(from, to) {
      const file = files.get(from);
      if (!file) throw new SidError("io", `memory: there is no file ${JSON.stringify(from)}.`);
      files.delete(from);
      files.set(to, file);
    },
    async remove(name) {
      files.delete(name);
    },
  };
}

/**
 * A folder that goes on where the storage does not: from the first file that cannot be written there all are kept in memory,
 * and what was stored before stays as it is. The next `main` file tries the storage anew. `tell` hears why it goes into
 * memory, or undefined when all is well again.
 */
export function spareFolder(
  stored: WritableFolder,
  main: string,
  tell: (reason: string | undefined) => void,
): SpareFolder {
  const spare = memoryFolder();
  let place = stored;
  return {
    name: stored.name,
    open: async (name) => (await spare.open(name)) ?? stored.open(name),
    list: async () => [...new Set([...(await spare.list()), ...(await stored.list())])],
    async write(name, parts) {
      if (place === spare && name !== main) return spare.write(name, parts);
      try {
        await stored.write(name, parts);
        if (place === stored) return;
        place = stored;
        await empty(spare);
        tell(undefined);
      } catch (error) {
        await spare.write(name, parts);
        if (place === stored) tell(messageOf(error));
        place = spare;
      }
    },
    async rename(from, to) {
      // What is in the storage only stays there under its own name.
      if (place === stored || (await spare.list()).includes(from)) await place.rename(from, to);
    },
    remove: (name) => place.remove(name),
    isInMemory: () => place === spare,
    async clear() {
      await empty(stored);
      await empty(spare);
      place = stored;
    },
  };
}

/** A file's bytes; undefined where there is none. */
export async function readFile(folder: WritableFolder, name: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const source = await folder.open(name);
  if (!source) return undefined;
  try {
    return new Uint8Array(await source.read(0, source.size));
  } finally {
    await source.close();
  }
}

/** Writes a file so that it is there whole, or the one before is. */
export async function replaceFile(folder: WritableFolder, name: string, bytes: Uint8Array): Promise<void> {
  await folder.write(`${name}.next`, [bytes]);
  await folder.rename(`${name}.next`, name);
}

/** Removes all files. */
export async function empty(folder: WritableFolder): Promise<void> {
  for (const name of await folder.list()) await folder.remove(name);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
