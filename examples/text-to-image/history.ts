import { existsSync, readFileSync } from "node:fs";
import { writeFileAtomic } from "sid-lsg/io";
import type { DistillMetrics } from "sid-lsg/train";
import { type CompactDivergence, compactMetrics, halfInterval } from "../common/divergence";
import { type Curve, drawCurves } from "./curves";
import type { Estimate } from "./intervals";
import { notes } from "./meaning";
import type { JobOptions } from "./options";
import type { Row } from "./report";

/** What a look at the generator saw. */
export type Look = Pick<Row, "allRight" | "frechetDistance"> & { readonly iteration: number };

/** The figures of a run, kept beside its checkpoint so that the curves of a resumed run are whole. */
export interface History {
  /** The last look at the generator, if there was one. */
  readonly last: Look | undefined;
  /** Notes an iteration's figures. */
  add(metrics: DistillMetrics): void;
  /** Notes what a look saw. */
  look(look: Look): void;
  /** Writes the figures and their curves. */
  save(): Promise<void>;
}

/** What names a run: the same settings give the same figures, bit for bit. */
type Run = Pick<JobOptions, "seed" | "kappa" | "alpha" | "guidance" | "captions">;

/** The name of a run. */
export function nameOf({ seed, kappa, alpha, guidance, captions }: Run): string {
  return JSON.stringify({ seed, kappa, alpha, guidance, captions });
}

/** An iteration's figures, what the gauge told without its levels. */
interface Entry extends Omit<DistillMetrics, "divergence"> {
  readonly divergence?: Omit<CompactDivergence, "levels">;
}

interface Figures {
  readonly metrics: readonly Entry[];
  readonly looks: readonly Look[];
}

/** The content of `history.json`. */
export interface SavedHistory extends Figures {
  /** Its {@link nameOf}. */
  readonly run: string;
}

/** Opens the history of a run, with its earlier part if it is resumed; `real` is the distance of as many real pictures. */
export function openHistory(
  files: { readonly history: string; readonly curves: string },
  options: Run & Pick<JobOptions, "resume">,
  real: Estimate,
): History {
  const run = nameOf(options);
  let { metrics, looks } = (options.resume && earlier(files.history, run)) || { metrics: [], looks: [] };
  return {
    get last() {
      return looks.at(-1);
    },
    add(entry) {
      metrics = appended(metrics, withoutLevels(entry));
    },
    look({ iteration, allRight, frechetDistance }) {
      looks = appended(looks, { iteration, allRight, frechetDistance });
    },
    async save() {
      await writeFileAtomic(files.history, JSON.stringify({ run, metrics, looks } satisfies SavedHistory));
      await writeFileAtomic(files.curves, curves({ metrics, looks }, options.captions, real));
    },
  };
}

/** What `history.json` holds of this run. The checkpoint is good without it, so a bad one is only worth a warning. */
function earlier(path: string, wanted: string): Figures | undefined {
  if (!existsSync(path)) return undefined;
  try {
    const { run, metrics, looks }: SavedHistory = JSON.parse(readFileSync(path, "utf8"));
    const isWhole = [...metrics, ...looks].every(({ iteration }) => Number.isInteger(iteration));
    if (isWhole && run === wanted) return { metrics, looks };
  } catch {}
  console.warn(`Ignored ${path}: it is damaged or of another run. The curves begin at the checkpoint.`);
  return undefined;
}

/** The whole file is written anew at each save: of the gauge it holds no more than the curve shows. */
function withoutLevels(metrics: DistillMetrics): Entry {
  const { divergence, ...rest } = compactMetrics(metrics);
  if (!divergence) return rest;
  const { levels, ...whole } = divergence;
  return { ...rest, divergence: whole };
}

/** A resumed run goes on from its checkpoint, which may be older than the last entries: these come again. */
function appended<T extends { readonly iteration: number }>(entries: readonly T[], entry: T): T[] {
  return [...entries.filter(({ iteration }) => iteration < entry.iteration), entry];
}

function curves({ metrics, looks }: Figures, captions: number, real: Estimate): string {
  const curve = (title: string, figure: "deltaSquared" | "fakeLoss" | "generatorLoss") => ({
    title,
    note: notes[figure],
    points: metrics.map((entry) => [entry.iteration, entry[figure]] as const),
  });
  return drawCurves([
    {
      title: "Fréchet distance to real pictures",
      note: notes.distance(captions),
      mark: { label: "as many real pictures", value: real.value },
      points: looks.map(({ iteration, frechetDistance }) => [iteration, frechetDistance.value]),
      logarithmic: true,
    },
    {
      title: "all words right",
      note: notes.allRight(captions),
      range: [0, 1],
      points: looks.map(({ iteration, allRight }) => [iteration, allRight.value]),
    },
    {
      title: "KL(generator ‖ teacher), nats",
      note: notes.divergence,
      points: metrics.flatMap(({ iteration, divergence }): Curve["points"] =>
        divergence ? [[iteration, divergence.lowerBound.value, halfInterval(divergence.lowerBound)]] : [],
      ),
    },
    curve("gap of the two scores, ‖δ‖²", "deltaSquared"),
    curve("fake score's loss", "fakeLoss"),
    curve("generator's loss", "generatorLoss"),
  ]);
}
