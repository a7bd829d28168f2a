import { Inflate } from "fflate";
import { describe } from "../core/checks";
import { SidError } from "../core/errors";
import { allocate, type ByteSource, messageOf, take } from "./byte-source";
import { crc32 } from "./crc32";
import { corrupt } from "./safetensors-header";

/** A file of a zip archive, as the archive's directory has it. */
export interface ZipEntry {
  readonly name: string;
  /** Bytes when unpacked. */
  readonly size: number;
}

/** A zip archive whose directory was read and checked, its files not yet. */
export interface ZipArchive {
  /** By name, in the order of the directory. */
  readonly entries: ReadonlyMap<string, ZipEntry>;
  /** Unpacks one file and checks it against its CRC. */
  read(name: string): Promise<Uint8Array<ArrayBuffer>>;
}

interface Entry extends ZipEntry {
  readonly method: number;
  readonly crc: number;
  readonly packed: number;
  /** Where its own header begins. */
  readonly at: number;
}

/** Whose bytes end where others begin. */
interface PlacedEntry extends Entry {
  readonly end: number;
}

const again = "Was its download broken off? Fetch it again";
/** No stream of DEFLATE gives more than this many bytes for one. */
const mostPerByte = 1032;
/** As much is unpacked at once. */
const chunkBytes = 65536;

/**
 * Opens a zip archive by its directory, which lies at its end, and reads its files by offset: a checkpoint of many GB is
 * never in memory whole. (The well-kept packages want an archive in memory, or as a stream; DEFLATE itself is fflate's.)
 * Nothing is believed: the files must lie within the archive and not on each other, by the directory as it is opened
 * and with their own headers as they are read, and no size is allocated that the bytes at hand cannot give.
 *
 * Source: PKWARE's APPNOTE.TXT 6.3.10, sections 4.3.7, 4.3.12, 4.3.14 to 4.3.16, 4.5.3.
 */
export async function openZip(where: string, source: ByteSource): Promise<ZipArchive> {
  const { count, size, at } = await findDirectory(where, source);
  const directory = viewOf(await take(where, source, at, at + size));
  const entries = new Map<string, Entry>();
  let read = 0;
  for (let i = 0; i < count; i++) {
    const { entry, length } = parseEntry(where, directory, read, at);
    if (entries.has(entry.name)) throw corrupt(where, `the archive holds ${describe(entry.name)} twice`);
    entries.set(entry.name, entry);
    read += length;
  }
  const files = placed(where, [...entries.values()], at);
  return {
    entries,
    async read(name) {
      const entry = files.get(name);
      if (!entry) throw new SidError("invalid-argument", `${where}: there is no file ${describe(name)}.`);
      const file = `${where}: ${describe(name)} in the archive`;
      const header = viewOf(await take(where, source, entry.at, entry.at + 30));
      if (header.getUint32(0, true) !== 0x04034b50) throw corrupt(file, "its header is damaged");
      const start = entry.at + 30 + header.getUint16(26, true) + header.getUint16(28, true);
      if (start + entry.packed > entry.end)
        throw corrupt(file, `it ends in the archive's ${entry.end === at ? "directory" : "next file"}. ${again}`);
      const packed = await take(where, source, start, start + entry.packed);
      const bytes = entry.method === 8 ? inflate(file, packed, entry.size) : packed;
      if (crc32(bytes) !== entry.crc) throw corrupt(file, `its bytes do not have its CRC. ${again}`);
      return bytes;
    },
  };
}

/** Where the directory lies and how many files it lists, from the record at the end. */
async function findDirectory(where: string, source: ByteSource) {
  const { size } = source;
  const begin = Math.max(0, size - 22 - 0xffff);
  const tail = viewOf(await take(where, source, begin, size));
  let end = tail.byteLength - 22;
  const isEnd = () =>
    tail.getUint32(end, true) === 0x06054b50 && end + 22 + tail.getUint16(end + 20, true) === tail.byteLength;
  while (end >= 0 && !isEnd()) end--;
  if (end < 0) throw corrupt(where, `the archive's directory, which ends a zip file, is missing. ${again}`);
  const disks = [tail.getUint16(end + 4, true), tail.getUint16(end + 6, true)];
  let found = {
    count: tail.getUint16(end + 10, true),
    size: tail.getUint32(end + 12, true),
    at: tail.getUint32(end + 16, true),
  };
  let limit = begin + end;
  if (found.count === 0xffff || found.size === 0xffffffff || found.at === 0xffffffff) {
    if (end >= 20 && tail.getUint32(end - 20, true) === 0x07064b50) {
      const record = integer(where, tail, end - 12);
      if (record + 56 > limit - 20) throw corrupt(where, "its 64-bit directory lies outside the file");
      const long = viewOf(await take(where, source, record, record + 56));
      if (long.getUint32(0, true) !== 0x06064b50) throw corrupt(where, "the record of its 64-bit directory is damaged");
      found = { count: integer(where, long, 32), size: integer(where, long, 40), at: integer(where, long, 48) };
      limit = record;
    }
  }
  if (disks.some((disk) => disk !== 0 && disk !== 0xffff))
    throw new SidError("unsupported", `${where}: the archive is in several parts: join them first.`);
  if (found.at + found.size > limit || found.count * 46 > found.size)
    throw corrupt(where, `the archive's directory of ${found.count} files does not fit the file. ${again}`);
  return found;
}

