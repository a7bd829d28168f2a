/** Where a run is kept: the browser's own storage of this site (OPFS), or this tab's memory where there is none. */
import { SidError } from "sid-lsg";
import { blobSource, handleFolder, type WritableFolder } from "sid-lsg/io";

/** Of all that this site stores, what a run has. */
const folderName = "sid-lsg-quick-start";

/** A place for files, and why they do not outlive the tab, if so. */
export interface Storage {
  readonly folder: WritableFolder;
  readonly unstored: string | undefined;
}

/** Opens the browser's storage, or memory where it has none for us. */
export async function openStorage(): Promise<Storage> {
  const unstored = (reason: string): Storage => ({ folder: memoryFolder(), unstored: reason });
  if (!isSecureContext)
    return unstored("the browser stores files for pages of https and of this machine only, and this is none");
  if (typeof navigator.storage?.getDirectory !== "function") return unstored("this browser has no storage for files");
  try {
    const root = await navigator.storage.getDirectory();
    const folder = handleFolder(await root.getDirectoryHandle(folderName, { create: true }));
    await folder.write("probe", [new Uint8Array(1)]);
    await folder.remove("probe");
    return { folder, unstored: undefined };
  } catch (error) {
    return unstored(`the browser refuses its storage: ${error instanceof Error ? error.message : error}`);
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
): WritableFolder {
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
        if (place === stored) tell(error instanceof Error ? error.message : String(error));
        place = spare;
      }
    },
    async rename(from, to) {
      // What is in the storage only stays there under its own name.
      if (place === stored || (await spare.list()).includes(from)) await place.rename(from, to);
    },
    remove: (name) => place.remove(name),
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
