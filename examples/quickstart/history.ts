import { existsSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import type { DistillMetrics } from "sid-lsg/train";
import { drawCurves } from "./curves";

/** The figures of a run, kept beside its checkpoint so that the curves of a resumed run are whole. */
export interface History {
  /** Iterations so far. */
  readonly iteration: number;
  /** Notes an iteration's figures. */
  add(metrics: DistillMetrics): void;
  /** Notes how far the generator's images were from real ones. */
  look(iteration: number, distance: number): void;
  /** Writes the figures and their curves. */
  save(): Promise<void>;
}

/** The content of `history.json`. */
export interface SavedHistory {
  readonly metrics: readonly DistillMetrics[];
  readonly distances: readonly { readonly iteration: number; readonly distance: number }[];
}

/** Opens the history of a run, with its earlier part if it is resumed. */
export function openHistory(files: { history: string; curves: string }, resume: boolean): History {
  const earlier = resume && existsSync(files.history);
  let { metrics, distances }: SavedHistory = earlier
    ? JSON.parse(readFileSync(files.history, "utf8"))
    : { metrics: [], distances: [] };
  return {
    iteration: metrics.at(-1)?.iteration ?? 0,
    add(entry) {
      metrics = appended(metrics, entry);
    },
    look(iteration, distance) {
      distances = appended(distances, { iteration, distance });
    },
    async save() {
      await writeFile(files.history, JSON.stringify({ metrics, distances }));
      await writeFile(files.curves, curves({ metrics, distances }));
    },
  };
}

/** A resumed run goes on from its checkpoint, which may be older than the last entries: these come again. */
function appended<T extends { readonly iteration: number }>(entries: readonly T[], entry: T): T[] {
  return [...entries.filter(({ iteration }) => iteration < entry.iteration), entry];
}

function curves({ metrics, distances }: SavedHistory): string {
  const points = (figure: "deltaSquared" | "fakeLoss" | "generatorLoss") =>
    metrics.map((entry) => [entry.iteration, entry[figure]] as const);
  return drawCurves([
    {
      title: "Fréchet distance to real images",
      points: distances.map(({ iteration, distance }) => [iteration, distance]),
      logarithmic: true,
    },
    { title: "distance of the two scores, ‖δ‖²", points: points("deltaSquared") },
    { title: "fake score's loss", points: points("fakeLoss") },
    { title: "generator's loss", points: points("generatorLoss") },
  ]);
}
