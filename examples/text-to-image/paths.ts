import { join } from "node:path";

/** What a run writes into its folder. */
export function outputs(folder: string) {
  return {
    report: join(folder, "report.json"),
    samples: join(folder, "samples.png"),
    /** Grows while training: the same captions at each look. */
    contactSheet: join(folder, "progress.png"),
    curves: join(folder, "curves.svg"),
    generator: join(folder, "generator"),
    checkpoint: join(folder, "checkpoint.safetensors"),
    history: join(folder, "history.json"),
  };
}
