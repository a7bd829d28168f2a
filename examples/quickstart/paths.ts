import { join } from "node:path";
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
