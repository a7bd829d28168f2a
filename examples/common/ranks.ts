/** `--distributed mpi`: one run on the ranks that mpirun or srun started. */
import type { BackendName } from "sid-lsg/backends";
import { gpuOfRank, type Launch, launchOf, mpi, type Reducer } from "sid-lsg/distributed";
import { choice, integer } from "./command-line";
import { mute } from "./terminal";

/** The flags of a script that runs on ranks. */
export const rankFlags = {
  ...({ distributed: { type: "string" }, "check-ranks": { type: "string" } } as const),
  "gpu-per-rank": { type: "boolean", default: false },
} as const;

interface RankValues {
  readonly distributed?: string | undefined;
  readonly "check-ranks"?: string | undefined;
  readonly "gpu-per-rank": boolean;
}

/** What the command line and the launcher say of this rank. */
export interface RankSettings extends Launch {
  readonly checkRanks: number | undefined;
  readonly gpuPerRank: boolean;
}

/** Reads them; undefined where the program runs alone. */
export function parseRanks(values: RankValues, backend: BackendName | "auto"): RankSettings | undefined {
  const { distributed, "check-ranks": checkRanks, "gpu-per-rank": gpuPerRank } = values;
  if (distributed === undefined) {
    for (const name of ["check-ranks", "gpu-per-rank"] as const)
      if (values[name]) throw new Error(`--${name} needs --distributed mpi.`);
    return undefined;
  }
  choice("distributed", distributed, "mpi", ["mpi", "none"]);
  if (distributed === "none") return undefined;
  if (gpuPerRank && backend !== "node-gpu")
    throw new Error(
      `--gpu-per-rank chooses a GPU for --backend node-gpu, got --backend ${backend}. WebGPU does not tell equal GPUs apart: there the launcher gives each rank its own, as srun --gpus-per-task=1 does.`,
    );
  return {
    ...launchOf(),
    checkRanks: checkRanks === undefined ? undefined : integer("check-ranks", checkRanks, 1, 1),
    gpuPerRank,
  };
}

/** Joins the other ranks. Rank 0 speaks for all; a GPU is chosen before a backend asks for one. */
export async function joinRanks(settings: RankSettings): Promise<Reducer> {
  if (settings.gpuPerRank) process.env["CUDA_VISIBLE_DEVICES"] = gpuOfRank(settings);
  if (settings.rank > 0) mute();
  return mpi();
}
