import { standardHandles } from "../../src/distributed/handles";
import { MpiFailure, type MpiLibrary } from "../../src/distributed/mpi-library";

type Arguments = Parameters<MpiLibrary["call"]> extends readonly [unknown, ...infer A] ? readonly [...A] : never;
interface Entered {
  readonly name: string;
  readonly args: Arguments;
  readonly settle: (failure?: Error) => void;
}

/** What a fake MPI did. */
export interface FakeWorld {
  /** One library a rank, all in this program. */
  readonly ranks: readonly MpiLibrary[];
  /** Numbers in each call of MPI_Allreduce on rank 0. */
  readonly counts: number[];
  /** Ranks that called MPI_Abort. */
  readonly aborted: number[];
}

/** MPI for ranks in one program: messages to rank 0 and what all call together. `fail` makes the latter fail. */
export function fakeWorld(size: number, fail?: string): FakeWorld {
  const sent = Array.from({ length: size }, (): Float64Array[] => []);
  const awaited = Array.from({ length: size }, (): Float64Array[] => []);
  const arrivals: (() => void)[] = [];
  const entered = Array.from({ length: size }, (): Entered[] => []);
  const counts: number[] = [];
  const aborted: number[] = [];
  const isQuiet = () => awaited.every((buffers) => buffers.length === 0);

  const deliver = (from: number) => {
    while (sent[from]?.length && awaited[from]?.length)
      (awaited[from].shift() as Float64Array).set(sent[from].shift() as Float64Array);
    if (isQuiet()) for (const arrival of arrivals.splice(0)) arrival();
  };
  const meet = () => {
    if (entered.some((calls) => calls.length === 0)) return;
    const calls = entered.map((list) => list.shift() as Entered);
    if (fail) for (const { settle } of calls) settle(new MpiFailure(fail));
    else {
      together(calls);
      for (const { settle } of calls) settle();
    }
  };
  const together = (calls: readonly Entered[]) => {
    const buffers = (at: number) => calls.map(({ args }) => args[at] as Float32Array);
    const [{ name, args }] = calls as [Entered];
    if (name === "MPI_Allreduce") {
      const all = buffers(1);
      counts.push(args[2] as number);
      const sum = (all[0] as Float32Array).map((_, i) => all.reduce((total, data) => total + (data[i] as number), 0));
      for (const data of all) data.set(sum);
    }
    if (name === "MPI_Allgather") {
      const [all, length] = [buffers(3), args[4] as number];
      for (const to of all)
        all.forEach((from, rank) => {
          to.set(from.subarray(rank * length, (rank + 1) * length), rank * length);
        });
    }
    if (name === "MPI_Bcast") for (const to of buffers(0)) to.set(buffers(0)[args[3] as number] as Float32Array);
  };

  const library = (rank: number): MpiLibrary => ({
    name: "Fake MPI 1.0",
    path: "fake",
    handles: standardHandles,
    call(name, ...args) {
      if (name === "MPI_Isend") sent[rank]?.push((args[0] as Float64Array).slice());
      if (name === "MPI_Isend") deliver(rank);
      if (name === "MPI_Irecv") awaited[args[3] as number]?.push(args[0] as Float64Array);
      if (name === "MPI_Irecv") deliver(args[3] as number);
      if (name === "MPI_Testall") (args[2] as Int32Array)[0] = rank > 0 || isQuiet() ? 1 : 0;
      if (name === "MPI_Abort") aborted.push(rank);
    },
    callAsync: (name, ...args) =>
      new Promise((resolve, reject) => {
        if (name === "MPI_Waitall") {
          arrivals.push(resolve);
          deliver(0);
          return;
        }
        entered[rank]?.push({ name, args, settle: (failure) => (failure ? reject(failure) : resolve()) });
        meet();
      }),
  });
  return { ranks: Array.from({ length: size }, (_, rank) => library(rank)), counts, aborted };
}
