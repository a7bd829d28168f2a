import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import type { FeatureStatistics } from "sid-lsg/metrics";
import { makeFolder } from "../../common/folders";
import { shown } from "../../common/paths";
import { listen } from "../../common/program";
import { say } from "../../common/terminal";
import { collect, jobOf } from "./collect";
import type { Judges } from "./networks";
import { blocksOf, type Rows } from "./rows";
import { type FeatureJob, growSet, isSet, openSet, type PictureSet, statisticsFile } from "./set";
import { sized } from "./sized";
import { folderSource } from "./sources";
import { checkCovariance, readSeenStatistics, type Seen, statisticsOf, writeSeenStatistics } from "./statistics";

/** What pictures are compared with. */
export interface Reference {
  readonly description: string;
  readonly statistics: FeatureStatistics;
  /** The vectors themselves, where they are known: statistics alone do without. */
  readonly features: Rows | undefined;
  close(): void;
}

export interface ReferenceOptions {
  /** Statistics, a folder of real pictures, or of one that was evaluated before. */
  readonly path: string;
  /** What the generator's pictures are seen with. */
  readonly wanted: FeatureJob;
  /** To look at real pictures with. */
  readonly judges: Judges | undefined;
  /** Where the vectors of real pictures are kept. */
  readonly folder: string;
  /** Pixels that the generator's pictures were resized to; as they were where absent. */
  readonly size: number | undefined;
  readonly batch: number;
  readonly signal: AbortSignal;
}

/** Opens what `--reference` names; undefined when the signal came before the real pictures were through. */
export async function openReference(options: ReferenceOptions): Promise<Reference | undefined> {
  const { path, wanted, size } = options;
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) throw new Error(`--reference: ${shown(path)} is not there.`);
  if (stat.isDirectory() && !isSet(path)) return ofPictures(options);
  return stat.isDirectory() ? ofSet(openSet(path), wanted, size) : ofFile(path, wanted, size);
}

