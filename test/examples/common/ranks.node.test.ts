import { afterEach, describe, expect, test } from "vitest";
import { parseRanks } from "../../../examples/common/ranks";

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
