import { availableParallelism } from "node:os";
import { gpuOfRank, launchOf, threadsOfRank } from "sid-lsg/distributed";
import { describe, expect, test } from "vitest";

const launch = (localRank: number, localSize: number) => ({ ...launchOf({}), localRank, localSize });

describe("threadsOfRank", () => {
  test("all ranks together have no more threads than the job has cores", async () => {
    const own = availableParallelism();
    const threads = (ranks: number, cores: number) =>
      threadsOfRank(launch(0, ranks), { SLURM_CPUS_ON_NODE: String(cores) });
    expect(await threads(1, 4096)).toBe(own);
    expect(await threads(4, 4)).toBe(1);
    expect(await threads(8, 4)).toBe(1);
    expect(await threads(2, 2 * own)).toBe(own);
  });

  test("without Slurm the machine's cores are shared", async () => {
    const all = await threadsOfRank(launch(0, 1), {});
    expect(all).toBeGreaterThanOrEqual(1);
    expect(all).toBeLessThanOrEqual(availableParallelism());
    expect(await threadsOfRank(launch(0, 100_000), {})).toBe(1);
  });
});

describe("gpuOfRank", () => {
  test.each([
    [undefined, 3, "3"],
    ["4,5,6,7", 2, "6"],
    ["GPU-aa,GPU-bb", 1, "GPU-bb"],
    ["5", 2, "5"],
  ])("CUDA_VISIBLE_DEVICES=%s, rank %i of the machine: %s", (CUDA_VISIBLE_DEVICES, rank, gpu) => {
    expect(gpuOfRank(launch(rank, 4), { CUDA_VISIBLE_DEVICES })).toBe(gpu);
  });

  test.each([
    ["0,1", "names 2 GPUs for the 4 ranks"],
    ["", "names 0 GPUs"],
  ])("too few are refused: %j", (CUDA_VISIBLE_DEVICES, message) => {
    expect(() => gpuOfRank(launch(2, 4), { CUDA_VISIBLE_DEVICES })).toThrow(message);
  });
});
