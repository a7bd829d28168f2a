import { zipSync } from "fflate";
import { describe } from "../core/checks";
import { SidError } from "../core/errors";
import type { HostTensor, WeightMap } from "../core/host-tensor";
import { type ByteSource, checkSpan, take } from "./byte-source";
import { headBytes, identify } from "./first-bytes";
import { isNpy, npyBytes, parseNpy } from "./npy";
import { checkTensors } from "./safetensors";
import { corrupt } from "./safetensors-header";
import { openZip } from "./zip";

/** Beyond this the archive would need a longer kind of directory, which is not written. */
const mostBytes = 2 ** 32 - 2 ** 26;
const longestName = 1000;

/**
 * Reads the bytes of a `.npz` file, arrays of NumPy by name, as `numpy.savez` and `numpy.savez_compressed` write them.
 *
 * @param bytes - the whole file.
 * @returns the arrays by name, as {@link decodeNpy} reads each.
 * @throws SidError `corrupt-file` for a file that is cut off, damaged, or no archive of arrays; `unsupported` naming the
 *   array of a type that is not read.
 *
 * @example
 * ```ts
 * import { decodeNpz, encodeNpz } from "sid-lsg/io";
 *
 * const bytes = encodeNpz(new Map([["mu", { dtype: "F64", shape: [2], data: new Float64Array([0.5, -1]) }]]));
 * console.log((await decodeNpz(bytes)).get("mu")?.data); // Float64Array [0.5, -1]
 * ```
 */
export async function decodeNpz(bytes: Uint8Array): Promise<WeightMap> {
  return parseNpz("decodeNpz", memorySource("decodeNpz", bytes));
}

/** {@link decodeNpz} on behalf of the function that messages name. */
export async function parseNpz(where: string, source: ByteSource): Promise<WeightMap> {
  const { names, read } = await openNpz(where, source);
  const arrays = new Map<string, HostTensor>();
  for (const name of names) arrays.set(name, await read(name));
  return arrays;
}

/** The names in an archive of arrays, and how to read one: beside a file's statistics there may be all its pictures. */
export async function openNpz(where: string, source: ByteSource) {
  const head = await take(where, source, 0, Math.min(headBytes, source.size));
  if (isNpy(head))
    throw corrupt(where, "wanted a .npz file, the file is one array of NumPy (.npy): read it with readNpy");
  if (head[0] !== 0x50 || head[1] !== 0x4b) {
    const found = identify(head, source.size, "npz") ?? "none";
    throw corrupt(where, `wanted arrays of NumPy in a zip archive (.npz), the file is ${found}`);
  }
  const zip = await openZip(where, source);
  const files = [...zip.entries.keys()];
  const other = files.find((name) => !name.endsWith(".npy"));
  if (other !== undefined)
    throw corrupt(where, `wanted arrays of NumPy (.npy) in the archive, there is ${describe(other)}`);
  return {
    names: files.map((name) => name.slice(0, -".npy".length)),
    read: async (name: string): Promise<HostTensor> =>
      parseNpy(`${where}: array ${describe(name)}`, await zip.read(`${name}.npy`)),
  };
}

/**
 * Writes arrays as the bytes of a `.npz` file that `numpy.load` reads: the same arrays in the same order give the same
 * bytes. They are stored, not compressed, as `numpy.savez` does.
 *
 * @param arrays - by name, as {@link encodeNpy} takes each.
 * @returns the whole file.
 * @throws SidError `invalid-argument` or `shape-mismatch` naming the array that cannot be written; `unsupported` for
 *   BF16, and for more than 4 GB.
 *
 * @example
 * ```ts
 * import { encodeNpz } from "sid-lsg/io";
 *
 * console.log(encodeNpz(new Map([["count", { dtype: "I32", shape: [], data: new Int32Array([7]) }]])).length); // 248
 * ```
 */
export function encodeNpz(arrays: WeightMap): Uint8Array {
  return npzBytes("encodeNpz", arrays);
}

/** {@link encodeNpz} on behalf of the function that messages name. */
export function npzBytes(where: string, arrays: WeightMap): Uint8Array {
  checkTensors(where, arrays);
  const total = [...arrays.values()].reduce((sum, { data }) => sum + data.byteLength, 0);
  if (total > mostBytes)
    throw new SidError("unsupported", `${where}: ${total} bytes of arrays; at most ${mostBytes} fit one .npz file.`);
  for (const name of arrays.keys())
    if (name === "" || name.length > longestName)
      throw new SidError("invalid-argument", `${where}: array ${describe(name)} needs another name.`);
  const files = [...arrays].map(([name, array]) => [`${name}.npy`, npyBytes(where, `array ${describe(name)}`, array)]);
  return zipSync(Object.fromEntries(files), { level: 0, mtime: new Date(1980, 0, 1) });
}

/** Bytes in memory, as a source. */
export function memorySource(where: string, bytes: Uint8Array): ByteSource {
  if (!(bytes instanceof Uint8Array))
    throw new SidError("invalid-argument", `${where}: bytes must be a Uint8Array, got ${describe(bytes)}.`);
  return {
    name: "bytes",
    size: bytes.length,
    async read(begin, end) {
      checkSpan(where, bytes.length, begin, end);
      return bytes.slice(begin, end);
    },
    async close() {},
  };
}
