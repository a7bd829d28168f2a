/** A reducer for ranks that are threads of one process: it adds up in shared memory. */
import { SidError } from "../../../src/core";
import type { Reducer } from "../../../src/distributed/types";

/** The memory that all ranks of a world share. */
export interface World {
  readonly size: number;
  /** Ranks that have arrived, turns so far, and who ended the run: its rank + 1. */
  readonly control: Int32Array;
  /** A place of equal length for each rank. */
  readonly data: SharedArrayBuffer;
}

const placeBytes = 2 ** 16;

export function worldOf(size: number): World {
  return {
    size,
    control: new Int32Array(new SharedArrayBuffer(12)),
    data: new SharedArrayBuffer(size * placeBytes),
  };
}

/** Counts what it is asked for by `onCall`. */
export function sharedReducer({ size, control, data }: World, rank: number, onCall: () => void = () => {}): Reducer {
  const lost = () => {
    const by = Atomics.load(control, 2);
    if (by > 0) throw new SidError("rank-lost", `shared memory: rank ${by - 1} ended the run.`);
  };
  const arrive = () => {
    lost();
    const turn = Atomics.load(control, 1);
    if (Atomics.add(control, 0, 1) + 1 === size) {
      Atomics.store(control, 0, 0);
      Atomics.add(control, 1, 1);
      Atomics.notify(control, 1);
    } else
      while (Atomics.load(control, 1) === turn) {
        Atomics.wait(control, 1, turn, 20);
        if (Atomics.load(control, 1) === turn) lost();
      }
  };
  const place = (of: number) => new Uint8Array(data, of * placeBytes, placeBytes);
  /** Exchanges bytes piece by piece; `take` sees the pieces of all ranks. */
  const exchange = (bytes: Uint8Array, take: (at: number, length: number) => void) => {
    onCall();
    arrive();
    for (let at = 0; at < bytes.length; at += placeBytes) {
      const piece = bytes.subarray(at, at + placeBytes);
      place(rank).set(piece);
      arrive();
      take(at, piece.length);
      arrive();
    }
  };
  const allReduceSync = (own: Float32Array) => {
    exchange(new Uint8Array(own.buffer, own.byteOffset, own.byteLength), (at, length) => {
      const sums = own.subarray(at / 4, (at + length) / 4).fill(0);
      for (let other = 0; other < size; other++) {
        const theirs = new Float32Array(data, other * placeBytes, sums.length);
        for (let i = 0; i < sums.length; i++) sums[i] = (sums[i] as number) + (theirs[i] as number);
      }
    });
  };
  const gather = (own: Uint8Array): Uint8Array => {
    const all = new Uint8Array(own.length * size);
    exchange(own, (at, length) => {
      for (let other = 0; other < size; other++) all.set(place(other).subarray(0, length), other * own.length + at);
    });
    return all;
  };
  return {
    ...{ name: "shared memory", rank, size, allReduceSync },
    allReduce: async (own) => allReduceSync(own),
    allGather: async (own) => gather(own),
    async broadcast(own, root = 0) {
      own.set(gather(own).subarray(root * own.length, (root + 1) * own.length));
    },
    async barrier() {
      arrive();
    },
    abort() {
      Atomics.compareExchange(control, 2, 0, rank + 1);
      Atomics.notify(control, 1);
    },
    close: async () => {},
  };
}
