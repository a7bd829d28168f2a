import { checkObject, checkPositive, checkText } from "../core/checks";
import { SidError } from "../core/errors";
import { findLibrary, loadNamed } from "./find-library";
import { type Launch, launchOf } from "./launch";
import { checkLine } from "./line";
import { type MpiLibrary, openMpiLibrary } from "./mpi-library";
import { mpiReducer } from "./mpi-reducer";
import { type NativeLibraries, nativeLibraries } from "./native";
import type { Reducer } from "./types";
import { within } from "./within";

/** Options of {@link mpi}. */
export interface MpiOptions {
  /**
   * MPI's library, as `/opt/openmpi/lib/libmpi.so.40`, or a name that the system finds.
   *
   * @defaultValue the variable `SID_MPI_LIBRARY`; else that of the launcher's installation; else the system's
   */
  readonly library?: string | undefined;
  /**
   * How long a rank waits in a call for the others, in seconds, before it takes them for lost; above 0. More than what
   * one rank does alone: rank 0 writes checkpoints. The other ranks wait five seconds longer, so that rank 0, which knows
   * who is missing, speaks first.
   *
   * @defaultValue 300
   */
  readonly timeout?: number | undefined;
  /**
   * The same for the start and for the first call, before which models are loaded; above 0.
   *
   * @defaultValue 1800, or `timeout` if that is more
   */
  readonly startTimeout?: number | undefined;
}

/**
 * The ranks that MPI's launcher started: `mpirun -n 4 node train.mjs`, `srun`, or Kubernetes' MPI operator. Node only, on
 * Linux and macOS, with the package `koffi`, which calls MPI's library; nothing is compiled. Known are all libraries of MPI
 * 5's binary interface, else MPICH with its relatives and Open MPI; Open MPI 4.1 and 5, MPICH 4 and 5 are tested.
 *
 * Calls run on a thread of their own, so that JavaScript goes on and timers and signals work; only `allReduceSync` waits.
 * A rank that does not come to a call ends it on all others after `timeout` with SidError `rank-lost`, in which rank 0 names
 * it. A program that ends with an error before `close` ends all ranks.
 *
 * Sets the variable `UCX_MEM_EVENTS` to `n` unless it is set: with the events of memory that it turns off Node crashes now
 * and then. On InfiniBand it costs registering memory anew for each message.
 *
 * @param options - the library, how long to wait.
 * @returns the ranks; `close` them at the end.
 * @throws SidError `invalid-argument` where nobody launched this program or npm stands between, where the named library
 *   is no MPI library, where it does not belong to the launcher, or where MPI was started before; `missing-package` where koffi or MPI is not
 *   installed; `unsupported` for a library of unknown kind; `rank-lost` where the others do not start.
 *
 * @example
 * ```ts no-run
 * import { mpi } from "sid-lsg/distributed";
 *
 * const ranks = await mpi({ timeout: 60 });
 * const numbers = new Float32Array([ranks.rank, 1]);
 * await ranks.allReduce(numbers);
 * console.log(numbers); // on 4 ranks [6, 4], on each
 * await ranks.close();
 * ```
 */
export async function mpi(options: MpiOptions = {}): Promise<Reducer> {
  const { library = process.env["SID_MPI_LIBRARY"], timeout, startTimeout } = checkOptions(options);
  const launch = launchOf();
  if (launch.launcher === undefined)
    throw new SidError(
      "invalid-argument",
      "mpi: no launcher started this program (neither OMPI_COMM_WORLD_SIZE nor PMI_SIZE nor SLURM_STEP_NUM_TASKS is " +
        "set). Start it with: mpirun -n 4 node FILE, or srun -n 4 node FILE.",
    );
  if (launch.launcher === "MPICH's mpiexec") await checkLine(process.env);
  // UCX, which MPICH and Open MPI may talk through, learns of freed memory by patches to the C library. Under them a heap
  // that cannot grow, where V8 has put its own memory behind it, seems to have grown, and the program crashes.
  process.env["UCX_MEM_EVENTS"] ??= "n";
  const native = await nativeLibraries();
  const open = (path: string) => openMpiLibrary(native, path);
  const loaded =
    library === undefined ? await findLibrary(launch.launcher, process.env, open) : loadNamed(library, open);
  const numbers = await start(loaded, native, launch, startTimeout);
  const reducer = mpiReducer(loaded, native, numbers, { first: startTimeout, later: timeout });
  // Node prints an error that nobody caught after the event exit, which here is the end.
  process.on("uncaughtExceptionMonitor", (error) => console.error(`rank ${reducer.rank} of ${reducer.size}:`, error));
  process.on("exit", reducer.atExit);
  return reducer;
}

/** Starts MPI; this rank's number and how many there are. */
async function start(
  library: MpiLibrary,
  native: NativeLibraries,
  { launcher, size: launched }: Launch,
  seconds: number,
): Promise<{ readonly rank: number; readonly size: number }> {
  const number = new Int32Array(new ArrayBuffer(4));
  library.call("MPI_Initialized", number);
  if (number[0] !== 0)
    throw new SidError(
      "invalid-argument",
      "mpi: MPI was started before in this program; it starts once. Pass that on.",
    );
  // A thread that waits in MPI_Init_thread would keep Node from ending.
  const exitNow = (code: number) => native.exitNow(code);
  process.on("exit", exitNow);
  const { serialized, world, errorsReturn } = library.handles;
  const started = library.callAsync("MPI_Init_thread", null, null, serialized, number);
  await within(started, seconds, () => {
    return new SidError(
      "rank-lost",
      `mpi: ${library.name} did not start in ${seconds} s: not all ${launched} ranks came.`,
    );
  });
  process.off("exit", exitNow);
  const provided = number[0] as number;
  library.call("MPI_Comm_set_errhandler", world, errorsReturn);
  library.call("MPI_Comm_rank", world, number);
  const rank = number[0] as number;
  library.call("MPI_Comm_size", world, number);
  const size = number[0] as number;
  if (size === launched && provided >= serialized) return { rank, size };
  library.call("MPI_Finalize");
  if (size === launched)
    throw new SidError("unsupported", `mpi: ${library.name} (${library.path}) cannot be called from several threads.`);
  const remedy =
    launcher === "Slurm's srun"
      ? "name what starts this MPI's ranks: srun --mpi=pmix for Open MPI, --mpi=pmi2 for MPICH."
      : "take the launcher of this library, or name the launcher's library: the option library or SID_MPI_LIBRARY.";
  throw new SidError(
    "invalid-argument",
    `mpi: ${launcher} started ${launched} ranks, but ${library.name} (${library.path}) sees ${size}: the launcher and the ` +
      `library do not know each other; ${remedy}`,
  );
}

function checkOptions(options: MpiOptions): Required<Pick<MpiOptions, "library">> & {
  readonly timeout: number;
  readonly startTimeout: number;
} {
  const keys = { library: 1, timeout: 1, startTimeout: 1 } as const;
  const {
    library,
    timeout = 300,
    startTimeout = Math.max(1800, timeout),
  } = checkObject("mpi", "options", options, keys);
  if (library !== undefined) checkText("mpi", "library", library);
  checkPositive("mpi", "timeout", timeout);
  checkPositive("mpi", "startTimeout", startTimeout);
  return { library, timeout, startTimeout };
}
