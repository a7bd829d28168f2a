import { checkArray, checkFinite, checkInteger, checkObject } from "../core/checks";
import { SidError } from "../core/errors";
import { countFeatures, float64Rows, productBlocks, type RowReader } from "./feature-rows";
import type { RowRange } from "./row-products";

/** Options of {@link clipScore}. */
export interface ClipScoreOptions {
  /** Length of one embedding; unitless. */
  readonly dimension: number;
}

/** What {@link clipScore} returns; plain data, which {@link mergeClipScores} joins. */
export interface ClipScore {
  /** Pairs seen. */
  readonly count: number;
  /** Mean cosine of a picture's embedding and its text's, in `[−1, 1]`. */
  readonly cosine: number;
  /** Mean of `max(cosine, 0)`, in `[0, 1]`. */
  readonly score: number;
}

/**
 * CLIP score of pictures and their texts: how well each picture fits its own, by their embeddings
 *
 *     score = mean_i max(cos(image_i, text_i), 0)
 *
 * `cosine` is the mean without the bound, which the papers on distillation quote (0.304 say). torchmetrics' `CLIPScore`
 * is `100·max(cosine, 0)`; Hessel et al. scale `score` by 2.5. It depends on the network: ViT-B/32's and ViT-G/14's do
 * not compare. Scores of batches or shards join by {@link mergeClipScores}, so that no embedding need be kept.
 *
 * Source: Hessel et al., "CLIPScore", arXiv:2104.08718.
 *
 * @param images - embeddings of pictures, one after another, of any length but 0: they are normalised here.
 * @param texts - those of their texts, in the same order.
 * @param options - length of an embedding.
 * @returns count, cosine and score.
 * @throws SidError `shape-mismatch` for torn embeddings, none, or other counts; `not-finite` for NaN or an infinity;
 *   `out-of-range` for an embedding of length 0.
 *
 * @example
 * ```ts
 * import { clipScore } from "sid-lsg/metrics";
 *
 * const { cosine, score } = clipScore([1, 0, 0, 1], [2, 0, 0, -3], { dimension: 2 });
 * console.log(cosine, score); // 0 and 0.5
 * ```
 */
export function clipScore(images: ArrayLike<number>, texts: ArrayLike<number>, options: ClipScoreOptions): ClipScore {
  const where = "clipScore";
  const { dimension } = checkObject(where, "options", options, { dimension: 1 });
  const count = countPairs(where, images, texts, dimension);
  const [a, b] = [unitReader(where, "images", images, dimension), unitReader(where, "texts", texts, dimension)];
  let [sum, positive] = [0, 0];
  for (let i = 0; i < count; i++) {
    const cosine = ownCosine(a, b, i);
    sum += cosine;
    positive += Math.max(0, cosine);
  }
  return { count, cosine: sum / count, score: positive / count };
}

/**
 * The score of all pairs together, of batches or of shards.
 *
 * @param scores - what {@link clipScore} returned for each.
 * @returns their score as one set.
 * @throws SidError `invalid-argument` or `out-of-range` for what is no score, or none.
 *
 * @example
 * ```ts
 * import { mergeClipScores } from "sid-lsg/metrics";
 *
 * const [a, b] = [{ count: 3, cosine: 0.5, score: 0.5 }, { count: 1, cosine: 0.1, score: 0.1 }];
 * console.log(mergeClipScores([a, b]).score); // 0.4
 * ```
 */
export function mergeClipScores(scores: readonly ClipScore[]): ClipScore {
  const where = "mergeClipScores";
  checkArray(where, "scores", scores);
  let [count, cosine, score] = [0, 0, 0];
  for (const [i, one] of scores.entries()) {
    checkObject(where, `scores[${i}]`, one, { count: 1, cosine: 1, score: 1 });
    checkInteger(where, `scores[${i}].count`, one.count, 0);
    count += one.count;
    cosine += one.count * checkFinite(where, `scores[${i}].cosine`, one.cosine);
    score += one.count * checkFinite(where, `scores[${i}].score`, one.score);
  }
  if (count === 0) throw new SidError("out-of-range", `${where}: wanted at least 1 pair, got none.`);
  return { count, cosine: cosine / count, score: score / count };
}

/** Options of {@link retrievalAccuracy}. */
export interface RetrievalAccuracyOptions {
  /** Length of one embedding; unitless. */
  readonly dimension: number;
  /**
   * A picture counts where its own text is among the `k` closest; below `among`.
   * @defaultValue `1`
   */
  readonly k?: number | undefined;
  /**
   * Texts to find the own one among: it and those that follow it, the first after the last.
   * @defaultValue all texts
   */
  readonly among?: number | undefined;
}

/** What {@link retrievalAccuracy} returns. */
export interface RetrievalAccuracy {
  /** Share of pictures whose own text is among the `k` closest of `among`. */
  readonly accuracy: number;
  /** What guessing would give: `k / among`. */
  readonly chance: number;
}

