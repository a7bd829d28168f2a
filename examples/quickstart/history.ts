import { existsSync, readFileSync } from "node:fs";
import { writeFileAtomic } from "sid-lsg/io";
import type { DistillMetrics } from "sid-lsg/train";
import { drawCurves } from "./curves";
import { type Gauge, notes } from "./meaning";
import type { QuickStartOptions } from "./options";

/** The figures of a run, kept beside its checkpoint so that the curves of a resumed run are whole. */
export interface History {
  /** How far the generator's images were from real ones at the last look, if there was one. */
  readonly distance: number | undefined;
  /** Notes an iteration's figures. */
  add(metrics: DistillMetrics): void;
  /** Notes how far the generator's images are from real ones. */
  look(iteration: number, distance: number): void;
  /** Writes the figures and their curves. */
  save(): Promise<void>;
}

/** What names a run: the same settings give the same figures, bit for bit. */
type Run = Pick<QuickStartOptions, "seed" | "kappa">;

interface Figures {
  readonly metrics: readonly DistillMetrics[];
  readonly distances: readonly { readonly iteration: number; readonly distance: number }[];
}

/** The content of `history.json`. */
export interface SavedHistory extends Figures {
  readonly run: Run;
}

/** Opens the history of a run, with its earlier part if it is resumed. */
export function openHistory(
  files: { readonly history: string; readonly curves: string },
  { resume, seed, kappa }: Run & Pick<QuickStartOptions, "resume">,
  gauge: Gauge,
): History {
  const run = { seed, kappa };
  let { metrics, distances } = (resume && earlier(files.history, run)) || { metrics: [], distances: [] };
  return {
    get distance() {
      return distances.at(-1)?.distance;
    },
    add(entry) {
      metrics = appended(metrics, entry);
    },
    look(iteration, distance) {
      distances = appended(distances, { iteration, distance });
    },
    async save() {
      await writeFileAtomic(files.history, JSON.stringify({ run, metrics, distances } satisfies SavedHistory));
      await writeFileAtomic(files.curves, curves({ metrics, distances }, gauge));
    },
  };
}

/** What `history.json` holds of this run. The checkpoint is good without it, so a bad one is only worth a warning. */
function earlier(path: string, { seed, kappa }: Run): Figures | undefined {
  if (!existsSync(path)) return undefined;
  try {
    const { run, metrics, distances }: SavedHistory = JSON.parse(readFileSync(path, "utf8"));
    const isWhole = [...metrics, ...distances].every(({ iteration }) => Number.isInteger(iteration));
    if (isWhole && run.seed === seed && run.kappa === kappa) return { metrics, distances };
  } catch {}
  console.warn(`Ignored ${path}: it is damaged or of another run. The curves begin at the checkpoint.`);
  return undefined;
}

/** A resumed run goes on from its checkpoint, which may be older than the last entries: these come again. */
function appended<T extends { readonly iteration: number }>(entries: readonly T[], entry: T): T[] {
  return [...entries.filter(({ iteration }) => iteration < entry.iteration), entry];
}

function curves({ metrics, distances }: Figures, gauge: Gauge): string {
  const curve = (title: string, figure: "deltaSquared" | "fakeLoss" | "generatorLoss") => ({
    title,
    note: notes[figure],
    points: metrics.map((entry) => [entry.iteration, entry[figure]] as const),
  });
  return drawCurves([
    {
      title: "Fréchet distance to real images",
      note: notes.distance(gauge),
      mark: { label: "as many real images", value: gauge.realImages },
      points: distances.map(({ iteration, distance }) => [iteration, distance]),
      logarithmic: true,
    },
    curve("gap of the two scores, ‖δ‖²", "deltaSquared"),
    curve("fake score's loss", "fakeLoss"),
    curve("generator's loss", "generatorLoss"),
  ]);
}
