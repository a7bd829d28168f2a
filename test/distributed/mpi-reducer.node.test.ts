import { afterEach, describe, expect, test, vi } from "vitest";
import { mpiReducer } from "../../src/distributed/mpi-reducer";
import { fakeWorld } from "../support/fake-mpi";

const patience = { first: 100, later: 10 };
const native = { alarm: vi.fn(), exitNow: vi.fn() };

function world(size: number, fail?: string) {
  const fake = fakeWorld(size, fail);
  return { ...fake, reducers: fake.ranks.map((mpi, rank) => mpiReducer(mpi, native, { rank, size }, patience)) };
}

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  vi.clearAllMocks();
});

describe("mpiReducer", () => {
  test("sums, gathers, broadcasts and waits on all ranks", async () => {
    const { reducers } = world(3);
    const data = reducers.map(({ rank }) => new Float32Array([rank, 10 * rank]));
    await Promise.all(reducers.map((reducer, rank) => reducer.allReduce(data[rank] as Float32Array)));
    expect(data.map((numbers) => [...numbers])).toEqual([
      [3, 30],
      [3, 30],
      [3, 30],
    ]);
    const gathered = await Promise.all(reducers.map((reducer) => reducer.allGather(new Uint8Array([reducer.rank, 7]))));
    expect(gathered.map((bytes) => [...bytes])).toEqual(Array(3).fill([0, 7, 1, 7, 2, 7]));
    const bytes = reducers.map(({ rank }) => new Uint8Array([rank]));
    await Promise.all(reducers.map((reducer, rank) => reducer.broadcast(bytes[rank] as Uint8Array, 2)));
    expect(bytes.map(([byte]) => byte)).toEqual([2, 2, 2]);
    await Promise.all(reducers.map((reducer) => reducer.barrier()));
    await Promise.all(reducers.map((reducer) => reducer.close()));
    await expect(reducers[0]?.barrier()).rejects.toThrow("Fake MPI 1.0, barrier: the reducer is closed.");
  });

  test("large arrays go in several calls of MPI, on the array itself", async () => {
    const { reducers, counts } = world(1);
    const data = new Float32Array(2 ** 24 + 5).fill(1);
    await reducers[0]?.allReduce(data);
    expect(counts).toEqual([2 ** 24, 5]);
  });

  test.each([
    ["one rank does not come", [0, 1, 3], 0, "rank 2 did not come in 100 s: hung, or gone"],
    ["two ranks do not come", [0, 2], 0, "ranks 1, 3 did not come in 100 s"],
    ["rank 0 does not come", [1, 2, 3], 1, "no end in 105 s, and rank 0, which knows who is missing, did not say"],
  ])("%s: SidError rank-lost names it, once and for good", async (_, coming, speaker, message) => {
    vi.useFakeTimers();
    const { reducers } = world(4);
    const calls = coming.map((rank) => reducers[rank]?.allReduce(new Float32Array(1)).catch((error: unknown) => error));
    await vi.advanceTimersByTimeAsync(99_000);
    const error = reducers[speaker]?.barrier();
    await expect(error).rejects.toThrow("the call before it is not over; await it");
    await vi.advanceTimersByTimeAsync(7000);
    expect(await calls[coming.indexOf(speaker)]).toMatchObject({
      code: "rank-lost",
      message: expect.stringContaining(`Fake MPI 1.0, rank ${speaker} of 4, allReduce (call 1): ${message}`),
    });
    await expect(reducers[speaker]?.barrier()).rejects.toMatchObject({ code: "rank-lost" });
  });

  test("later calls wait less than the first", async () => {
    vi.useFakeTimers();
    const { reducers } = world(2);
    await Promise.all(reducers.map((reducer) => reducer.barrier()));
    const call = reducers[0]?.barrier().catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(10_100);
    expect(await call).toMatchObject({
      message: expect.stringContaining("barrier (call 2): rank 1 did not come in 10 s"),
    });
  });

  test("ranks that make different calls are told apart", async () => {
    const { reducers } = world(2);
    const [first, second] = reducers;
    const calls = [first?.allReduce(new Float32Array(3)), second?.allReduce(new Float32Array(4))];
    const [mismatch] = await Promise.allSettled(calls);
    expect(mismatch).toMatchObject({
      status: "rejected",
      reason: {
        code: "rank-mismatch",
        message: expect.stringMatching(/rank 1 calls allReduce of 4, rank 0 allReduce of 3/),
      },
    });
  });

  test("what MPI says went wrong is told, by rank 0 first", async () => {
    vi.useFakeTimers();
    const { reducers } = world(2, "MPI_ERR_OTHER: the network is down");
    const [first, second] = reducers.map((reducer) => reducer.barrier().catch((error: unknown) => error));
    expect(await first).toMatchObject({
      code: "rank-lost",
      message: "Fake MPI 1.0, rank 0 of 2, barrier (call 1): MPI_ERR_OTHER: the network is down.",
    });
    await vi.advanceTimersByTimeAsync(5000);
    expect(await second).toMatchObject({ code: "rank-lost" });
  });

  test("a program that catches the error and does nothing more is ended: a thread of its may be in MPI for ever", async () => {
    vi.useFakeTimers();
    const { reducers, aborted } = world(2, "MPI_ERR_OTHER: the network is down");
    const [first] = reducers.map((reducer) => reducer.barrier().catch((error: unknown) => error));
    expect(await first).toMatchObject({ code: "rank-lost" });
    await vi.advanceTimersByTimeAsync(29_000);
    expect(aborted).toEqual([]);
    await vi.advanceTimersByTimeAsync(1000);
    expect(aborted).toEqual([0]);
  });

  test("the synchronous sum ends in time as well", () => {
    const { ranks } = fakeWorld(2);
    const [mpi] = ranks;
    if (!mpi) throw new Error("no rank");
    const reducer = mpiReducer(mpi, native, { rank: 0, size: 2 }, { first: 0.05, later: 1 });
    expect(() => reducer.allReduceSync(new Float32Array(2))).toThrow(
      /allReduceSync \(call 1\): rank 1 did not come in 0.05 s/,
    );
  });

  test("abort and an exit with an error end all ranks, a sound exit leaves MPI", async () => {
    const { reducers, aborted } = world(2);
    reducers[1]?.abort();
    expect(aborted).toEqual([1]);
    expect(native.exitNow).toHaveBeenLastCalledWith(1);
    reducers[0]?.atExit(3);
    expect(aborted).toEqual([1, 0]);
    expect(native.exitNow).toHaveBeenLastCalledWith(3);
    const other = world(2);
    other.reducers[0]?.atExit(0);
    expect(other.aborted).toEqual([]);
    // A program that leaves while it waits for the others has not done its work.
    void other.reducers[1]?.barrier();
    other.reducers[1]?.atExit(0);
    expect(other.aborted).toEqual([1]);
  });

  test("the launcher has time to read the last line before all end", () => {
    const { reducers, aborted } = world(2);
    const wait = vi.spyOn(Atomics, "wait").mockImplementation((_, __, ___, milliseconds) => {
      expect([aborted, milliseconds]).toEqual([[], 500]);
      return "timed-out";
    });
    reducers[1]?.abort();
    expect(wait).toHaveBeenCalledOnce();
    expect(aborted).toEqual([1]);
  });

  test("data of another kind is refused", async () => {
    const [reducer] = world(1).reducers;
    const wrong = new Float64Array(2) as unknown as Float32Array;
    await expect(reducer?.allReduce(wrong)).rejects.toThrow("allReduce: data must be a Float32Array");
    expect(() => reducer?.allReduceSync(wrong)).toThrow("allReduceSync: data must be a Float32Array");
    await expect(reducer?.broadcast(new Uint8Array(1), 1)).rejects.toThrow("broadcast: root must lie in [0, 0], got 1");
  });
});
