/** MPI's launchers on this machine, and programs for them. */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, realpathSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { build } from "esbuild";

/** A launcher. */
export interface Launcher {
  readonly path: string;
  /** MPI's name and version. */
  readonly name: string;
  /** What it is to be told on a machine of few cores. */
  readonly flags: readonly string[];
}

/** Those of Debian's packages, of the PATH, and those that `.ci/mpi` puts in place. */
export function launchersHere(): readonly Launcher[] {
  const folders = (process.env["PATH"] ?? "").split(":");
  const named = ["mpirun.openmpi", "mpirun.mpich", "mpirun"].flatMap((n) => folders.map((folder) => `${folder}/${n}`));
  const cache = resolve(".cache/mpi");
  const kept = existsSync(cache) ? readdirSync(cache).map((folder) => join(cache, folder, "bin/mpirun")) : [];
  const byPlace = new Map(
    // Of several names the first; an absolute path in / would be Open MPI's prefix.
    [...named, ...kept]
      .filter((path) => existsSync(path))
      .reverse()
      .map((path) => [realpathSync(path), path]),
  );
  return [...byPlace.values()].map((path) => {
    const version = execFileSync(path, ["--version"], { encoding: "utf8" });
    const isOpenMpi = /Open ?MPI|Open ?RTE|prte/i.test(version);
    const number = /(\d+\.\d+\.\d+)/.exec(version)?.[1];
    const flags = isOpenMpi ? ["--allow-run-as-root", "--oversubscribe", "--bind-to", "none"] : [];
    return { path, name: `${isOpenMpi ? "Open MPI" : "MPICH"} ${number}`, flags };
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
