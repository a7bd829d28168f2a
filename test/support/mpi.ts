/** MPI's launchers on this machine, and programs for them. */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, realpathSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { build } from "esbuild";

/** A launcher of MPI. */
export interface Launcher {
  /** How it is called. */
  readonly command: string;
  readonly path: string;
  /** MPI's name and version. */
  readonly name: string;
  /** What it is to be told on a machine of few cores. */
  readonly flags: readonly string[];
}

/** Launchers of MPI on this machine: of Debian's packages, of the PATH, and of those that `.ci/mpi` puts in place. */
export function launchersHere(): readonly Launcher[] {
  // Those of the PATH by their name: Open MPI 4 takes the folder of a launcher that is named by its path for a prefix.
  const folders = (process.env["PATH"] ?? "").split(":");
  const find = (name: string) => folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
  const named = ["mpirun.openmpi", "mpirun.mpich", "mpirun"].map((command) => ({ command, path: find(command) }));
  const cache = resolve(".cache/mpi");
  const kept = (existsSync(cache) ? readdirSync(cache) : []).map((folder) => join(cache, folder, "bin/mpirun"));
  const all = [...named, ...kept.map((path) => ({ command: path, path: existsSync(path) ? path : undefined }))];
  const byPlace = new Map(
    all.flatMap(({ command, path }) => (path ? [[realpathSync(path), { command, path }] as const] : [])).reverse(),
  );
  return [...byPlace.values()].map(({ command, path }) => {
    const version = execFileSync(command, ["--version"], { encoding: "utf8" });
    const isOpenMpi = /Open MPI|OpenRTE|prte/i.test(version);
    const number = /(\d+\.\d+\.\d+)/.exec(version)?.[1];
    const flags = isOpenMpi ? ["--allow-run-as-root", "--oversubscribe", "--bind-to", "none"] : [];
    return { command, path, name: `${isOpenMpi ? "Open MPI" : "MPICH"} ${number}`, flags };
  });
}

/** A program of the tests as one file that Node runs, beside what it must share with the library. */
export async function bundleProgram(entry: string): Promise<string> {
  const folder = resolve("node_modules/.cache/sid-lsg");
  const outfile = join(folder, basename(entry).replace(/\.ts$/, ".mjs"));
  await build({
    ...{ entryPoints: [entry], outfile, bundle: true, format: "esm", platform: "node", logLevel: "error" },
    external: ["@tensorflow/tfjs-core", "@tensorflow/tfjs-backend-*", "@tensorflow/tfjs-node*", "koffi", "webgpu"],
    // The gradients are registered by a file of which nothing is imported.
    ignoreAnnotations: true,
    alias: {
      "sid-lsg": resolve("src"),
      "@tensorflow/tfjs-core/dist/register_all_gradients": join(folder, "register-gradients.mjs"),
    },
  });
  return outfile;
}
