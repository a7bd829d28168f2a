import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { writeFileAtomic } from "sid-lsg/io";
import { shown } from "../../common/paths";
import { openRows, type RowFile, type Rows } from "./rows";

/** What makes a set's vectors other vectors: plain data, so that resumed runs and shards compare. */
export interface SetJob {
  /** Where the pictures come from. */
  readonly pictures: Readonly<Record<string, string | number>>;
  /** How many the whole set has. */
  readonly total: number;
  readonly features?: FeatureJob;
  readonly clip?: ClipJob;
}

export interface FeatureJob {
  readonly network: string;
  readonly dimension: number;
  /** 0 where the network classifies nothing. */
  readonly classes: number;
  /** Names the weights. */
  readonly weights: string;
}

export interface ClipJob {
  readonly network: string;
  readonly dimension: number;
  readonly weights: string;
  /** What stands before each caption. */
  readonly prefix: string;
}

/** Pictures `index, index + of, …` of the whole set, counted from 1. */
export interface Shard {
  readonly index: number;
  readonly of: number;
}

export type VectorName = "features" | "logits" | "images" | "texts";

/** Vectors of some pictures, by what they are. */
export type Vectors = Partial<Record<VectorName, Float32Array>>;

/** The vectors of a set of pictures, in a folder. */
export interface PictureSet {
  readonly folder: string;
  readonly job: SetJob;
  readonly shard: Shard;
  /** Pictures of this shard. */
  readonly count: number;
  /** Those that are saved. */
  readonly done: number;
  rows(name: VectorName): Rows | undefined;
  close(): void;
}

/** A set that grows. */
export interface GrowingSet extends PictureSet {
  /** Takes in the next pictures' vectors; they last once they are {@link save}d. */
  add(count: number, vectors: Vectors): void;
  save(): Promise<void>;
}

/** The file that says what a folder's vectors are. */
const stateFile = "set.json";
/** The file of a finished set's statistics. */
export const statisticsFile = "statistics.npz";
const version = 1;

/** Pictures of a shard. */
export function shardCount(total: number, { index, of }: Shard): number {
  return Math.max(0, Math.ceil((total - index + 1) / of));
}

/** Whether the folder holds a set. */
export function isSet(folder: string): boolean {
  return existsSync(join(folder, stateFile));
}

/** Whether the folder holds all pictures of this shard. */
export function isFinished(folder: string, job: SetJob, shard: Shard): boolean {
  if (!isSet(folder)) return false;
  const { done, ...found } = readState(folder);
  return done === shardCount(job.total, shard) && differences(found, { job, shard }).length === 0;
}

/** Opens the set that a folder holds, to read it. */
export function openSet(folder: string): PictureSet {
  const { job, shard, done } = readState(folder);
  return openFiles(folder, job, shard, "read", () => done);
}

/**
 * Opens a folder, which must exist, for a set of this job: a new one, or where one was left when `resume`. Throws where
 * it holds one and none was wanted, or one of another job.
 */
export async function growSet(folder: string, job: SetJob, shard: Shard, resume: boolean): Promise<GrowingSet> {
  const refused = refusalOf(folder, job, shard, resume);
  if (refused !== undefined) throw new Error(refused);
  let done = isSet(folder) ? readState(folder).done : 0;
  const set = openFiles(folder, job, shard, "write", () => done);
  const files = [...set.files.values()];
  try {
    for (const file of files) file.keep(done);
    if (done < set.count) rmSync(join(folder, statisticsFile), { force: true });
  } catch (error) {
    set.close();
    throw error;
  }
  let added = done;
  const save = async () => {
    for (const file of files) file.sync();
    done = added;
    await writeFileAtomic(join(folder, stateFile), `${JSON.stringify({ version, job, shard, done }, null, 2)}\n`);
  };
  await save();
  return Object.assign(set, {
    add(count: number, vectors: Vectors) {
      for (const [name, file] of set.files) {
        const rows = vectors[name];
        if (rows?.length !== count * file.dimension)
          throw new Error(`${name} of ${count} pictures are ${rows?.length ?? 0} numbers, not ${file.dimension} each.`);
        const at = rows.findIndex((x) => !Number.isFinite(x));
        if (at >= 0)
          throw new Error(
            `${name} of picture ${added + Math.floor(at / file.dimension) + 1} hold ${rows[at]}: the network's weights are ` +
              "damaged, or too large for the backend.",
          );
        file.append(rows);
      }
      added += count;
    },
    save,
  });
}

