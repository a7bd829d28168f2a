import { setTimeout as sleep } from "node:timers/promises";
import { SidError } from "sid-lsg";
import { mpi, type Reducer } from "sid-lsg/distributed";
import { afterEach, describe, expect, test, vi } from "vitest";
import { onRanks, parseRanks, type RankSettings } from "../../../examples/common/ranks";

vi.mock("sid-lsg/distributed", async (original) => ({ ...(await original()), mpi: vi.fn() }));
vi.mock("node:timers/promises", () => ({ setTimeout: vi.fn() }));

const environment = { ...process.env };
afterEach(() => {
  process.env = { ...environment };
});

describe("parseRanks", () => {
  test("alone unless it is asked for, whoever launched the program", () => {
    process.env["PMI_SIZE"] = "4";
    for (const distributed of [undefined, "none"])
      expect(parseRanks({ distributed, "gpu-per-rank": false }, "wasm")).toBeUndefined();
  });

  test("the launcher's numbers, and what else is said", () => {
    Object.assign(process.env, { PMI_RANK: "3", PMI_SIZE: "4", MPI_LOCALRANKID: "1", MPI_LOCALNRANKS: "2" });
    const said = {
      distributed: "mpi",
      "check-ranks": "7",
      "rank-timeout": "0.5",
      "gpu-per-rank": true,
      "shard-optimizer": true,
    };
    expect(parseRanks(said, "node-gpu")).toMatchObject({
      ...{
        rank: 3,
        size: 4,
        localRank: 1,
        localSize: 2,
        checkRanks: 7,
        timeout: 0.5,
        gpuPerRank: true,
        shardOptimizer: true,
      },
    });
  });

  test.each([
    [{ "check-ranks": "5", "gpu-per-rank": false }, "--check-ranks needs --distributed mpi."],
    [{ "gpu-per-rank": true }, "--gpu-per-rank needs --distributed mpi."],
    [{ "gpu-per-rank": false, "shard-optimizer": true }, "--shard-optimizer needs --distributed mpi."],
    [{ "rank-timeout": "9", "gpu-per-rank": false }, "--rank-timeout needs --distributed mpi."],
    [{ distributed: "none", "check-ranks": "5", "gpu-per-rank": false }, "--check-ranks needs --distributed mpi."],
    [{ distributed: "none", "gpu-per-rank": true }, "--gpu-per-rank needs --distributed mpi."],
    [{ distributed: "mpi", "gpu-per-rank": false }, "--distributed mpi: no launcher started this program."],
    [{ distributed: "mpi", "rank-timeout": "0", "gpu-per-rank": false }, '--rank-timeout must be above 0, got "0".'],
    [{ distributed: "nccl", "gpu-per-rank": false }, '--distributed must be mpi or none, got "nccl".'],
    [
      { distributed: "mpi", "gpu-per-rank": true },
      "--gpu-per-rank chooses a GPU for --backend node-gpu, got --backend",
    ],
    [{ distributed: "mpi", "check-ranks": "0", "gpu-per-rank": false }, "--check-ranks must be a number of at least 1"],
  ])("%o is refused", (values, message) => {
    expect(() => parseRanks(values, "webgpu")).toThrow(message);
  });
});

describe("onRanks", () => {
  const settings = (rank: number): RankSettings => ({
    ...{ launcher: "MPICH's mpiexec", rank, size: 2, localRank: rank, localSize: 2 },
    ...{ checkRanks: undefined, timeout: undefined, gpuPerRank: false, shardOptimizer: false },
  });
  const refused = new SidError("rank-mismatch", "rank 1 differs from rank 0 in seed");
  const run = (rank: number, error: Error) => {
    vi.mocked(mpi).mockResolvedValue({ rank, size: 2 } as Reducer);
    return onRanks(settings(rank), () => Promise.reject(error));
  };
  const { exitCode } = process;
  const { log, info } = console;
  afterEach(() => {
    process.exitCode = exitCode;
    Object.assign(console, { log, info });
  });

  test("what all ranks are told rank 0 says, and the others leave it the time to", async () => {
    await expect(run(0, refused)).rejects.toBe(refused);
    let wake = () => {};
    vi.mocked(sleep).mockReturnValue(
      new Promise((resolve) => {
        wake = () => resolve(undefined);
      }),
    );
    let left = false;
    const over = run(1, refused).then(() => {
      left = true;
    });
    await vi.waitFor(() => expect(sleep).toHaveBeenCalledWith(3000));
    expect([left, process.exitCode]).toEqual([false, 1]);
    wake();
    await over;
    expect(left).toBe(true);
  });

  test("what one rank alone throws it says itself, at once", async () => {
    const full = new SidError("io", "the disk is full");
    for (const rank of [0, 1]) await expect(run(rank, full)).rejects.toBe(full);
  });
});
