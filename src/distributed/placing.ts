import { SidError } from "../core/errors";
import type { Launch } from "./launch";
import { nodeModule } from "./node-module";

/**
 * How many threads this rank may compute with, so that the ranks of this machine together have no more than it has cores:
 *
 *     max(1, min(cores of this program, ⌊cores of this machine / ranks on it⌋))
 *
 * The cores of this program are those that the launcher binds it to. Open MPI binds each of two ranks to one core; start
 * it with `--bind-to none`, or let it give more, `--map-by slot:PE=8`. The cores of the machine are, in a container, those
 * of the container and no more than its limit of processor time, and under Slurm those of the job (`SLURM_CPUS_ON_NODE`).
 * The backend `wasm` takes at most 16 threads.
 *
 * @param launch - of {@link launchOf}.
 * @param environment - variables by name. `process.env` if not given.
 *
 * @example
 * ```ts
 * import { useBackend } from "sid-lsg/backends";
 * import { launchOf, threadsOfRank } from "sid-lsg/distributed";
 *
 * await useBackend("wasm", { threads: Math.min(16, await threadsOfRank(launchOf())) });
 * ```
 */
export async function threadsOfRank(
  launch: Launch,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<number> {
  const { availableParallelism } = await nodeModule("node:os");
  const own = availableParallelism();
  const ofJob = Number(environment["SLURM_CPUS_ON_NODE"] ?? Number.NaN);
  const all = Math.min(ofJob > 0 ? ofJob : await coresOfMachine(), await limitOfContainer());
  return Math.max(1, Math.min(own, Math.floor(all / launch.localSize)));
}

/** Cores of the first program, which nobody binds: of the system, or of the container. */
async function coresOfMachine(): Promise<number> {
  const { cpus } = await nodeModule("node:os");
  const { readFileSync } = await nodeModule("node:fs");
  try {
    const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync("/proc/1/status", "utf8"))?.[1] ?? "";
    const count = list.split(",").reduce((sum, range) => {
      const [first = Number.NaN, last = first] = range.split("-").map(Number);
      return sum + last - first + 1;
    }, 0);
    if (count > 0) return count;
  } catch {
    // Not Linux.
  }
  return cpus().length;
}

/** Processors' worth of time that a container may take, by the kernel's control group; else no limit. */
async function limitOfContainer(): Promise<number> {
  const { readFileSync } = await nodeModule("node:fs");
  try {
    const [, quota, period] = /^(\d+) (\d+)/.exec(readFileSync("/sys/fs/cgroup/cpu.max", "utf8")) ?? [];
    return quota === undefined ? Number.POSITIVE_INFINITY : Math.max(1, Math.floor(Number(quota) / Number(period)));
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/**
 * The GPU of NVIDIA that this rank computes on, by its number on this machine: what `CUDA_VISIBLE_DEVICES` is to be set to
 * before `useBackend("node-gpu")`. Of the GPUs that the variable names already, the rank takes its own; where it names
 * one, as under `srun --gpus-per-task=1`, it stays. It means nothing to `webgpu`, where the option `adapter` chooses a GPU
 * by its name.
 *
 * @param launch - of {@link launchOf}.
 * @param environment - variables by name. `process.env` if not given.
 * @throws SidError `out-of-range` where the variable names fewer GPUs than there are ranks on this machine.
 *
 * @example
 * ```ts
 * import { gpuOfRank, launchOf } from "sid-lsg/distributed";
 *
 * process.env["CUDA_VISIBLE_DEVICES"] = gpuOfRank(launchOf(), { CUDA_VISIBLE_DEVICES: "4,5" }); // "4" on rank 0
 * ```
 */
export function gpuOfRank(
  launch: Launch,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): string {
  const named = environment["CUDA_VISIBLE_DEVICES"];
  if (named === undefined) return String(launch.localRank);
  const gpus = named.split(",").filter((gpu) => gpu !== "");
  const own = gpus.length === 1 ? gpus[0] : gpus[launch.localRank];
  if (own !== undefined) return own;
  throw new SidError(
    "out-of-range",
    `gpuOfRank: CUDA_VISIBLE_DEVICES=${named} names ${gpus.length} GPUs for the ${launch.localSize} ranks of this machine.`,
  );
}
