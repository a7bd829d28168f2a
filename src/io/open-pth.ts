import { checkObject, checkText, describe } from "../core/checks";
import { SidError } from "../core/errors";
import type { HostDtype, HostTensor, WeightInfo, WeightSource } from "../core/host-tensor";
import { type ByteSource, checkByteSource, take } from "./byte-source";
import { headBytes, identify } from "./first-bytes";
import { legacyRecords } from "./pth-legacy";
import { type PthStorage, type PthTensor, pthElementBytes } from "./pth-names";
import { type PthRecords, zipRecords } from "./pth-zip";
import { decodeElements } from "./safetensors";
import { checkReadable, corrupt, countElements } from "./safetensors-header";
import { stateDict } from "./state-dict";
import { contiguous, swapped } from "./strided";

/** Options of {@link openPth} and `readPth`. */
export interface PthOptions {
  /**
   * The dictionary in the file that holds the tensors, such as `"ema"`, or `"ema.params"` for one within another.
   * @defaultValue the outermost that holds tensors itself; on the way to it `state_dict`, else the only one with tensors
   */
  readonly key?: string | undefined;
}

/** Bytes that the tensors of any file may have, and how many times its own size those of a larger one may. */
const [mostOfSmall, mostTimes] = [2 ** 26, 16];
/** The same of storages, which PyTorch does not pack: no weights pack as well. */
const mostUnpacked = 2 ** 20;

/**
 * Opens a file that PyTorch's `torch.save` wrote: `.pth`, `.pt`, `.bin`, `.ckpt`, in the zip format of PyTorch 1.6 and
 * later or the one before. Such a file is a pickle, a program for Python; here nothing of it is executed. Tensors,
 * parameters, dictionaries and plain values are read, and a file that names anything else, such as `posix.system`, is refused
 * by that name. The pickle is read at once, the tensors one by one when they are asked for.
 *
 * Names are those of the state dict. Values that are no tensors are left out. Views of shared storages come out
 * contiguous and with memory of their own.
 *
 * Sources: pytorch/pytorch torch/serialization.py, torch/_utils.py.
 *
 * @param source - the file. It is closed with what is returned; after an error it is still the caller's.
 * @param options - which of several dictionaries.
 * @returns names, types and shapes, and how to read them.
 * @throws SidError `unsupported` for what the pickle names beyond tensors, and for archives of TorchScript; `corrupt-file`
 *   for a file that is cut off, damaged, or claims more than it has; `invalid-argument` where the key is not in it, or
 *   is missing among several; and what the source throws.
 *
 * @example
 * ```ts
 * import { openPth, urlSource } from "sid-lsg/io";
 *
 * async function shapes(address: string): Promise<void> {
 *   const file = await openPth(await urlSource(address));
 *   for (const [name, { dtype, shape }] of file.entries) console.log(name, dtype, shape);
 *   await file.close();
 * }
 * ```
 */
export async function openPth(source: ByteSource, options: PthOptions = {}): Promise<WeightSource> {
  checkByteSource("openPth", source);
  return parsePth(`openPth ${source.name}`, source, options);
}

/** {@link openPth} on behalf of the function that messages name. */
export async function parsePth(where: string, source: ByteSource, options: PthOptions): Promise<WeightSource> {
  const { key } = checkObject(where, "options", options, { key: 1 });
  if (key !== undefined) checkText(where, "options.key", key);
  const records = await recordsOf(where, source);
  const tensors = stateDict(where, records.value, key);
  const entries = new Map<string, WeightInfo>();
  const storages = new Map<string, number>();
  let bytes = 0;
  for (const [name, { storage, dtype, shape }] of tensors) {
    records.check(`tensor ${describe(name)}`, storage, storageBytes(storage));
    storages.set(storage.key, storageBytes(storage));
    entries.set(name, { dtype, shape });
    bytes += countElements(shape) * (pthElementBytes[dtype] ?? 1);
  }
  const unpacked = [...storages.values()].reduce((sum, storage) => sum + storage, 0);
  if (unpacked > Math.max(mostUnpacked, mostTimes * source.size))
    throw corrupt(
      where,
      `its storages unpack to ${unpacked} bytes, the file has ${source.size}: weights do not pack so well. Where that is meant, save them again in PyTorch, which packs nothing`,
    );
  if (bytes > Math.max(mostOfSmall, mostTimes * source.size))
    throw corrupt(
      where,
      `its tensors would take ${bytes} bytes, the file has ${source.size}: views that repeat their elements so often are not unrolled. Save them with .clone() where that is meant`,
    );
  const read = remembering((storage: PthStorage) => records.read(storage, storageBytes(storage)));
  return {
    entries,
    async read(name) {
      const tensor = tensors.get(name);
      if (!tensor) throw new SidError("invalid-argument", `${where}: there is no tensor ${describe(name)}.`);
      const dtype = checkReadable(where, name, tensor.dtype);
      return decoded(where, tensor, dtype, await read(tensor.storage), records.bigEndian);
    },
    close: () => source.close(),
  };
}

/** The format of the file, by its first bytes. */
async function recordsOf(where: string, source: ByteSource): Promise<PthRecords> {
  const head = await take(where, source, 0, Math.min(headBytes, source.size));
  if (head[0] === 0x50 && head[1] === 0x4b) return zipRecords(where, source);
  if (head[0] === 0x80) return legacyRecords(where, source);
  const found = identify(head, source.size, "pth") ?? "none";
  throw corrupt(where, `wanted a file of PyTorch's torch.save, the file is ${found}`);
}

function decoded(
  where: string,
  { shape, strides, offset, storage }: PthTensor,
  dtype: HostDtype,
  bytes: Uint8Array<ArrayBuffer>,
  bigEndian: boolean,
): HostTensor {
  const size = pthElementBytes[dtype] ?? 1;
  const elements = contiguous(where, bytes, size, { shape, strides, offset: offset + (storage.view?.begin ?? 0) });
  return { dtype, shape, data: decodeElements(dtype, bigEndian ? swapped(elements, size) : elements) };
}

function storageBytes({ dtype, count }: PthStorage): number {
  return count * (dtype === undefined ? 1 : (pthElementBytes[dtype] ?? 1));
}

/** Keeps what was read last: tensors that share a storage follow each other. */
function remembering<T>(read: (storage: PthStorage) => Promise<T>): (storage: PthStorage) => Promise<T> {
  let last: { readonly key: string; readonly value: T } | undefined;
  return async (storage) => {
    if (last?.key !== storage.key) {
      last = undefined;
      last = { key: storage.key, value: await read(storage) };
    }
    return last.value;
  };
}
