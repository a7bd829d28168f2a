import { describe } from "../core/checks";
import { SidError } from "../core/errors";
import type { HostTensor, WeightMap, WeightSource } from "../core/host-tensor";
import { type ByteSource, checkByteSource, take } from "./byte-source";
import { headBytes } from "./first-bytes";
import { decodeElements } from "./safetensors";
import { checkReadable, headerLength, naming, parseHeader } from "./safetensors-header";

/** A safetensors file whose header was read and checked, its tensors not yet. */
export interface OpenSafetensors extends WeightSource {
  /** The header's `__metadata__`; empty where there is none. */
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Reads and checks the header of a safetensors file, wherever it lies; the tensors follow one by one, when they
 * are asked for. The header must account for every byte of the file: a truncated one is refused here, and so is a file of
 * another kind, which the message names (a Git-LFS pointer, a web page, a pickle). A tensor of a type that this library
 * does not hold is refused when it is read.
 *
 * @param source - the file. It is closed with what is returned; after an error it is still the caller's.
 * @returns names, types and shapes, in the order of the bytes, and how to read them.
 * @throws SidError as `decodeSafetensors` does, and what the source throws.
 *
 * @example
 * ```ts
 * import { fileSource, openSafetensors, writeSafetensors } from "sid-lsg/io";
 *
 * const w = { dtype: "F32", shape: [2], data: new Float32Array([1, 2]) } as const;
 * await writeSafetensors("w.safetensors", new Map([["w", w]]));
 * const file = await openSafetensors(await fileSource("w.safetensors"));
 * for (const [name, { shape }] of file.entries) console.log(name, shape, (await file.read(name)).data);
 * await file.close();
 * ```
 */
export async function openSafetensors(source: ByteSource): Promise<OpenSafetensors> {
  checkByteSource("openSafetensors", source);
  return parseSafetensors(`openSafetensors ${source.name}`, source);
}

/** {@link openSafetensors} on behalf of the function that messages name. */
export async function parseSafetensors(where: string, source: ByteSource): Promise<OpenSafetensors> {
  const { start, header } = await headerOf(where, source);
  const { entries, metadata } = header;
  const byName = new Map(entries.map((entry) => [entry.name, entry]));
  return {
    entries: new Map(entries.map(({ name, dtype, shape }) => [name, { dtype, shape }])),
    metadata,
    async read(name) {
      const entry = byName.get(name);
      if (!entry) throw new SidError("invalid-argument", `${where}: there is no tensor ${describe(name)}.`);
      const { shape, begin, end } = entry;
      const dtype = checkReadable(where, name, entry.dtype);
      return { dtype, shape, data: decodeElements(dtype, await take(where, source, start + begin, start + end)) };
    },
    close: () => source.close(),
  };
}

async function headerOf(where: string, source: ByteSource) {
  const { size } = source;
  try {
    const start = 8 + headerLength(where, await take(where, source, 0, Math.min(8, size)), size);
    return { start, header: parseHeader(where, await take(where, source, 8, start), size - start) };
  } catch (error) {
    if ((error as SidError).code !== "corrupt-file") throw error;
    throw naming(where, error, await take(where, source, 0, Math.min(headBytes, size)).catch(() => empty), size);
  }
}

const empty = new Uint8Array(0);

/** All tensors of a source, in its order. */
export async function readAll(source: WeightSource): Promise<WeightMap> {
  const tensors = new Map<string, HostTensor>();
  for (const name of source.entries.keys()) tensors.set(name, await source.read(name));
  return tensors;
}