/**
 * R@k from pictures to texts: for how many of them is their own text among the `k` closest by the cosine? Unlike the
 * CLIP score it has a scale of its own, from chance to 1, and networks compare.
 *
 * Deterministic: the other texts are those that follow in the set. Texts exactly as close as the own one (the same
 * caption twice, or an encoder that collapsed) count as in a random order among each other, on average. R-precision of
 * papers is `k = 1` among 100. It needs all embeddings, those of shards concatenated, and `count·among` products.
 *
 * Source: R-precision, Xu et al., "AttnGAN", arXiv:1711.10485; R@k, Karpathy & Fei-Fei, arXiv:1412.2306.
 *
 * @param images - embeddings of pictures, one after another; normalised here.
 * @param texts - those of their texts, in the same order.
 * @param options - length of an embedding, `k`, and among how many.
 * @returns the accuracy, and what chance gives.
 * @throws SidError `out-of-range` unless `1 ≤ k < among ≤ count`; otherwise as {@link clipScore}.
 *
 * @example
 * ```ts
 * import { retrievalAccuracy } from "sid-lsg/metrics";
 *
 * const { accuracy, chance } = retrievalAccuracy([1, 0, 0, 1], [1, 0.1, 0.2, 1], { dimension: 2 });
 * console.log(accuracy, chance); // 1 and 0.5
 * ```
 */
export function retrievalAccuracy(
  images: ArrayLike<number>,
  texts: ArrayLike<number>,
  options: RetrievalAccuracyOptions,
): RetrievalAccuracy {
  const where = "retrievalAccuracy";
  const { dimension, k = 1 } = checkObject(where, "options", options, { dimension: 1, k: 1, among: 1 });
  const count = countPairs(where, images, texts, dimension);
  if (count < 2)
    throw new SidError("out-of-range", `${where}: wanted at least 2 pictures to tell texts apart, got ${count}.`);
  const among = checkInteger(where, "among (the count is the most)", options.among ?? count, 2, count);
  checkInteger(where, "k (one less than among is the most)", k, 1, among - 1);
  const [a, b] = [unitReader(where, "images", images, dimension), unitReader(where, "texts", texts, dimension)];
  const own = Float64Array.from({ length: count }, (_, i) => ownCosine(a, b, i));
  const closer = new Uint32Array(count);
  const equal = new Uint32Array(count);
  const isCandidate = (i: number, j: number): boolean => (j - i + count) % count < among;
  const wanted = (i: RowRange, j: RowRange): boolean => isNear(i, j, count, among);
  for (const { i, j, products } of productBlocks(a, b, wanted))
    for (let row = i.from, at = 0; row < i.to; row++)
      for (let column = j.from; column < j.to; column++, at++) {
        if (row === column || !isCandidate(row, column)) continue;
        const [cosine, mine] = [products[at] as number, own[row] as number];
        if (cosine > mine) closer[row] = (closer[row] as number) + 1;
        if (cosine === mine) equal[row] = (equal[row] as number) + 1;
      }
  let hits = 0;
  for (let i = 0; i < count; i++)
    hits += Math.min(1, Math.max(0, (k - (closer[i] as number)) / ((equal[i] as number) + 1)));
  return { accuracy: hits / count, chance: k / among };
}

/** Whether a text of `j` is one of the `among` from a picture of `i` on, around the end of the set. */
function isNear(i: RowRange, j: RowRange, count: number, among: number): boolean {
  // Pictures i reach the texts from i.from up to before i.to + among - 1; those of j stand there too, or one turn on.
  const end = i.to + among - 1;
  return [j.from, j.from + count].some((from) => from < end && from + j.to - j.from > i.from);
}

function countPairs(where: string, images: ArrayLike<number>, texts: ArrayLike<number>, dimension: number): number {
  const count = countFeatures(where, "images", images, dimension, 1);
  const others = countFeatures(where, "texts", texts, dimension, 1);
  if (others !== count)
    throw new SidError(
      "shape-mismatch",
      `${where}: wanted a text for each picture, got ${count} pictures and ${others} texts.`,
    );
  return count;
}

/** Embeddings made of length 1 as they are read. */
function unitReader(where: string, name: string, features: ArrayLike<number>, dimension: number): RowReader {
  const read = (range: RowRange): Float64Array => {
    const rows = float64Rows(features, dimension, range);
    for (let start = 0; start < rows.length; start += dimension) {
      const row = rows.subarray(start, start + dimension);
      const largest = row.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
      if (largest === 0)
        throw new SidError(
          "out-of-range",
          `${where}: ${name} must point somewhere, got zeros for number ${range.from + start / dimension}.`,
        );
      const length = largest * Math.sqrt(row.reduce((sum, x) => sum + (x / largest) ** 2, 0));
      for (let i = 0; i < dimension; i++) row[i] = (row[i] as number) / length;
    }
    return rows;
  };
  return { count: features.length / dimension, dimension, read };
}

/** Cosine of a picture and its own text, summed as all products are. */
function ownCosine(a: RowReader, b: RowReader, i: number): number {
  const range = { from: i, to: i + 1 };
  const text = b.read(range);
  return a.read(range).reduce((sum, x, k) => sum + x * (text[k] as number), 0);
}
