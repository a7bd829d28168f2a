import { SidError } from "../core/errors";
import type { Launch } from "./launch";
import { nodeModule } from "./node-module";

type Environment = Readonly<Record<string, string | undefined>>;

/** File names of the library, by who launched the program; the first that loads is taken. */
const fileNames = {
  "Open MPI's mpirun": ["libmpi.so.40", "libmpi_abi.so.1", "libmpi_abi.so.0", "libmpi.so"],
  "MPICH's mpiexec": ["libmpi_abi.so.1", "libmpi_abi.so.0", "libmpich.so.12", "libmpi.so.12", "libmpi.so"],
  "Slurm's srun": ["libmpi_abi.so.1", "libmpi_abi.so.0", "libmpi.so.40", "libmpich.so.12", "libmpi.so.12", "libmpi.so"],
} as const satisfies Record<NonNullable<Launch["launcher"]>, readonly string[]>;

/** Programs that launch ranks, beside whose folder their library lies. */
const launcherNames = /^(mpirun|mpiexec|orterun|orted|prterun|prted|prte|hydra_pmi_proxy)/;

/** Folders of libraries beside a folder of programs. */
const libraryFolders = ["lib", "lib64", "lib/x86_64-linux-gnu", "lib/aarch64-linux-gnu"];

/**
 * Loads the MPI library that belongs to the launcher: of its installation, else where the system looks, which
 * `LD_LIBRARY_PATH` leads.
 *
 * @param load - what loads one, and says what is wrong with it.
 * @throws SidError `missing-package` where there is none.
 */
export async function findLibrary<T>(
  launcher: NonNullable<Launch["launcher"]>,
  environment: Environment,
  load: (path: string) => T,
): Promise<T> {
  const { existsSync } = await nodeModule("node:fs");
  const names = fileNames[launcher].flatMap((name) => (process.platform === "darwin" ? macName(name) : [name]));
  const folders = await foldersOfLaunchers(environment);
  const paths = folders
    .flatMap((folder) => names.map((name) => `${folder}/${name}`))
    .filter((path) => existsSync(path));
  const failures: string[] = [];
  for (const path of [...paths, ...names]) {
    try {
      return load(path);
    } catch (error) {
      if (error instanceof SidError) throw error;
      // A name alone that is not found says no more than that.
      if (path.includes("/")) failures.push((error as Error).message);
    }
  }
  const reasons = failures.length > 0 ? ` (${failures.join("; ")})` : "";
  throw new SidError(
    "missing-package",
    `mpi: found no MPI library${reasons}: neither ${names.join(", ")} beside ${launcher} nor where the system looks. ` +
      "Install one, as apt install openmpi-bin does, or name it: the option library or SID_MPI_LIBRARY.",
  );
}

/** Loads the library that the user names. */
export function loadNamed<T>(path: string, load: (path: string) => T): T {
  try {
    return load(path);
  } catch (cause) {
    if (cause instanceof SidError) throw cause;
    throw new SidError("invalid-argument", `mpi: cannot load the library ${path}: ${(cause as Error).message}.`, {
      cause,
    });
  }
}

/** `libmpi.so.40` is `libmpi.40.dylib` on macOS. */
function macName(name: string): string {
  return name.replace(/\.so(\.\d+)?$/, "$1.dylib");
}

/** Folders of libraries of the launchers: first of those that started this program, then of those on the PATH. */
async function foldersOfLaunchers(environment: Environment): Promise<readonly string[]> {
  const { realpathSync } = await nodeModule("node:fs");
  const { basename, dirname, join } = await nodeModule("node:path");
  const onPath = (environment["PATH"] ?? "").split(":").flatMap((folder) => [`${folder}/mpirun`, `${folder}/mpiexec`]);
  const programs = [...(await ancestors()).filter((path) => launcherNames.test(basename(path))), ...onPath];
  const folders = programs.flatMap((path) => {
    try {
      // Both where it is named and where it is: an installation may be made of links.
      return [dirname(path), dirname(realpathSync(path))];
    } catch {
      return [];
    }
  });
  return [...new Set(folders)].flatMap((folder) => libraryFolders.map((name) => join(folder, "..", name)));
}

/** The programs that this one was started by, from the nearest; none where the system does not say, as on macOS. */
async function ancestors(): Promise<readonly string[]> {
  const { readFileSync, readlinkSync } = await nodeModule("node:fs");
  const programs: string[] = [];
  try {
    for (let id = process.ppid; id > 1; ) {
      programs.push(readlinkSync(`/proc/${id}/exe`));
      id = Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${id}/status`, "utf8"))?.[1] ?? 0);
    }
  } catch {
    // Programs of others cannot be looked at.
  }
  return programs;
}
