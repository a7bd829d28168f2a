import type { HostTensor, WeightMap } from "../core/host-tensor";
import { located, openFile } from "./disk";
import { writeFileAtomic } from "./files";
import { npyBytes, parseNpy } from "./npy";
import { npzBytes, parseNpz } from "./npz";

/**
 * Reads a `.npz` file, arrays of NumPy by name. Node only.
 *
 * @param path - the file.
 * @returns the arrays, as {@link decodeNpz} reads them.
 * @throws SidError `io` where the file cannot be read; otherwise as {@link decodeNpz}.
 *
 * @example
 * ```ts
 * import { readNpz, writeNpz } from "sid-lsg/io";
 *
 * await writeNpz("arrays.npz", new Map([["x", { dtype: "F32", shape: [1, 2], data: new Float32Array([3, 4]) }]]));
 * console.log((await readNpz("arrays.npz")).get("x")?.shape); // [1, 2]
 * ```
 */
export async function readNpz(path: string): Promise<WeightMap> {
  const source = await openFile("readNpz", path);
  try {
    return await parseNpz(`readNpz ${source.name}`, source);
  } finally {
    await source.close();
  }
}

/**
 * Writes a `.npz` file atomically: a reader sees the old file or the whole new one. Node only.
 *
 * @param path - the file; its folder must exist.
 * @param arrays - by name, as {@link encodeNpz} takes them.
 * @throws SidError `io` where the file cannot be written; otherwise as {@link encodeNpz}.
 *
 * @example
 * ```ts
 * import { writeNpz } from "sid-lsg/io";
 *
 * await writeNpz("counts.npz", new Map([["counts", { dtype: "I32", shape: [2], data: new Int32Array([3, 4]) }]]));
 * ```
 */
export async function writeNpz(path: string, arrays: WeightMap): Promise<void> {
  await writeFileAtomic(path, npzBytes(located("writeNpz", path), arrays));
}

/**
 * Reads a `.npy` file, one array of NumPy. Node only.
 *
 * @param path - the file.
 * @returns the array, as {@link decodeNpy} reads it.
 * @throws SidError `io` where the file cannot be read; otherwise as {@link decodeNpy}.
 *
 * @example
 * ```ts
 * import { readNpy, writeNpy } from "sid-lsg/io";
 *
 * await writeNpy("x.npy", { dtype: "U8", shape: [2], data: new Uint8Array([3, 4]) });
 * console.log((await readNpy("x.npy")).data); // Uint8Array [3, 4]
 * ```
 */
export async function readNpy(path: string): Promise<HostTensor> {
  const source = await openFile("readNpy", path);
  try {
    return parseNpy(`readNpy ${source.name}`, await source.read(0, source.size));
  } finally {
    await source.close();
  }
}

/**
 * Writes a `.npy` file atomically: a reader sees the old file or the whole new one. Node only.
 *
 * @param path - the file; its folder must exist.
 * @param array - as {@link encodeNpy} takes it.
 * @throws SidError `io` where the file cannot be written; otherwise as {@link encodeNpy}.
 *
 * @example
 * ```ts
 * import { writeNpy } from "sid-lsg/io";
 *
 * await writeNpy("x.npy", { dtype: "F64", shape: [2], data: new Float64Array([3, 4]) });
 * ```
 */
export async function writeNpy(path: string, array: HostTensor): Promise<void> {
  await writeFileAtomic(path, npyBytes(located("writeNpy", path), "array", array));
}
