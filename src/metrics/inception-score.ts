import { checkFinite, checkInteger, checkMethods, checkObject } from "../core/checks";
import { SidError } from "../core/errors";
import { checkStream, type RandomStream } from "../core/random";
import { drawn } from "./drawn";
import { countFeatures } from "./feature-rows";
import { checkFloat64 } from "./moments";

/** Where {@link InceptionMoments} stand: plain data, to save, to resume from and to merge. */
export interface InceptionMomentsState {
  /** Pictures seen; 0 or more. */
  readonly count: number;
  /** `Σ p(c|x)` over the pictures, `[classes]`. */
  readonly probabilities: Float64Array;
  /** `Σ Σ_c p(c|x)·ln p(c|x)` over the pictures, in nats; 0 or less. */
  readonly negativeEntropy: number;
}

/** Options of {@link inceptionMoments}. */
export interface InceptionMomentsOptions {
  /** Classes of the classifier; at most 2^24. */
  readonly classes: number;
  /**
   * What {@link InceptionMoments.state} returned, to go on from there.
   * @defaultValue nothing seen
   */
  readonly state?: InceptionMomentsState | undefined;
}

/** The Inception Score of pictures that come batch by batch; made by {@link inceptionMoments}. */
export interface InceptionMoments {
  /**
   * Takes in logits, a picture after another; none are kept. Throws SidError `shape-mismatch` for none or torn ones,
   * `not-finite` for NaN or an infinity, and has then taken none of them.
   */
  add(logits: ArrayLike<number>): void;
  /** Takes in what another one has seen. Throws SidError `shape-mismatch` for other classes. */
  merge(other: InceptionMomentsState): void;
  /** Where it stands: a copy. */
  state(): InceptionMomentsState;
  /** `exp(E KL(p(c|x) ‖ p(c)))` of what was seen. Throws SidError `out-of-range` where nothing was. */
  score(): number;
}

/**
 * The Inception Score in a stream: memory does not grow with the pictures, states merge, and a run resumes.
 *
 *     IS = exp(E_x KL(p(c|x) ‖ p(c))) = exp(E_x Σ_c p(c|x) ln p(c|x) − Σ_c p(c) ln p(c)),   p(c) = E_x p(c|x)
 *
 * Source: Salimans et al., "Improved techniques for training GANs", arXiv:1606.03498.
 *
 * @param options - classes, and where to go on from.
 * @returns the accumulator; nothing to dispose.
 * @throws SidError `out-of-range`, `not-finite` or `invalid-argument` for impossible classes or what is no state,
 *   `shape-mismatch` for a state of other classes.
 *
 * @example
 * ```ts
 * import { inceptionMoments } from "sid-lsg/metrics";
 *
 * const moments = inceptionMoments({ classes: 2 });
 * moments.add([50, -50]);
 * moments.add([-50, 50]);
 * console.log(moments.score().toFixed(3)); // 2.000: sure of each picture, and both classes are there
 * ```
 */
export function inceptionMoments(options: InceptionMomentsOptions): InceptionMoments {
  const where = "inceptionMoments";
  const { classes, state } = checkObject(where, "options", options, { classes: 1, state: 1 });
  checkInteger(where, "classes", classes, 1, 2 ** 24);
  if (state !== undefined) checkState(where, "state", state, classes);
  let count = state?.count ?? 0;
  let negativeEntropy = state?.negativeEntropy ?? 0;
  const probabilities = state?.probabilities.slice() ?? new Float64Array(classes);
  const shifted = new Float64Array(classes);

  return {
    add(logits) {
      const added = countFeatures("InceptionMoments.add", "logits", logits, classes, 1);
      for (let start = 0; start < logits.length; start += classes) {
        let largest = Number.NEGATIVE_INFINITY;
        for (let c = 0; c < classes; c++) largest = Math.max(largest, logits[start + c] as number);
        let sum = 0;
        for (let c = 0; c < classes; c++) {
          shifted[c] = (logits[start + c] as number) - largest;
          sum += Math.exp(shifted[c] as number);
        }
        for (let c = 0; c < classes; c++) {
          const logarithm = (shifted[c] as number) - Math.log(sum);
          const p = Math.exp(logarithm);
          probabilities[c] = (probabilities[c] as number) + p;
          if (p > 0) negativeEntropy += p * logarithm;
        }
      }
      count += added;
    },
    merge(other) {
      checkState("InceptionMoments.merge", "other", other, classes);
      count += other.count;
      negativeEntropy += other.negativeEntropy;
      for (let c = 0; c < classes; c++)
        probabilities[c] = (probabilities[c] as number) + (other.probabilities[c] as number);
    },
    state: () => ({ count, probabilities: probabilities.slice(), negativeEntropy }),
    score() {
      if (count === 0)
        throw new SidError("out-of-range", "InceptionMoments.score: wanted at least 1 picture, got none.");
      const entropy = probabilities.reduce((sum, p) => (p > 0 ? sum - (p / count) * Math.log(p / count) : sum), 0);
      return Math.exp(Math.max(0, negativeEntropy / count + entropy));
    },
  };
}

function checkState(where: string, name: string, state: InceptionMomentsState, classes: number): void {
  const { count, probabilities, negativeEntropy } = checkObject(where, name, state, {
    ...{ count: 1, probabilities: 1, negativeEntropy: 1 },
  });
  checkInteger(where, `${name}.count`, count, 0);
  checkFloat64(where, `${name}.probabilities`, probabilities, classes);
  checkFinite(where, `${name}.negativeEntropy`, negativeEntropy);
}

