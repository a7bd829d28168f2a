import { mkdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The committed teacher, a diffusers-style folder. */
export const teacherFolder = fileURLToPath(new URL("teacher", import.meta.url));

/** What a run writes into its folder. */
export function outputs(folder: string) {
  return {
    report: join(folder, "report.json"),
    samples: join(folder, "samples.png"),
    curves: join(folder, "curves.svg"),
    generator: join(folder, "generator"),
    checkpoint: join(folder, "checkpoint.safetensors"),
    history: join(folder, "history.json"),
  };
}

/** Makes a folder and those above it. Node's own recursion never ends where a parent refuses with ENOENT, as /proc does. */
export function makeFolder(path: string): void {
  const parent = dirname(path);
  if (parent !== path) makeFolder(parent);
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found) mkdirSync(path);
  else if (!found.isDirectory()) throw new Error(`${path} is a file, not a folder.`);
}