/** One entry of the directory, which itself lies at `limit` in the file. */
function parseEntry(where: string, directory: DataView, at: number, limit: number) {
  const rest = directory.byteLength - at;
  const lengths = (k: number) => directory.getUint16(at + k, true);
  const length = rest < 46 ? Infinity : 46 + lengths(28) + lengths(30) + lengths(32);
  if (length > rest || directory.getUint32(at, true) !== 0x02014b50)
    throw corrupt(where, "the archive's directory is damaged");
  const nameAt = directory.byteOffset + at + 46;
  const name = new TextDecoder().decode(new Uint8Array(directory.buffer, nameAt, lengths(28)));
  const file = `${where}: ${describe(name)} in the archive`;
  if (lengths(8) & 1) throw new SidError("unsupported", `${file} is encrypted: unpack it first.`);
  const extra = new DataView(directory.buffer, nameAt + lengths(28), lengths(30));
  const long = longFields(extra);
  const field = (k: number): number => {
    const value = directory.getUint32(at + k, true);
    if (value !== 0xffffffff) return value;
    const next = long.shift();
    return next === undefined ? value : integer(where, extra, next);
  };
  // The order in which the longer fields stand.
  const size = field(24);
  const packed = field(20);
  const offset = field(42);
  const method = lengths(10);
  if (method !== 0 && method !== 8)
    throw new SidError("unsupported", `${file} is packed by method ${method}: only stored and deflated ones are read.`);
  if (offset + 30 + packed > limit)
    throw corrupt(file, `it ends at byte ${offset + 30 + packed}, the archive at ${limit}. ${again}`);
  if (method === 0 ? size !== packed : size > packed * mostPerByte)
    throw corrupt(file, `it claims to be ${size} bytes out of ${packed}`);
  return { length, entry: { name, size, packed, method, at: offset, crc: directory.getUint32(at + 16, true) } };
}

/** Where the fields of 64 bits stand in an entry's further data. */
function longFields(extra: DataView): number[] {
  for (let at = 0; at + 4 <= extra.byteLength; at += 4 + extra.getUint16(at + 2, true)) {
    const length = Math.min(extra.getUint16(at + 2, true), extra.byteLength - at - 4);
    if (extra.getUint16(at, true) === 1) return Array.from({ length: length >> 3 }, (_, i) => at + 4 + 8 * i);
  }
  return [];
}

/** Throws where two files share bytes, as in archives that are made to grow without end. */
function placed(where: string, entries: readonly Entry[], directory: number): ReadonlyMap<string, PlacedEntry> {
  const sorted = [...entries].sort((a, b) => a.at - b.at);
  const files = new Map<string, PlacedEntry>();
  for (const [i, entry] of sorted.entries()) {
    const end = sorted[i + 1]?.at ?? directory;
    if (entry.at + 30 + entry.packed > end)
      throw corrupt(where, `in the archive, ${describe(entry.name)} lies on ${describe(sorted[i + 1]?.name)}`);
    files.set(entry.name, { ...entry, end });
  }
  return files;
}

function inflate(file: string, packed: Uint8Array, size: number): Uint8Array<ArrayBuffer> {
  const bytes = allocate(file, size);
  let at = 0;
  const stream = new Inflate((chunk) => {
    if (at + chunk.length > size) throw corrupt(file, `it unpacks to more than the ${size} bytes that it claims`);
    bytes.set(chunk, at);
    at += chunk.length;
  });
  try {
    for (let from = 0; from < packed.length; from += chunkBytes)
      stream.push(packed.subarray(from, from + chunkBytes), from + chunkBytes >= packed.length);
  } catch (cause) {
    if (cause instanceof SidError) throw cause;
    throw corrupt(file, `it does not unpack: ${messageOf(cause)}`, cause);
  }
  if (at !== size) throw corrupt(file, `it unpacks to ${at} bytes and claims ${size}`);
  return bytes;
}

function integer(where: string, view: DataView, at: number): number {
  const value = Number(view.getBigUint64(at, true));
  if (!Number.isSafeInteger(value)) throw corrupt(where, `the archive claims a place or size of ${value}`);
  return value;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