/** Logits that lie elsewhere, such as in a file, and are read some at a time. */
export interface LogitRows {
  /** Pictures. */
  readonly count: number;
  /** The logits of the pictures from `from` up to before `to`, one picture's after another's. */
  read(from: number, to: number): ArrayLike<number>;
}

/** Options of {@link inceptionScore}. */
export interface InceptionScoreOptions {
  /** Classes of the classifier: logits of a picture. */
  readonly classes: number;
  /**
   * Parts of the set, each of which has a score; no more than pictures.
   * @defaultValue `10`
   */
  readonly splits?: number | undefined;
  /**
   * Shuffles the pictures first, as torchmetrics does.
   * @defaultValue none: in the order given, as the original code has it
   */
  readonly stream?: RandomStream | undefined;
}

/** What {@link inceptionScore} returns. */
export interface InceptionScores {
  /** Mean of the splits' scores, from 1 to the number of classes. */
  readonly mean: number;
  /** Their standard deviation, divided by one less than their number; 0 for one split. */
  readonly deviation: number;
  /** How many there are: fewer than asked for where the others leave the last ones nothing. */
  readonly splits: number;
}

/** Pictures of {@link LogitRows} that are read in one go. */
const blockRows = 512;

/**
 * The Inception Score of a set, mean and deviation over splits as torchmetrics has them: each split has
 * `ceil(count / splits)` pictures, the last what is left. Logits that are read from elsewhere are never in memory whole;
 * {@link inceptionMoments} takes pictures batch by batch, and keeps none.
 *
 * It sees no real pictures: 1 at least, the number of classes at most, and biased by the size of a split: 5000 pictures
 * a split, 50,000 in all, is what papers quote, with Inception's 1008 logits.
 *
 * Source: Salimans et al., "Improved techniques for training GANs", arXiv:1606.03498, whose code divides the variance
 * by the number of splits; its faults: Barratt & Sharma, arXiv:1801.01973.
 *
 * @param logits - one picture's after another's, as a tensor `[count, classes]` reads out, or {@link LogitRows}; before
 *   the softmax.
 * @param options - classes and splits.
 * @returns mean and deviation over the splits, and how many there are.
 * @throws SidError `shape-mismatch` for torn logits or none, `not-finite` for NaN or an infinity, `out-of-range` for
 *   more splits than pictures.
 *
 * @example
 * ```ts
 * import { inceptionScore } from "sid-lsg/metrics";
 *
 * const { mean } = inceptionScore([50, -50, -50, 50], { classes: 2, splits: 1 });
 * console.log(mean.toFixed(3)); // 2.000
 * ```
 */
export function inceptionScore(logits: ArrayLike<number> | LogitRows, options: InceptionScoreOptions): InceptionScores {
  const where = "inceptionScore";
  const { classes, splits = 10, stream } = checkObject(where, "options", options, { classes: 1, splits: 1, stream: 1 });
  checkInteger(where, "classes", classes, 1, 2 ** 24);
  const { count, read } = rowsOf(where, logits, classes);
  checkInteger(where, "splits (one picture each is the least)", splits, 1, count);
  if (stream !== undefined) checkStream(where, "stream", stream);
  const order = stream && drawn(count, count, stream);
  const size = Math.ceil(count / splits);
  const scores: number[] = [];
  for (let from = 0; from < count; from += size) {
    const moments = inceptionMoments({ classes });
    const to = Math.min(from + size, count);
    if (order) for (const i of order.subarray(from, to)) moments.add(read(i, i + 1));
    else for (let at = from; at < to; at += blockRows) moments.add(read(at, Math.min(at + blockRows, to)));
    scores.push(moments.score());
  }
  const mean = scores.reduce((sum, score) => sum + score, 0) / scores.length;
  const squares = scores.reduce((sum, score) => sum + (score - mean) ** 2, 0);
  const deviation = Math.sqrt(squares / Math.max(1, scores.length - 1));
  return { mean, deviation, splits: scores.length };
}

/** Logits in memory or elsewhere, to be read in one way; those in memory are checked at once, others as they come. */
function rowsOf(where: string, logits: ArrayLike<number> | LogitRows, classes: number): LogitRows {
  if (!isRows(logits)) {
    const count = countFeatures(where, "logits", logits, classes, 1);
    const part = (from: number, to: number) =>
      Float64Array.from({ length: (to - from) * classes }, (_, k) => logits[from * classes + k] as number);
    return { count, read: part };
  }
  checkMethods(where, "logits", logits, "rows of logits", ["read"]);
  checkInteger(where, "logits.count", logits.count, 1);
  return {
    count: logits.count,
    read(from, to) {
      const rows = logits.read(from, to);
      const got = countFeatures(where, "what logits.read gives", rows, classes, 0);
      if (got !== to - from)
        throw new SidError(
          "shape-mismatch",
          `${where}: wanted logits of ${to - from} pictures, logits.read gave ${got}.`,
        );
      return rows;
    },
  };
}

function isRows(logits: ArrayLike<number> | LogitRows): logits is LogitRows {
  return typeof logits === "object" && logits !== null && "read" in logits;
}