async function ofFile(path: string, wanted: FeatureJob, size: number | undefined): Promise<Reference> {
  const name = shown(path);
  const refused = (cause: unknown) => {
    // The library names its function, and the path or the argument.
    const what = (cause as Error).message.replace(/^\w+( "[^"]*")?: /, "").replace(/^a\.covariance /, "sigma ");
    return new Error(`--reference: ${name}: ${what} A folder of the real pictures does as well.`, { cause });
  };
  const { statistics, seen } = await readSeenStatistics(path).catch((cause) => {
    throw refused(cause);
  });
  const { network, mean, count } = statistics;
  if (network !== undefined && network !== wanted.network)
    throw new Error(
      `--reference: ${name} is of the network ${network}, --network is ${wanted.network}; they do not compare.`,
    );
  if (mean.length !== wanted.dimension)
    throw new Error(
      `--reference: ${name} is of ${mean.length} dimensions, ${wanted.network} has ${wanted.dimension}: it is of another network.`,
    );
  checkSeen(name, seen, wanted, size);
  say(`Checking ${name} …`);
  try {
    checkCovariance(statistics);
  } catch (cause) {
    throw refused(cause);
  }
  if (network === undefined)
    console.warn(`--reference: ${name} does not say of which network it is; it is taken for ${wanted.network}'s.`);
  const of = count > 0 ? `${count.toLocaleString("en")} pictures` : "pictures whose number it does not tell";
  return { description: `${name}, statistics of ${of}`, statistics, features: undefined, close() {} };
}

/** A set's statistics, from its folder or computed and left there. */
async function ofSet(set: PictureSet, wanted: FeatureJob, size: number | undefined): Promise<Reference> {
  try {
    const name = shown(set.folder);
    const { features } = set.job;
    const rows = set.rows("features");
    if (features === undefined || rows === undefined)
      throw new Error(`--reference: ${name} holds no features; evaluate it with --network.`);
    checkSame(`${name} was seen with`, features, wanted);
    checkSize(name, sizeOf(set), size ?? 0);
    if (set.shard.of > 1) throw new Error(`--reference: ${name} is a shard; merge it with the others first.`);
    if (set.done < set.count)
      throw new Error(`--reference: ${name} has ${set.done} of ${set.count} pictures; finish it with --resume first.`);
    const statistics = await keptStatistics(set, rows, features);
    // Damaged vectors throw now, not once all is drawn.
    for (const _ of blocksOf(rows)) await listen();
    const count = rows.count.toLocaleString("en");
    return { description: `${name}, ${count} pictures`, statistics, features: rows, close: set.close };
  } catch (error) {
    set.close();
    throw error;
  }
}

/** The statistics of a finished set, written to its folder unless they are there. */
export async function keptStatistics(
  set: PictureSet,
  rows: Rows,
  { network, weights, dimension }: FeatureJob,
): Promise<FeatureStatistics> {
  const path = join(set.folder, statisticsFile);
  if (existsSync(path)) {
    const kept = await readSeenStatistics(path).catch(() => undefined);
    if (kept?.statistics.network === network && kept.statistics.mean.length === dimension) return kept.statistics;
    say(`${shown(path)} is damaged or of another set; it is made anew of the vectors beside it.`);
  }
  const statistics = statisticsOf(rows, network);
  await writeSeenStatistics(path, statistics, { weights, size: sizeOf(set) });
  return statistics;
}

/** Pixels that the pictures were resized to, 0 for their own size. */
function sizeOf({ job }: PictureSet): number {
  return Number(job.pictures["size"] ?? 0);
}

async function ofPictures(options: ReferenceOptions): Promise<Reference | undefined> {
  const { path, wanted, judges, folder, size, batch, signal } = options;
  if (judges?.features === undefined)
    throw new Error(`--reference: ${shown(path)} holds pictures; give the --network that they are to be seen with.`);
  checkSame("the pictures would be seen with", judges.features, wanted);
  const source = sized(await folderSource(path, { option: "reference" }), size);
  if (source.total < 2) throw new Error(`--reference: ${shown(path)} holds one picture; wanted at least 2.`);
  makeFolder(folder);
  const seen = { features: judges.features, clip: undefined };
  // Its own folder, so that it is always gone on with.
  const set = await growSet(folder, jobOf(source, seen), { index: 1, of: 1 }, true);
  try {
    await collect(set, source, seen, { batch, title: "real pictures", signal });
  } finally {
    set.close();
  }
  return signal.aborted ? undefined : ofSet(openSet(folder), wanted, size);
}

/** Throws where statistics tell that they are of other weights or pictures. */
function checkSeen(name: string, { weights, size }: Seen, wanted: FeatureJob, ownSize: number | undefined): void {
  if (weights !== undefined && weights !== wanted.weights)
    throw new Error(
      `--reference: ${name} is of other weights of ${wanted.network}, ${weights}; those of --network are ` +
        `${wanted.weights}: give both the same --network.`,
    );
  if (size !== undefined) checkSize(name, size, ownSize ?? 0);
}

/** Throws unless both were resized alike. */
function checkSize(name: string, there: number, here: number): void {
  if (there !== here)
    throw new Error(
      `--reference: ${name} was evaluated ${atSize(there)}, these pictures are ${atSize(here)}: give both the same --size.`,
    );
}

function atSize(size: number): string {
  return size === 0 ? "in their own size" : `at ${size} pixels`;
}

/** Throws unless both are one network with the same weights. */
function checkSame(what: string, features: FeatureJob, wanted: FeatureJob): void {
  for (const key of ["network", "weights", "dimension"] as const)
    if (features[key] !== wanted[key]) {
      const of = key === "network" ? "the network" : `the network's ${key}`;
      throw new Error(
        `--reference: ${what} ${of} ${features[key]}, those to compare with ${wanted[key]}: give both the same --network.`,
      );
    }
}
