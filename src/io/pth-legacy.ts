import { describe } from "../core/checks";
import { type ByteSource, take } from "./byte-source";
import { EndOfPickle, readPickle } from "./pickle";
import { type PthStorage, pthElementBytes, pthNames } from "./pth-names";
import { mostPickleBytes, type PthRecords } from "./pth-zip";
import { corrupt } from "./safetensors-header";

/** What each file begins with, as a pickle. */
const magic = 0x1950a86a20f9469cfc6cn;
const version = 1001;
/** As much is read at first in search of the pickles' end. */
const firstWindow = 2 ** 18;

/**
 * The format of before PyTorch 1.6: five pickles (a magic number, a version, facts of the machine, the value, the keys of
 * its storages), then each storage as a count of elements and its elements. These are little-endian on every machine.
 * Where the storages lie follows from the pickle; each count is compared with it when its storage is read, so that opening a
 * file over a network asks for its beginning alone.
 */
export async function legacyRecords(where: string, source: ByteSource): Promise<PthRecords> {
  const storages = new Map<string, PthStorage>();
  const { value, keys, end } = await readPickles(where, source, storages);
  if (!Array.isArray(keys) || !keys.every((key): key is string => typeof key === "string"))
    throw corrupt(where, `the list of storages is ${describe(keys)}`);
  const places = new Map<string, { readonly begin: number; readonly count: number; readonly bytes: number }>();
  let at = end;
  for (const key of keys) {
    const what = `storage ${describe(key)}`;
    const storage = storages.get(key);
    if (!storage || places.has(key)) throw corrupt(where, `${what} is listed, and no tensor or another is in it`);
    if (at + 8 > source.size) throw corrupt(where, `${what} is not there: the file is cut off. Fetch it again`);
    const bytes = storage.count * (storage.dtype === undefined ? 1 : (pthElementBytes[storage.dtype] ?? 1));
    if (at + 8 + bytes > source.size)
      throw corrupt(
        where,
        `${what} ends at byte ${at + 8 + bytes}, the file at ${source.size}: it is cut off. Fetch it again`,
      );
    places.set(key, { begin: at, count: storage.count, bytes });
    at += 8 + bytes;
  }
  return {
    value,
    bigEndian: false,
    check(what, { key }, bytes) {
      const place = places.get(key);
      if (place?.bytes !== bytes)
        throw corrupt(
          where,
          `${what} lies in storage ${describe(key)}: wanted ${bytes} bytes, got ${place?.bytes ?? "none"}`,
        );
    },
    async read({ key }) {
      const { begin = 0, count = 0, bytes = 0 } = places.get(key) ?? {};
      const record = await take(where, source, begin, begin + 8 + bytes);
      const found = new DataView(record.buffer).getBigInt64(0, true);
      if (found !== BigInt(count))
        throw corrupt(where, `storage ${describe(key)} has ${found} elements, the pickle says ${count}`);
      // In place: a second copy of a large storage is not needed.
      return new Uint8Array(record.copyWithin(0, 8).buffer, 0, bytes);
    },
  };
}

/** Reads the pickles out of a window at the file's start, which grows until they end in it. */
async function readPickles(where: string, source: ByteSource, storages: Map<string, PthStorage>) {
  const names = pthNames(where);
  const keeping = {
    ...names,
    persistent(id: unknown) {
      const storage = names.persistent(id) as PthStorage;
      storages.set(storage.key, storage);
      return storage;
    },
  };
  for (let window = Math.min(firstWindow, source.size); ; window = Math.min(window * 4, source.size)) {
    const bytes = await take(where, source, 0, window);
    try {
      const first = readPickle(where, bytes, 0, names);
      if (first.value !== magic)
        throw corrupt(where, "it is a pickle, but none of PyTorch's torch.save, which alone are read");
      const second = readPickle(where, bytes, first.end, names);
      if (second.value !== version)
        throw corrupt(where, `its version must be ${version}, got ${describe(second.value)}`);
      const machine = readPickle(where, bytes, second.end, names);
      const state = readPickle(where, bytes, machine.end, keeping);
      const last = readPickle(where, bytes, state.end, names);
      return { value: state.value, keys: last.value, end: last.end };
    } catch (error) {
      if (!(error instanceof EndOfPickle)) throw error;
      if (window === source.size)
        throw corrupt(where, "its pickle is cut off. Was its download broken off? Fetch it again", error);
      if (window >= mostPickleBytes) throw corrupt(where, `its pickle does not end within ${window} bytes`, error);
    }
  }
}
