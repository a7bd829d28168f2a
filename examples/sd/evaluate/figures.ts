import {
  clipScore,
  frechetDistance,
  inceptionScore,
  kernelDistance,
  kernelDistanceOfSubsets,
  mergeClipScores,
  neighbourMetrics,
  retrievalAccuracy,
} from "sid-lsg/metrics";
import { say } from "../../common/terminal";
import { keptStatistics, type Reference } from "./reference";
import { type Rows, spread } from "./rows";
import type { PictureSet } from "./set";

/** What an evaluation comes to; what cannot be known is absent. */
export interface Figures {
  readonly frechet?: number;
  readonly kernel?: {
    readonly mean: number;
    /** Over subsets of `size`; without them the mean is that of all pictures at once. */
    readonly over?: { readonly deviation: number; readonly subsets: number; readonly size: number };
  };
  readonly neighbours?: {
    readonly precision: number;
    readonly recall: number;
    readonly density: number;
    readonly coverage: number;
    readonly k: number;
    readonly real: number;
    readonly generated: number;
  };
  readonly inception?: { readonly mean: number; readonly deviation: number; readonly splits: number };
  readonly clip?: { readonly cosine: number; readonly score: number };
  readonly retrieval?: { readonly accuracy: number; readonly chance: number; readonly among: number };
  /** What to know before comparing. */
  readonly notes: readonly string[];
}

export interface FigureOptions {
  /** Pictures of each set that KID, neighbours and retrieval look at, evenly spread; 0 leaves them out. */
  readonly sample: number;
  /** The neighbour that makes a ball's radius. */
  readonly nearest: number;
}

const subsets = 100;
const usualSubset = 1000;
/** Parts that follow one another, as everybody quotes the Inception Score. */
const usualSplits = 10;
const usualAmong = 100;

/** Computes all figures that a finished set and a reference allow. Memory grows with `sample`, not with the pictures. */
export async function figuresOf(
  set: PictureSet,
  reference: Reference | undefined,
  options: FigureOptions,
): Promise<Figures> {
  const notes: string[] = [];
  const rows = set.rows("features");
  const { features } = set.job;
  const statistics = rows && features && rows.count > 1 ? await keptStatistics(set, rows, features) : undefined;
  let figures: Figures = { notes };
  if (statistics && reference) {
    say(`Fréchet distance of ${statistics.mean.length} dimensions …`);
    const onWarning = (warning: string) => notes.push(warning);
    figures = { ...figures, frechet: frechetDistance(statistics, reference.statistics, { onWarning }) };
  }
  if (rows && reference && !reference.features)
    notes.push("KID, precision, recall, density and coverage need the real pictures, not statistics of them.");
  if (rows && reference?.features && options.sample > 0)
    figures = { ...figures, ...pairFigures(rows, reference.features, options, notes) };
  const logits = set.rows("logits");
  if (logits)
    figures = {
      ...figures,
      inception: inceptionScore(logits, { classes: logits.dimension, splits: Math.min(usualSplits, logits.count) }),
    };
  const [images, texts] = [set.rows("images"), set.rows("texts")];
  const bare = Number(set.job.pictures["withoutCaption"] ?? 0);
  if (images && bare > 0)
    notes.push(
      `${bare} of ${set.job.total} pictures have no caption: CLIP score and R@1 compare them with the prefix alone.`,
    );
  if (images && texts) figures = { ...figures, ...clipFigures(images, texts, options.sample) };
  return figures;
}

function pairFigures(rows: Rows, real: Rows, { sample, nearest: k }: FigureOptions, notes: string[]) {
  const { dimension } = rows;
  const [generated, others] = [spread(rows, sample), spread(real, sample)];
  const counts = { real: others.length / dimension, generated: generated.length / dimension };
  const fewest = Math.min(counts.real, counts.generated);
  if (fewest < 2) {
    notes.push(`KID, precision and recall need at least 2 pictures of each set, got ${fewest}.`);
    return {};
  }
  say(`KID and neighbours of ${counts.generated} and ${counts.real} pictures …`);
  const kernel = kernelOf(generated, others, dimension, fewest);
  if (kernel.over === undefined)
    notes.push(
      `KID is that of all pictures at once, without a deviation: with ${fewest} of a set there are no different ` +
        `subsets of ${usualSubset}, as others take.`,
    );
  if (fewest <= k) {
    notes.push(`Precision, recall, density and coverage need more than ${k} pictures of each set, got ${fewest}.`);
    return { kernel };
  }
  const neighbours = neighbourMetrics(others, generated, { dimension, k });
  return { kernel, neighbours: { ...neighbours, k, ...counts } };
}

/** Over subsets where the smaller set has several; else of all, since each were all of it, and the deviation nothing. */
function kernelOf(generated: Float32Array, others: Float32Array, dimension: number, fewest: number) {
  if (fewest <= usualSubset) return { mean: kernelDistance(generated, others, { dimension }) };
  const options = { dimension, subsets, subsetSize: usualSubset };
  const { mean, deviation } = kernelDistanceOfSubsets(generated, others, options);
  return { mean, over: { deviation, subsets, size: usualSubset } };
}

function clipFigures(images: Rows, texts: Rows, sample: number) {
  const { dimension } = images;
  const blocks = [...Array(Math.ceil(images.count / 1000)).keys()].map((i) => {
    const [from, to] = [1000 * i, Math.min(1000 * (i + 1), images.count)];
    return clipScore(images.read(from, to), texts.read(from, to), { dimension });
  });
  const { cosine, score } = mergeClipScores(blocks);
  const count = Math.min(sample, images.count);
  const among = Math.min(usualAmong, count);
  if (among < 2) return { clip: { cosine, score } };
  const retrieval = retrievalAccuracy(spread(images, count), spread(texts, count), { dimension, among });
  return { clip: { cosine, score }, retrieval: { ...retrieval, among } };
}
