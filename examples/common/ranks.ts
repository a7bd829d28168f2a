/** `--distributed mpi`: one run, or shared work, on the ranks that mpirun or srun started. */
import { setTimeout } from "node:timers/promises";
import { SidError } from "sid-lsg";
import type { BackendName } from "sid-lsg/backends";
import { gpuOfRank, type Launch, launchOf, mpi, type Reducer, threadsOfRank } from "sid-lsg/distributed";
import { choice, integer, positive } from "./command-line";
import { mute } from "./terminal";

/** The flags of a script whose ranks share its work out: each part is done by one. */
export const sharingFlags = {
  distributed: { type: "string" },
  "gpu-per-rank": { type: "boolean", default: false },
} as const;

/** The flags of a script whose ranks train together. */
export const rankFlags = {
  ...sharingFlags,
  "check-ranks": { type: "string" },
  "rank-timeout": { type: "string" },
  "shard-optimizer": { type: "boolean", default: false },
} as const;

/** Milliseconds that other ranks leave rank 0 for its last line. */
const farewell = 3000;

interface RankValues {
  readonly distributed?: string | undefined;
  readonly "check-ranks"?: string | undefined;
  readonly "rank-timeout"?: string | undefined;
  readonly "gpu-per-rank": boolean;
  readonly "shard-optimizer"?: boolean | undefined;
}

/** What the command line and the launcher say of this rank. */
export interface RankSettings extends Launch {
  readonly checkRanks: number | undefined;
  /** Seconds that a rank waits for the others. */
  readonly timeout: number | undefined;
  readonly gpuPerRank: boolean;
  readonly shardOptimizer: boolean;
}

/** Reads them; undefined where the program runs alone. */
export function parseRanks(values: RankValues, backend: BackendName | "auto"): RankSettings | undefined {
  const { distributed, "check-ranks": checkRanks, "rank-timeout": timeout, "gpu-per-rank": gpuPerRank } = values;
  const { "shard-optimizer": shardOptimizer = false } = values;
  if (choice("distributed", distributed, "none", ["mpi", "none"]) === "none") {
    for (const name of ["check-ranks", "rank-timeout", "gpu-per-rank", "shard-optimizer"] as const)
      if (values[name]) throw new Error(`--${name} needs --distributed mpi.`);
    return undefined;
  }
  if (gpuPerRank && backend !== "node-gpu")
    throw new Error(
      `--gpu-per-rank chooses a GPU for --backend node-gpu, got --backend ${backend}. WebGPU does not tell equal GPUs apart: there the launcher gives each rank its own, as srun --gpus-per-task=1 does.`,
    );
  const settings = {
    ...launchOf(),
    checkRanks: checkRanks === undefined ? undefined : integer("check-ranks", checkRanks, 1, 1),
    timeout: timeout === undefined ? undefined : positive("rank-timeout", timeout, 1),
    gpuPerRank,
    shardOptimizer,
  };
  if (settings.launcher === undefined)
    throw new Error(
      "--distributed mpi: no launcher started this program. Start it with: mpirun -n 4 npm run …, or srun -n 4 npm run ….",
    );
  return settings;
}

/** Takes this rank's place among the others: rank 0 speaks for all; a GPU is chosen before a backend asks for one. */
export function takeRank(settings: RankSettings | undefined): void {
  if (settings?.gpuPerRank) process.env["CUDA_VISIBLE_DEVICES"] = gpuOfRank(settings);
  if (settings && settings.rank > 0) mute();
}

/** The same for ranks that train together by MPI, which `run` closes when that is over; with undefined where there are none. */
export async function onRanks(
  settings: RankSettings | undefined,
  run: (ranks: Reducer | undefined) => Promise<void>,
): Promise<void> {
  takeRank(settings);
  const ranks = settings && (await mpi({ timeout: settings.timeout }));
  try {
    await run(ranks);
  } catch (error) {
    // What all ranks are told at once, one repeats.
    if (isFirst(ranks) || !(error instanceof SidError && error.code === "rank-mismatch")) throw error;
    process.exitCode = 1;
    // The launcher ends all ranks with the first that fails: rank 0 has told why by then, and ends this one.
    await setTimeout(farewell);
  }
}

/** Whether this program writes and speaks for all: rank 0, or one that runs alone. */
export function isFirst(ranks: { readonly rank: number } | undefined): boolean {
  return ranks === undefined || ranks.rank === 0;
}

/** Options of `useBackend`: a rank's part of its machine's processors, where the backend computes on them. */
export async function threadsFor(
  ranks: Launch | undefined,
  backend: BackendName | "auto",
): Promise<{ readonly threads?: number }> {
  if (!ranks || (backend !== "wasm" && backend !== "node")) return {};
  return { threads: Math.min(16, await threadsOfRank(ranks)) };
}
