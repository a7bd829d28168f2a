/** What a run keeps beside its checkpoint: its settings and the figures for its curves. */
import type { BackendName } from "sid-lsg/backends";
import type { DistillMetrics, Estimate } from "sid-lsg/train";

/** What names a run, and how often it is saved and looked at. */
export interface Settings {
  readonly iterations: number;
  readonly seed: number;
  /** Captions to measure on. */
  readonly captions: number;
  /** Iterations from one save to the next. */
  readonly saveEvery: number;
  /** Iterations from one look at the generator to the next. */
  readonly lookEvery: number;
}

/** The figures of an iteration. */
export interface Entry extends Pick<DistillMetrics, "iteration" | "fakeLoss"> {
  /** The gauge's lower bound of KL(generator ‖ teacher), in nats. */
  readonly lowerBound: Estimate | undefined;
}

/** What a look at the generator saw. */
export interface Look {
  readonly iteration: number;
  /** Fréchet distance to real pictures. */
  readonly distance: number;
  /** Share of pictures with all words right. */
  readonly right: number;
}

const version = 1;

export interface RunRecord {
  readonly version: typeof version;
  readonly settings: Settings;
  readonly backend: BackendName;
  /** The distance of as many real pictures. */
  readonly real: number;
  /** Iterations that are saved. */
  readonly saved: number;
  readonly entries: readonly Entry[];
  readonly looks: readonly Look[];
}

/** A new run's. */
export function newRecord(settings: Settings, backend: BackendName, real: number): RunRecord {
  return { version, settings, backend, real, saved: 0, entries: [], looks: [] };
}

/** What is kept of an iteration's figures, in four digits. */
export function entryOf({ iteration, fakeLoss, divergence }: DistillMetrics): Entry {
  const short = (x: number) => Number(x.toPrecision(4));
  const { value, standardError } = divergence?.lowerBound ?? {};
  return {
    iteration,
    fakeLoss: short(fakeLoss),
    lowerBound:
      value === undefined || standardError === undefined
        ? undefined
        : { value: short(value), standardError: short(standardError) },
  };
}

/** With an entry more; a resumed run may do iterations again, and their entries come again. */
export function appended<T extends { readonly iteration: number }>(entries: readonly T[], entry: T): T[] {
  return [...upTo(entries, entry.iteration - 1), entry];
}

/** A record as it was after that iteration. */
export function cutAfter(record: RunRecord, iteration: number): RunRecord {
  return { ...record, entries: upTo(record.entries, iteration), looks: upTo(record.looks, iteration) };
}

function upTo<T extends { readonly iteration: number }>(entries: readonly T[], iteration: number): T[] {
  return entries.filter((entry) => entry.iteration <= iteration);
}

/** Why what is stored of a run cannot be read. */
export type RecordFault = "damaged" | "of another version";

/** A stored record, or what is wrong with it. */
export function parseRecord(text: string): RunRecord | RecordFault {
  try {
    const found: unknown = JSON.parse(text);
    if (isRecord(found)) return found;
    return isObject(found) && Number.isInteger(found["version"]) && found["version"] !== version
      ? "of another version"
      : "damaged";
  } catch {
    return "damaged";
  }
}

const settingNames = ["iterations", "seed", "captions", "saveEvery", "lookEvery"] as const satisfies (keyof Settings)[];

function isRecord(found: unknown): found is RunRecord {
  if (!isObject(found) || found["version"] !== version) return false;
  const { settings, entries, looks, saved, real, backend } = found;
  return (
    isObject(settings) &&
    settingNames.every((name) => Number.isSafeInteger(settings[name])) &&
    typeof backend === "string" &&
    [saved, real].every(Number.isFinite) &&
    areListed(entries, ["fakeLoss"]) &&
    areListed(looks, ["distance", "right"])
  );
}

/** Whether they are in the order of their iterations and have those numbers. */
function areListed(items: unknown, names: readonly string[]): boolean {
  if (!Array.isArray(items)) return false;
  let last = -1;
  return items.every((item) => {
    if (!isObject(item)) return false;
    const iteration = Number(item["iteration"]);
    const follows = Number.isInteger(iteration) && iteration > last;
    last = iteration;
    return follows && names.every((name) => Number.isFinite(item[name]));
  });
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
