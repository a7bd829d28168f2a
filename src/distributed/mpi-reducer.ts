import { checkInteger, unlike } from "../core/checks";
import { SidError } from "../core/errors";
import { MpiFailure, type MpiLibrary } from "./mpi-library";
import type { NativeLibraries } from "./native";
import { type Call, rollCall } from "./roll-call";
import type { Reducer } from "./types";
import { waitFor, within } from "./within";

/** How long a rank waits for the others, in seconds: in its first call, and in later ones. */
export interface Patience {
  readonly first: number;
  readonly later: number;
}

/** Seconds that the others wait longer, so that rank 0, which knows who is missing, ends the run with one clear line. */
const grace = 5;

/** Float32 numbers a call: MPI reserves as much again. */
const numbersPerCall = 2 ** 24;

/** Bytes a call; MPI counts to 2³¹ − 1. */
const bytesPerCall = 2 ** 30;

/** Seconds after a failure until this program ends even if nobody ends it: a thread that is still in MPI keeps Node alive. */
const farewell = 30;

/** Seconds until the system ends a program that MPI_Abort does not. */
const abortSeconds = 5;

/** Milliseconds that the launcher has to read what this program said last: MPICH's throws away what it has not read. */
const lastWords = 500;

/** A reducer on a started MPI, and what is to be done when the program ends. */
export interface MpiReducer extends Reducer {
  /** For the event `exit`: ends all ranks with an error where this one has one, else leaves MPI. */
  atExit(code: number): void;
}

