import { describe } from "../core/checks";
import { SidError } from "../core/errors";
import { allocate, type ByteSource, checkSpan } from "./byte-source";
import { corrupt } from "./safetensors-header";

/** In Node only, under a name that a bundler for browsers does not follow. */
const nodeFsName = "node:fs/promises";

/** Node's file system, imported when first used, so that bundles for browsers can hold this module. */
export async function nodeFs(): Promise<typeof import("node:fs/promises")> {
  try {
    return await import(/* webpackIgnore: true */ /* @vite-ignore */ nodeFsName);
  } catch (cause) {
    throw new SidError("unsupported", "files: reading and writing needs Node's file system.", { cause });
  }
}

/**
 * A file on the disk, opened once and read by offset. Node only.
 *
 * @param path - the file; a symbolic link is followed.
 * @returns the file; the caller closes it.
 * @throws SidError `io` where it cannot be opened or is no regular file.
 *
 * @example
 * ```ts
 * import { fileSource, writeFileAtomic } from "sid-lsg/io";
 *
 * await writeFileAtomic("hello.txt", "hello");
 * const file = await fileSource("hello.txt");
 * console.log((await file.read(1, 4)).length); // 3
 * await file.close();
 * ```
 */
export async function fileSource(path: string): Promise<ByteSource> {
  return openFile("fileSource", path);
}

/** {@link fileSource} on behalf of the function that messages name. */
export async function openFile(caller: string, path: string): Promise<ByteSource> {
  const where = located(caller, path);
  return onDisk(where, async () => {
    const { open, stat } = await nodeFs();
    // Looked at before it is opened: opening a pipe would wait for a writer.
    if (!(await stat(path)).isFile()) throw new SidError("io", `${where}: wanted a file, got a folder or a device.`);
    const file = await open(path, "r");
    const { size } = await file.stat();
    return {
      name: JSON.stringify(path),
      size,
      read: (begin, end) =>
        onDisk(where, async () => {
          checkSpan(where, size, begin, end);
          const bytes = allocate(where, end - begin);
          for (let at = 0; at < bytes.length; ) {
            // One call reads at most 2 GiB.
            const { bytesRead } = await file.read(bytes, at, Math.min(bytes.length - at, 2 ** 30), begin + at);
            if (bytesRead === 0) throw corrupt(where, `the file ended at byte ${begin + at} while it was read`);
            at += bytesRead;
          }
          return bytes;
        }),
      close: () => onDisk(where, () => file.close()),
    };
  });
}

/** The function and the path for messages; throws unless the path is one. */
export function located(where: string, path: string): string {
  if (typeof path !== "string" || path === "" || path.includes("\0"))
    throw new SidError("invalid-argument", `${where}: the path must be text, got ${describe(path)}.`);
  return `${where} ${JSON.stringify(path)}`;
}

/** Runs `work`; what the file system throws becomes a SidError `io`. */
export async function onDisk<T>(where: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof SidError) throw cause;
    throw new SidError("io", `${where}: ${cause instanceof Error ? cause.message : cause}.`, { cause });
  }
}

/** Makes a folder and those above it. Node's own recursion never ends where a parent refuses with ENOENT, as /proc does. */
export async function makeFolder(path: string): Promise<void> {
  const { mkdir, stat } = await nodeFs();
  try {
    await mkdir(path);
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === "EEXIST" && (await stat(path)).isDirectory()) return;
    const parent = path.replace(/[\\/]+[^\\/]*[\\/]*$/, "");
    if (code !== "ENOENT" || parent === "" || parent === path) throw error;
    await makeFolder(parent);
    await mkdir(path);
  }
}