/** Why a folder is not to be grown: what {@link growSet} throws. */
export function refusalOf(folder: string, job: SetJob, shard: Shard, resume: boolean): string | undefined {
  const found = isSet(folder) ? readState(folder) : undefined;
  if (!found || found.done === 0) return undefined;
  if (!resume) return `--out: ${shown(folder)} holds an evaluation; go on with --resume, or take another folder.`;
  const other = differences({ ...found.job, shard: found.shard }, { ...job, shard });
  if (other.length === 0) return undefined;
  return `${shown(folder)} holds an evaluation that differs in ${other.join(", ")}; take another --out.`;
}

/** What differs between two jobs, in words. */
export function differences(there: object, here: object): string[] {
  const [a, b] = [flat(there), flat(here)];
  return [...new Set([...a.keys(), ...b.keys()])]
    .filter((key) => a.get(key) !== b.get(key))
    .map((key) => `${key} (there ${a.get(key) ?? "none"}, here ${b.get(key) ?? "none"})`);
}

function flat(value: object, prefix = ""): Map<string, string> {
  return new Map(
    Object.entries(value).flatMap(([key, x]): (readonly [string, string])[] =>
      x === undefined ? [] : typeof x === "object" ? [...flat(x, `${prefix}${key}.`)] : [[prefix + key, String(x)]],
    ),
  );
}

function openFiles(folder: string, job: SetJob, shard: Shard, mode: "read" | "write", done: () => number) {
  const dimensions: Record<VectorName, number> = {
    features: job.features?.dimension ?? 0,
    logits: job.features?.classes ?? 0,
    images: job.clip?.dimension ?? 0,
    texts: job.clip?.dimension ?? 0,
  };
  const files = new Map<VectorName, RowFile>();
  const close = () => {
    for (const file of files.values()) file.close();
    files.clear();
  };
  try {
    for (const [name, dimension] of Object.entries(dimensions) as [VectorName, number][]) {
      if (dimension === 0) continue;
      const file = openRows(join(folder, `${name}.f32`), dimension, mode);
      files.set(name, file);
      if (file.count < done()) file.keep(done());
    }
  } catch (error) {
    close();
    throw error;
  }
  const rows = (name: VectorName): Rows | undefined => {
    const file = files.get(name);
    return file && { count: done(), dimension: file.dimension, read: file.read };
  };
  return {
    ...{ folder, job, shard, files, rows, close },
    count: shardCount(job.total, shard),
    get done() {
      return done();
    },
  };
}

interface State {
  readonly job: SetJob;
  readonly shard: Shard;
  readonly done: number;
}

function readState(folder: string): State {
  const path = join(folder, stateFile);
  if (!existsSync(path)) throw new Error(`${shown(folder)} holds no evaluation.`);
  try {
    const state = JSON.parse(readFileSync(path, "utf8"));
    const { job, shard, done } = state;
    const numbers = [job.total, shard.index, shard.of, done, job.features?.dimension ?? 1, job.clip?.dimension ?? 1];
    if (state.version === version && numbers.every((x) => Number.isSafeInteger(x) && x >= 0))
      return { job, shard, done };
  } catch {
    // Said below.
  }
  throw new Error(`${shown(path)} is not as sd:evaluate wrote it; take another folder.`);
}