/** All ranks of the started library `mpi`. */
export function mpiReducer(
  mpi: MpiLibrary,
  native: Pick<NativeLibraries, "alarm" | "exitNow">,
  { rank, size }: { readonly rank: number; readonly size: number },
  patience: Patience,
): MpiReducer {
  const { world, byte, float, sum, inPlace, requestSize, statusIgnore } = mpi.handles;
  const roll = size > 1 ? rollCall(mpi, rank, size) : undefined;
  let calls = 0;
  let isBusy = false;
  let isClosed = false;
  let failure: SidError | undefined;

  const seconds = () => (calls === 1 ? patience.first : patience.later) + (rank === 0 ? 0 : grace);
  const where = ({ kind }: Call) => `${mpi.name}, rank ${rank} of ${size}, ${kind} (call ${calls})`;
  const mismatch = (call: Call): SidError | undefined => {
    const difference = rank === 0 ? roll?.different() : undefined;
    return difference === undefined
      ? undefined
      : new SidError("rank-mismatch", `${where(call)}: the ranks make different calls: ${difference}.`);
  };
  const late = (call: Call): SidError => {
    const missing = rank === 0 ? (roll?.missing() ?? []) : [];
    const names = `${missing.length > 1 ? "ranks" : "rank"} ${missing.join(", ")}`;
    const found =
      missing.length > 0
        ? `${names} did not come in ${seconds()} s: hung, or gone`
        : rank === 0
          ? `every rank came, but the call did not end in ${seconds()} s: one hangs in it, or the network does`
          : `no end in ${seconds()} s, and rank 0, which knows who is missing, did not say: it hangs, or is gone`;
    return mismatch(call) ?? new SidError("rank-lost", `${where(call)}: ${found}.`);
  };
  const explained = (call: Call, cause: unknown): SidError => {
    if (cause instanceof SidError) return cause;
    if (!(cause instanceof MpiFailure)) throw cause;
    return mismatch(call) ?? new SidError("rank-lost", `${where(call)}: ${cause.message}.`, { cause });
  };

  const begin = (call: Call) => {
    if (failure) throw failure;
    if (isClosed || isBusy)
      throw new SidError(
        "invalid-argument",
        `${mpi.name}, ${call.kind}: ${isClosed ? "the reducer is closed" : "the call before it is not over; await it"}.`,
      );
    isBusy = true;
    calls++;
  };
  /** What went wrong is the last word: after it the ranks are no longer in step. */
  const fail = (call: Call, cause: unknown): SidError => {
    failure = explained(call, cause);
    setTimeout(() => abort(), farewell * 1000).unref();
    return failure;
  };

  /** Where MPI itself says that a call failed, rank 0 sees it as well, and knows more. */
  const speaksLater = (cause: unknown): boolean => cause instanceof MpiFailure && rank !== 0;

  type Step = (promise: Promise<void>) => Promise<void>;
  const collective = async (call: Call, work: (step: Step) => Promise<void>): Promise<void> => {
    begin(call);
    const step: Step = (promise) => within(promise, seconds(), () => late(call));
    try {
      roll?.announce(call);
      await work(step);
      if (roll && !roll.isOver()) await step(roll.over());
      const different = mismatch(call);
      if (different) throw different;
      isBusy = false;
    } catch (cause) {
      if (speaksLater(cause)) await new Promise((resolve) => setTimeout(resolve, grace * 1000));
      throw fail(call, cause);
    }
  };

  const abort = (code = 1): void => {
    native.alarm(abortSeconds);
    sleepNow(lastWords);
    try {
      mpi.call("MPI_Abort", world, code);
    } catch {
      // What follows ends this rank at least, and so the launcher the others.
    }
    native.exitNow(code);
  };

  return {
    name: mpi.name,
    rank,
    size,
    async allReduce(data) {
      checkKind("allReduce", data, Float32Array);
      await collective({ kind: "allReduce", length: data.length, root: 0 }, async (step) => {
        for (const part of parts(data, numbersPerCall))
          await step(mpi.callAsync("MPI_Allreduce", inPlace, part, part.length, float, sum, world));
      });
    },
    allReduceSync(data) {
      checkKind("allReduceSync", data, Float32Array);
      const call: Call = { kind: "allReduceSync", length: data.length, root: 0 };
      const request = new Uint8Array(new ArrayBuffer(requestSize));
      const over = new Int32Array(1);
      const wait = (isDone: () => boolean) => waitFor(isDone, seconds(), () => late(call));
      begin(call);
      try {
        roll?.announce(call);
        for (const part of parts(data, numbersPerCall)) {
          mpi.call("MPI_Iallreduce", inPlace, part, part.length, float, sum, world, request);
          wait(() => {
            mpi.call("MPI_Testall", 1, request, over, statusIgnore);
            return over[0] !== 0;
          });
        }
        if (roll) wait(roll.isOver);
        const different = mismatch(call);
        if (different) throw different;
        isBusy = false;
      } catch (cause) {
        if (speaksLater(cause)) sleepNow(grace * 1000);
        throw fail(call, cause);
      }
    },
    async allGather(data) {
      checkKind("allGather", data, Uint8Array);
      checkInteger("allGather", "data's length", data.length, 0, bytesPerCall);
      const all = new Uint8Array(size * data.length);
      all.set(data, rank * data.length);
      await collective({ kind: "allGather", length: data.length, root: 0 }, (step) =>
        step(mpi.callAsync("MPI_Allgather", inPlace, 0, byte, all, data.length, byte, world)),
      );
      return all;
    },
    async broadcast(data, root = 0) {
      checkKind("broadcast", data, Uint8Array);
      checkInteger("broadcast", "root", root, 0, size - 1);
      await collective({ kind: "broadcast", length: data.length, root }, async (step) => {
        for (const part of parts(data, bytesPerCall))
          await step(mpi.callAsync("MPI_Bcast", part, part.length, byte, root, world));
      });
    },
    async barrier() {
      await collective({ kind: "barrier", length: 0, root: 0 }, (step) => step(mpi.callAsync("MPI_Barrier", world)));
    },
    abort: () => abort(),
    async close() {
      const call: Call = { kind: "close", length: 0, root: 0 };
      // Together: a rank that leaves MPI alone may wait there for ever.
      await collective(call, (step) => step(mpi.callAsync("MPI_Barrier", world)));
      isBusy = true;
      await within(mpi.callAsync("MPI_Finalize"), seconds(), () => late(call));
      isClosed = true;
    },
    atExit(code) {
      if (isClosed) return;
      if (code !== 0 || isBusy) abort(code || 1);
      // Longer than the others wait, of whom rank 0 is to say who left.
      native.alarm(patience.later + 2 * grace);
      mpi.call("MPI_Finalize");
      native.alarm(0);
    },
  };
}

/** The program waits. */
function sleepNow(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

/** The array in slices of at most `length`, which share its memory. */
function parts<T extends Float32Array | Uint8Array>(data: T, length: number): readonly T[] {
  return Array.from({ length: Math.ceil(data.length / length) }, (_, i) => {
    return data.subarray(i * length, (i + 1) * length) as T;
  });
}

function checkKind(where: string, data: unknown, kind: typeof Float32Array | typeof Uint8Array): void {
  if (!(data instanceof kind)) throw unlike(where, "data", `a ${kind.name}`, data);
}
