import { SidError } from "../core/errors";

/** Who started this program, and how many of its kind, by what the launcher says in the environment. */
export interface Launch {
  /** Who started it: `mpirun of Open MPI`, `mpiexec` of MPICH's family, `srun`; undefined where nobody did. */
  readonly launcher: "Open MPI's mpirun" | "MPICH's mpiexec" | "Slurm's srun" | undefined;
  /** This program's number in the whole run, from 0. */
  readonly rank: number;
  /** Number of programs in the whole run. */
  readonly size: number;
  /** This program's number among those of this machine, from 0. */
  readonly localRank: number;
  /** Number of programs on this machine. */
  readonly localSize: number;
}

/** What each launcher calls its numbers. The first that is there counts: mpirun may itself run under Slurm. */
const launchers = [
  {
    launcher: "Open MPI's mpirun",
    rank: "OMPI_COMM_WORLD_RANK",
    size: "OMPI_COMM_WORLD_SIZE",
    localRank: "OMPI_COMM_WORLD_LOCAL_RANK",
    localSize: "OMPI_COMM_WORLD_LOCAL_SIZE",
  },
  {
    launcher: "MPICH's mpiexec",
    rank: "PMI_RANK",
    size: "PMI_SIZE",
    localRank: "MPI_LOCALRANKID",
    localSize: "MPI_LOCALNRANKS",
  },
  // Not SLURM_NTASKS, which a batch script has as well, whose programs srun did not start.
  {
    launcher: "Slurm's srun",
    rank: "SLURM_PROCID",
    size: "SLURM_STEP_NUM_TASKS",
    localRank: "SLURM_LOCALID",
    localSize: undefined,
  },
] as const;

/**
 * How this program was started: its rank, and its rank on this machine, by which it takes a GPU. Needs no MPI.
 *
 * Read from `OMPI_COMM_WORLD_*` (Open MPI), `PMI_*` and `MPI_LOCAL*` (MPICH, Intel MPI, MVAPICH) or `SLURM_*` (srun),
 * in this order. A program that nobody launched is rank 0 of 1.
 *
 * @param environment - variables by name. `process.env` if not given.
 * @throws SidError `invalid-argument` where a variable of the launcher is no number, or does not fit the others.
 *
 * @example
 * ```ts
 * import { launchOf } from "sid-lsg/distributed";
 *
 * const { rank, size } = launchOf({ PMI_RANK: "1", PMI_SIZE: "4", MPI_LOCALRANKID: "1", MPI_LOCALNRANKS: "2" });
 * console.log(rank, size); // 1 4
 * ```
 */
export function launchOf(environment: Readonly<Record<string, string | undefined>> = process.env): Launch {
  const found = launchers.find(({ size }) => environment[size] !== undefined);
  if (found === undefined) return { launcher: undefined, rank: 0, size: 1, localRank: 0, localSize: 1 };
  const { launcher } = found;
  const read = (name: string, min: number, max: number): number => {
    const value = environment[name];
    if (value === undefined || !/^\d{1,9}$/.test(value) || Number(value) < min || Number(value) > max)
      throw new SidError(
        "invalid-argument",
        `launchOf: ${name} of ${launcher} must be an integer in [${min}, ${max}], got ${JSON.stringify(value)}.`,
      );
    return Number(value);
  };
  const size = read(found.size, 1, 1e9);
  const rank = read(found.rank, 0, size - 1);
  // Where the launcher does not say who shares this machine, it is taken to be all.
  const has = (name: string | undefined): name is string => name !== undefined && environment[name] !== undefined;
  const localSize = has(found.localSize) ? read(found.localSize, 1, size) : (slurmTasksHere(environment) ?? size);
  // Where srun started the ranks by MPICH's interface, it alone numbers those of a machine; they need not follow one another.
  const bySlurm = environment["SLURM_STEP_NUM_TASKS"] === String(size) ? "SLURM_LOCALID" : undefined;
  const local = [found.localRank, bySlurm].find(has);
  const localRank = local === undefined ? rank % localSize : read(local, 0, localSize - 1);
  return { launcher, rank, size, localRank, localSize };
}

/** Tasks of this step on this node: of `2(x3),1` the entry of node SLURM_NODEID. */
function slurmTasksHere(environment: Readonly<Record<string, string | undefined>>): number | undefined {
  const counts = (environment["SLURM_STEP_TASKS_PER_NODE"] ?? "").split(",").flatMap((entry) => {
    const [, tasks, nodes = "1"] = /^(\d+)(?:\(x(\d+)\))?$/.exec(entry) ?? [];
    return tasks === undefined ? [] : new Array<number>(Number(nodes)).fill(Number(tasks));
  });
  return counts[Number(environment["SLURM_NODEID"] ?? 0)];
}
