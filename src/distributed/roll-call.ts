import type { MpiLibrary } from "./mpi-library";

/** A call that all ranks make together. */
export interface Call {
  readonly kind: (typeof kinds)[number];
  /** Numbers of float32, or bytes. */
  readonly length: number;
  readonly root: number;
}

const kinds = ["allReduce", "allReduceSync", "allGather", "broadcast", "barrier", "close"] as const;

/** What a rank says before a call: how many calls it made with this one, the kind, the length, the root. */
const fields = 4;

/** Marks these messages among any others of the communicator. */
const tag = 1606;

/** Who takes part in a call, as rank 0 knows it. */
export interface RollCall {
  /** Says to rank 0 that this rank makes the call. */
  announce(call: Call): void;
  /** Whether all announcements have arrived, on rank 0; whether it is on its way, on others. */
  isOver(): boolean;
  /** Resolves when {@link isOver}. */
  over(): Promise<void>;
  /** On rank 0: ranks that do not make the call, as far as is known. Asks MPI nothing. */
  missing(): readonly number[];
  /** On rank 0: the first rank that makes another call than this one, in words. Asks MPI nothing. */
  different(): string | undefined;
}

/**
 * Every rank tells rank 0 which call it makes, by a message of 32 bytes. Rank 0 posts its receives before it makes the
 * call itself: while it then waits, on whatever thread, MPI writes what arrives into its memory, where `missing` can be
 * read at any time without calling MPI, which one thread at a time may do.
 */
export function rollCall(mpi: MpiLibrary, rank: number, size: number): RollCall {
  const { world, byte, statusIgnore, requestSize } = mpi.handles;
  const count = rank === 0 ? size - 1 : 1;
  // On buffers of their own: V8 moves small arrays that are made without one, and MPI keeps addresses.
  const requests = new Uint8Array(new ArrayBuffer(count * requestSize));
  const requestOf = Array.from({ length: count }, (_, i) => requests.subarray(i * requestSize, (i + 1) * requestSize));
  const bytes = fields * Float64Array.BYTES_PER_ELEMENT;
  const own = new Float64Array(new ArrayBuffer(bytes));
  const heard = new Float64Array(new ArrayBuffer(size * bytes));
  const heardOf = Array.from({ length: size }, (_, i) => heard.subarray(i * fields, (i + 1) * fields));
  const over = new Int32Array(1);
  let calls = 0;

  return {
    announce({ kind, length, root }) {
      own.set([++calls, kinds.indexOf(kind), length, root]);
      if (rank !== 0) mpi.call("MPI_Isend", own, bytes, byte, 0, tag, world, requests);
      else
        requestOf.forEach((request, i) => {
          mpi.call("MPI_Irecv", heardOf[i + 1] as Float64Array, bytes, byte, i + 1, tag, world, request);
        });
    },
    isOver() {
      mpi.call("MPI_Testall", count, requests, over, statusIgnore);
      return over[0] !== 0;
    },
    over: () => mpi.callAsync("MPI_Waitall", count, requests, statusIgnore),
    missing: () => heardOf.flatMap(([number], other) => (other > 0 && number !== calls ? [other] : [])),
    different() {
      const other = heardOf.findIndex(
        (said, i) => i > 0 && said[0] === calls && said.some((value, field) => value !== own[field]),
      );
      const said = heardOf[other];
      return said && `rank ${other} calls ${inWords(said)}, rank 0 ${inWords(own)}`;
    },
  };
}

function inWords([, kind = 0, length = 0, root = 0]: Float64Array): string {
  const name = kinds[kind];
  const details = [...(length > 0 ? [`of ${length}`] : []), ...(root > 0 ? [`from rank ${root}`] : [])];
  return [name, ...details].join(" ");
}
