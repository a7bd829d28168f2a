import { describe } from "../core/checks";
import { SidError } from "../core/errors";
import type { HostTensor, WeightMap } from "../core/host-tensor";
import { decodeElements, encodeParts, type Safetensors } from "./safetensors";
import { corrupt, headerLength, parseHeader } from "./safetensors-header";

/** Node's file system, imported when first used and with a handler, so that bundles for browsers can hold this module. */
export function nodeFs(): Promise<typeof import("node:fs/promises")> {
  return import(/* webpackIgnore: true */ "node:fs/promises").catch((cause) => {
    throw new SidError("unsupported", "files: reading and writing needs Node's file system.", { cause });
  });
}

/**
 * Reads a safetensors file, one tensor at a time, so that a large file is never in memory twice. Node only.
 *
 * @param path - the file.
 * @returns the tensors and the metadata, as {@link decodeSafetensors} does.
 * @throws SidError `io` where the file cannot be read; otherwise as {@link decodeSafetensors}.
 *
 * @example
 * ```ts
 * import { readSafetensors, writeSafetensors } from "sid-lsg/io";
 *
 * const steps = { dtype: "I32", shape: [2], data: new Int32Array([3, 4]) } as const;
 * await writeSafetensors("steps.safetensors", new Map([["steps", steps]]));
 * console.log((await readSafetensors("steps.safetensors")).tensors.get("steps")?.shape); // [2]
 * ```
 */
export async function readSafetensors(path: string): Promise<Safetensors> {
  const where = located("readSafetensors", path);
  return onDisk(where, async () => {
    const file = await (await nodeFs()).open(path, "r");
    try {
      const { size } = await file.stat();
      const read = async (position: number, length: number) => {
        const bytes = new Uint8Array(length);
        for (let at = 0; at < length; ) {
          // One call reads at most 2 GiB.
          const { bytesRead } = await file.read(bytes, at, Math.min(length - at, 2 ** 30), position + at);
          if (bytesRead === 0) throw corrupt(where, `the file ended at byte ${position + at} while it was read`);
          at += bytesRead;
        }
        return bytes;
      };
      const start = 8 + headerLength(where, await read(0, Math.min(8, size)), size);
      const { entries, metadata } = parseHeader(where, await read(8, start - 8), size - start);
      const tensors = new Map<string, HostTensor>();
      for (const { name, dtype, shape, begin, end } of entries)
        tensors.set(name, { dtype, shape, data: decodeElements(dtype, await read(start + begin, end - begin)) });
      return { tensors, metadata };
    } finally {
      await file.close();
    }
  });
}

/**
 * Writes a safetensors file atomically: a reader sees the old file or the whole new one. Node only.
 *
 * @param path - the file; its folder must exist.
 * @param tensors - by name, as {@link encodeSafetensors} takes them.
 * @param metadata - free text for the header's `__metadata__`.
 * @throws SidError `io` where the file cannot be written; otherwise as {@link encodeSafetensors}.
 *
 * @example
 * ```ts
 * import { writeSafetensors } from "sid-lsg/io";
 *
 * const scale = { dtype: "F32", shape: [], data: new Float32Array([1]) } as const;
 * await writeSafetensors("scale.safetensors", new Map([["scale", scale]]), { format: "pt" });
 * ```
 */
export async function writeSafetensors(
  path: string,
  tensors: WeightMap,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const where = located("writeSafetensors", path);
  await replaceFile(where, path, encodeParts(where, tensors, metadata));
}

/**
 * Writes a file so that it is there whole or not at all: into a temporary file of the same folder,
 * flushed to the disk, then renamed. A failure removes the temporary file and leaves the old one. Node only.
 *
 * @param path - the file; its folder must exist.
 * @param bytes - the new content; text is written as UTF-8.
 * @throws SidError `io` where the file system refuses; `invalid-argument` for other content.
 *
 * @example
 * ```ts
 * import { writeFileAtomic } from "sid-lsg/io";
 *
 * await writeFileAtomic("report.json", JSON.stringify({ seconds: 12 }));
 * ```
 */
export async function writeFileAtomic(path: string, bytes: Uint8Array | string): Promise<void> {
  const where = located("writeFileAtomic", path);
  const content = typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes;
  if (!(content instanceof Uint8Array))
    throw new SidError("invalid-argument", `${where}: wanted bytes or text, got ${describe(bytes)}.`);
  await replaceFile(where, path, [content]);
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

async function replaceFile(where: string, path: string, parts: readonly Uint8Array[]): Promise<void> {
  const temporary = `${path}.${crypto.randomUUID()}.tmp`;
  await onDisk(where, async () => {
    const fs = await nodeFs();
    try {
      const file = await fs.open(temporary, "wx");
      try {
        for (const part of parts) await file.writeFile(part);
        await file.sync();
      } finally {
        await file.close();
      }
      await fs.rename(temporary, path);
    } catch (error) {
      // The first error is the one to report, whatever becomes of the clearing up.
      await fs.rm(temporary, { force: true }).catch(() => {});
      throw error;
    }
  });
}
