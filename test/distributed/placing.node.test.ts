import * as fs from "node:fs";
import * as os from "node:os";
import { gpuOfRank, launchOf, threadsOfRank } from "sid-lsg/distributed";
import { afterEach, describe, expect, test, vi } from "vitest";

vi.mock("node:fs", async (original) => {
  const { readFileSync, ...rest } = await original<typeof fs>();
  return { ...rest, readFileSync: vi.fn(readFileSync) };
});
vi.mock("node:os", async (original) => {
  const { availableParallelism, ...rest } = await original<typeof os>();
  return { ...rest, availableParallelism: vi.fn(availableParallelism) };
});
afterEach(() => void vi.restoreAllMocks());

const launch = (localRank: number, localSize: number) => ({ ...launchOf({}), localRank, localSize });

describe("threadsOfRank", () => {
  test("all ranks together have no more threads than the job has cores", async () => {
    const own = os.availableParallelism();
    const threads = (ranks: number, cores: number) =>
      threadsOfRank(launch(0, ranks), { SLURM_CPUS_ON_NODE: String(cores) });
    expect(await threads(1, 4096)).toBe(own);
    expect(await threads(4, 4)).toBe(1);
    expect(await threads(8, 4)).toBe(1);
    expect(await threads(2, 2 * own)).toBe(own);
  });

  test.each([
    ["600000 100000", 3],
    ["250000 100000", 1],
    ["50000 100000", 1],
    ["max 100000", 8],
    [undefined, 8],
  ])("two ranks of a container of 16 cores with the limit %s: %i threads each", async (limit, threads) => {
    vi.mocked(os.availableParallelism).mockReturnValue(16);
    const files = new Map([
      ["/proc/1/status", "Name:\tinit\nCpus_allowed_list:\t0-7,16-23\n"],
      ["/sys/fs/cgroup/cpu.max", limit && `${limit}\n`],
    ]);
    vi.mocked(fs.readFileSync).mockImplementation((path) => {
      const text = files.get(String(path));
      if (text === undefined) throw new Error(`ENOENT: ${path}`);
      return text;
    });
    expect(await threadsOfRank(launch(0, 2), {})).toBe(threads);
    expect(await threadsOfRank(launch(0, 2), { SLURM_CPUS_ON_NODE: "4" })).toBe(Math.min(2, threads));
  });

  test("without Slurm the machine's cores are shared", async () => {
    const all = await threadsOfRank(launch(0, 1), {});
    expect(all).toBeGreaterThanOrEqual(1);
    expect(all).toBeLessThanOrEqual(os.availableParallelism());
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
