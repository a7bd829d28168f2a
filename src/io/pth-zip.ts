import { describe } from "../core/checks";
import { SidError } from "../core/errors";
import type { ByteSource } from "./byte-source";
import { EndOfPickle, readPickle } from "./pickle";
import { type PthStorage, pthNames } from "./pth-names";
import { corrupt } from "./safetensors-header";
import { openZip } from "./zip";

/** What a file of PyTorch holds: a value with tensors in it, and the storages to which they refer. */
export interface PthRecords {
  readonly value: unknown;
  /** Whether the elements' bytes lie the other way round. */
  readonly bigEndian: boolean;
  /** Throws unless the record of a storage is there and has as many bytes. */
  check(what: string, storage: PthStorage, bytes: number): void;
  /** The bytes of a storage's record; not to be changed. */
  read(storage: PthStorage, bytes: number): Promise<Uint8Array<ArrayBuffer>>;
}

/** No pickle of tensors is longer: it has some hundred bytes for each. */
export const mostPickleBytes = 2 ** 26;

/** The format of PyTorch 1.6 and later: a zip archive of a pickle `data.pkl` and one file for each storage. */
export async function zipRecords(where: string, source: ByteSource): Promise<PthRecords> {
  const zip = await openZip(where, source);
  const names = [...zip.entries.keys()];
  const pickles = names.filter((name) => /^([^/]+\/)?data\.pkl$/.test(name));
  const [pickle] = pickles;
  if (pickle === undefined || pickles.length > 1)
    throw corrupt(
      where,
      `wanted a file of PyTorch's torch.save, which is a zip archive of one data.pkl; this one holds ${names.length} other files, such as ${describe(names[0])}`,
    );
  const folder = pickle.slice(0, -"data.pkl".length);
  if (zip.entries.has(`${folder}constants.pkl`))
    throw new SidError(
      "unsupported",
      `${where}: an archive of TorchScript, which holds code. Save its tensors alone: in PyTorch, torch.save(torch.jit.load(path).state_dict(), "weights.pth").`,
    );
  checkPickleSize(where, zip.entries.get(pickle)?.size ?? 0);
  const order = zip.entries.get(`${folder}byteorder`);
  if (order && order.size > 16)
    throw corrupt(where, `the file byteorder must be little or big, it has ${order.size} bytes`);
  const bigEndian = isBigEndian(where, order && (await zip.read(order.name)));
  const value = parse(where, await zip.read(pickle));
  const place = ({ key }: PthStorage) => `${folder}data/${key}`;
  return {
    value,
    bigEndian,
    check(what, storage, bytes) {
      const entry = zip.entries.get(place(storage));
      if (!entry) throw corrupt(where, `${what} lies in ${describe(place(storage))}, which the archive lacks`);
      if (entry.size !== bytes)
        throw corrupt(where, `${what} lies in ${describe(place(storage))}: wanted ${bytes} bytes, got ${entry.size}`);
    },
    read: (storage) => zip.read(place(storage)),
  };
}

/** Throws where a pickle is too long to be one of tensors. */
export function checkPickleSize(where: string, bytes: number): void {
  if (bytes > mostPickleBytes)
    throw new SidError("unsupported", `${where}: a pickle of ${bytes} bytes; at most ${mostPickleBytes} are read.`);
}

function parse(where: string, pickle: Uint8Array): unknown {
  try {
    return readPickle(where, pickle, 0, pthNames(where)).value;
  } catch (error) {
    throw error instanceof EndOfPickle ? corrupt(where, "the pickle in the archive is cut off", error) : error;
  }
}

function isBigEndian(where: string, file: Uint8Array | undefined): boolean {
  const order = file === undefined ? "little" : new TextDecoder().decode(file);
  if (order !== "little" && order !== "big")
    throw corrupt(where, `the file byteorder must be little or big, got ${describe(order)}`);
  return order === "big";
}
