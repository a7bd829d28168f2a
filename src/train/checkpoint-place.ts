import { SidError } from "../core/errors";
import { nodeFs } from "../io/disk";
import { openIn } from "../io/file-tree";
import { readSafetensors, writeParts } from "../io/files";
import { parseSafetensors, readAll } from "../io/open-safetensors";
import type { Safetensors } from "../io/safetensors";
import type { WritableFolder } from "../io/writable-folder";

/** Where a run's checkpoints lie: what is done with files there. */
export interface CheckpointPlace {
  /** What has that path. */
  kindOf(path: string): Promise<"file" | "folder" | undefined>;
  /** The names of what lies in the same folder. */
  neighbours(path: string): Promise<readonly string[]>;
  read(path: string): Promise<Safetensors>;
  write(path: string, parts: readonly Uint8Array[]): Promise<void>;
  /** Gives a file another name, in place of the file that has it. */
  rename(from: string, to: string): Promise<void>;
  /** Gives a file another name, and leaves it its own where that can be; nothing where there is no such file. */
  keepAs(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
}

/** The disk. Node only. */
export const onNodeDisk: CheckpointPlace = {
  async kindOf(path) {
    const { stat } = await nodeFs();
    const found = await stat(path).catch(() => undefined);
    return found && (found.isDirectory() ? "folder" : "file");
  },
  async neighbours(path) {
    const { readdir } = await nodeFs();
    const folder = path.replace(/[^\\/]*$/, "") || ".";
    // Where one rank of many writes, the others need not see its folder.
    return readdir(folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return [];
      throw new SidError("io", `the folder of ${path} cannot be read: ${error.message}`, { cause: error });
    });
  },
  read: readSafetensors,
  write: (path, parts) => writeParts("distill", path, parts),
  rename: async (from, to) => (await nodeFs()).rename(from, to),
  async keepAs(from, to) {
    const { link, rename, rm } = await nodeFs();
    await rm(to, { force: true });
    await link(from, to).catch(() =>
      rename(from, to).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== "ENOENT") throw error;
      }),
    );
  },
  remove: async (path) => (await nodeFs()).rm(path, { force: true }),
};

/** A folder that is no disk, such as one of a browser's storage. */
export function inFolder(folder: WritableFolder): CheckpointPlace {
  const isThere = async (name: string) => (await folder.list()).includes(name);
  return {
    kindOf: async (name) => ((await isThere(name)) ? "file" : undefined),
    neighbours: () => folder.list(),
    async read(name) {
      const where = `distill: checkpoint ${JSON.stringify(name)}`;
      const source = await openIn("distill", folder, name);
      if (!source) throw new SidError("io", `${where}: there is no such file.`);
      try {
        const file = await parseSafetensors(where, source);
        return { tensors: await readAll(file), metadata: file.metadata };
      } finally {
        await source.close();
      }
    },
    write: (name, parts) => folder.write(name, parts),
    rename: (from, to) => folder.rename(from, to),
    async keepAs(from, to) {
      if (await isThere(from)) await folder.rename(from, to);
    },
    remove: (name) => folder.remove(name),
  };
}
