import { closeSync, fstatSync, fsyncSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import { shown } from "../../common/paths";

/** Vectors of float32 in a file, one after another, so that memory does not grow with the pictures. */
export interface Rows {
  readonly count: number;
  readonly dimension: number;
  /** Those from `from` up to before `to`. */
  read(from: number, to: number): Float32Array;
}

/** Rows that grow. */
export interface RowFile extends Rows {
  append(rows: Float32Array): void;
  /** Forgets rows behind the first `count`; throws where there are fewer. */
  keep(count: number): void;
  /** Waits until the disk has them. */
  sync(): void;
  close(): void;
}

/** Rows that are read in one go, as files of hundreds of megabytes are streamed. */
const blockRows = 512;

/** Opens a file of rows; creates it unless it is there. */
export function openRows(path: string, dimension: number, mode: "read" | "write"): RowFile {
  const fd = openSync(path, mode === "read" ? "r" : "a+");
  const bytes = 4 * dimension;
  const count = () => Math.floor(fstatSync(fd).size / bytes);
  return {
    dimension,
    get count() {
      return count();
    },
    read(from, to) {
      const rows = new Float32Array((to - from) * dimension);
      const buffer = Buffer.from(rows.buffer);
      for (let done = 0; done < buffer.length; ) {
        const got = readSync(fd, buffer, done, buffer.length - done, from * bytes + done);
        if (got === 0) throw new Error(`${path} ends before row ${to}: it was cut off.`);
        done += got;
      }
      const at = rows.findIndex((x) => !Number.isFinite(x));
      if (at >= 0)
        throw new Error(
          `${shown(path)}: the vector of picture ${from + Math.floor(at / dimension) + 1} holds ${rows[at]}: the file is damaged, ` +
            "or the network was; evaluate anew in another --out.",
        );
      return rows;
    },
    append(rows) {
      const buffer = Buffer.from(rows.buffer, rows.byteOffset, rows.byteLength);
      for (let at = 0; at < buffer.length; ) at += writeSync(fd, buffer, at);
    },
    keep(wanted) {
      if (count() < wanted)
        throw new Error(`${path} holds ${count()} rows, fewer than the ${wanted} that were saved: it was cut off.`);
      ftruncateSync(fd, wanted * bytes);
    },
    sync: () => fsyncSync(fd),
    close: () => closeSync(fd),
  };
}

/** All rows, some at a time. */
export function* blocksOf(rows: Rows, size: number = blockRows): Generator<Float32Array> {
  for (let from = 0; from < rows.count; from += size) yield rows.read(from, Math.min(from + size, rows.count));
}

/** At most so many of the rows, evenly spread over all of them. */
export function spread(rows: Rows, most: number): Float32Array {
  const count = Math.min(most, rows.count);
  const some = new Float32Array(count * rows.dimension);
  for (let i = 0; i < count; i++) {
    const from = Math.floor((i * rows.count) / count);
    some.set(rows.read(from, from + 1), i * rows.dimension);
  }
  return some;
}
