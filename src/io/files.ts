import { describe } from "../core/checks";
import { SidError } from "../core/errors";
import type { WeightMap } from "../core/host-tensor";
import { located, nodeFs, onDisk, openFile } from "./disk";
import { parseSafetensors, readAll } from "./open-safetensors";
import { encodeParts, type Safetensors } from "./safetensors";

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
  const source = await openFile("readSafetensors", path);
  try {
    const file = await parseSafetensors(`readSafetensors ${source.name}`, source);
    return { tensors: await readAll(file), metadata: file.metadata };
  } finally {
    await source.close();
  }
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

/** Replaces a file by parts of a new one, as {@link writeFileAtomic} does. */
export async function writeParts(caller: string, path: string, parts: readonly Uint8Array[]): Promise<void> {
  await replaceFile(located(caller, path), path, parts);
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
