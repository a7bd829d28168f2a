import { afterEach, describe, expect, test } from "vitest";
import { gpuOf, parseRanks, threadsOf } from "../../../examples/common/ranks";

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
    expect(parseRanks({ distributed: "mpi", "check-ranks": "7", "gpu-per-rank": true }, "node-gpu")).toMatchObject({
      ...{ rank: 3, size: 4, localRank: 1, localSize: 2, checkRanks: 7, gpuPerRank: true },
    });
  });

  test.each([
    [{ "check-ranks": "5", "gpu-per-rank": false }, "--check-ranks needs --distributed mpi."],
    [{ "gpu-per-rank": true }, "--gpu-per-rank needs --distributed mpi."],
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

test("a rank takes its GPU of those that are visible", () => {
  expect([gpuOf(2, undefined), gpuOf(1, ""), gpuOf(1, "4, 6")]).toEqual(["2", "1", "6"]);
  expect(() => gpuOf(2, "4,6")).toThrow("rank 2 of this machine finds no GPU: CUDA_VISIBLE_DEVICES has only 4,6");
});

test("ranks of a machine share its processors, unless each is bound to some", () => {
  expect(threadsOf({ localSize: 4 }, { all: 32, usable: 32 })).toBe(8);
  expect(threadsOf({ localSize: 4 }, { all: 32, usable: 5 })).toBe(5);
  expect(threadsOf({ localSize: 4 }, { all: 2, usable: 2 })).toBe(1);
  expect(threadsOf({ localSize: 1 }, { all: 64, usable: 64 })).toBe(16);
});
