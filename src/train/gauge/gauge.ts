import { checkArray, checkFinite, checkObject, checkPositive } from "../../core/checks";
import { SidError } from "../../core/errors";
import type { GaugeSample } from "./samples";

/** A value and the standard error of its sampling. */
export interface Estimate {
  /** The estimate. */
  readonly value: number;
  /** Of the drawn samples alone, in the same unit. */
  readonly standardError: number;
}

/** Three estimates of a Kullback-Leibler divergence, or of a part of it, in nats. */
interface Estimates {
  /** L, `½∫(E‖f_φ − x_g‖² − E‖f_ψ − x_g‖²) dSNR`: never above the divergence but by its error. */
  readonly lowerBound: Estimate;
  /** N, `½∫E‖f_φ − f_ψ‖² dSNR`: the divergence where the fake score is exact; errs both ways where it is not. */
  readonly naive: Estimate;
  /** `L − N = ∫E[δ·(f_ψ − x_g)] dSNR`: 0 where the fake score is exact. */
  readonly lag: Estimate;
}

/** What a range of noise levels adds to a {@link Divergence}. */
export interface LevelDivergence extends Estimates {
  /** Least `log SNR` of the range. */
  readonly from: number;
  /** Greatest `log SNR` of the range. */
  readonly to: number;
}

/** What is known of `KL(generator ‖ teacher)`, in nats, as {@link divergenceGauge} reads it. */
export interface Divergence extends Estimates {
  /** What each range of noise levels adds, from noise to signal: where the generator is still wrong. Their sum is the whole. */
  readonly levels: readonly LevelDivergence[];
  /** Samples in it; forgotten ones count by their weight. */
  readonly samples: number;
}

/** Options of {@link divergenceGauge}. */
export interface DivergenceGaugeOptions {
  /**
   * Samples after which an old one counts half; `Infinity` forgets nothing. Above 0.
   * @defaultValue `2048`
   */
  readonly halfLife?: number | undefined;
  /**
   * Where to go on from.
   * @defaultValue nothing seen
   */
  readonly state?: GaugeState | undefined;
}

/** What a gauge remembers, as plain data. */
export interface GaugeState {
  /** Per bin of log-SNR its index, eight sums over its samples, and the least and the greatest log-SNR in it. */
  readonly bins: readonly (readonly number[])[];
}

/** Keeps running estimates of how far the generator's law is from the teacher's. */
export interface DivergenceGauge {
  /** Takes in samples, and lets older ones fade. */
  add(samples: readonly GaugeSample[]): void;
  /** The estimates; undefined while there are fewer than 8 samples. */
  reading(): Divergence | undefined;
  /** A copy of all that it has seen: a gauge made from it goes on with the same numbers. */
  state(): GaugeState;
}

/** Width of a bin of log-SNR. */
const width = 0.5;
/** Samples that a bin needs to stand alone; one with fewer joins its neighbour. */
const enough = 8;
/** A bin whose samples weigh less together is forgotten, ten half-lives after a single one. */
const forgotten = 1e-3;
/** Σ of weights, their squares, and weighted x, h, k, h², hk, k² with x = log-SNR, h = ½·SNR·‖δ‖², k = SNR·lag. */
const sums = 8;

/**
 * Estimates `KL(p_θ ‖ p_φ)` of generator and teacher from what every iteration of a distillation computes anyway.
 *
 *     KL = ½ ∫ E‖f_φ − f_ψ*‖² dSNR,   over all levels, x_t from the generator's law, ψ* its own score
 *     N  = ½ ∫ E‖f_φ − f_ψ‖² dSNR,    L = ½ ∫ (E‖f_φ − x_g‖² − E‖f_ψ − x_g‖²) dSNR ≤ KL,   tight where f_ψ = f_ψ*
 *
 * f_φ is the teacher's answer at κ = 1, its own law's. f_ψ is what the fake score learns to predict: its answer at the κ1
 * under which it trains (any predictor gives a lower bound). What is integrated is a mean per bin of log-SNR, 0.5 wide, so
 * neither the law of t nor its tail at small noise matters; bins with fewer than 8 samples join, which at few samples of
 * an uneven law costs accuracy. Between the bins' means it is linear. The integral reaches from the least to the greatest
 * level of late: it is the divergence of the two laws noised to the latter less that at the former.
 *
 * It is blind where the fake score has not learnt: where f_ψ = f_φ, both are 0. `auditDivergence` makes L tight. With
 * conditions it is the mean over them. Where the teacher is a network, L is the distance to what its predictions stand for.
 *
 * Source: the I-MMSE relation (Guo, Shamai & Verdú, arXiv:cs/0412108; Verdú, "Mismatched estimation and relative
 * entropy", 2010); the bound follows since the posterior mean is the least of the second term.
 *
 * @param options - how fast it forgets, and where it goes on from.
 * @returns the gauge; it holds no tensors.
 * @throws SidError `out-of-range` or `not-finite` for a half-life that is not above 0 or a state that is none.
 *
 * @example
 * ```ts
 * import { divergenceGauge } from "sid-lsg/train";
 *
 * const gauge = divergenceGauge();
 * const levels = Array.from({ length: 200 }, (_, i) => -5 + i / 20); // log-SNR −5 to 5
 * gauge.add(levels.map((logSnr) => ({ logSnr, deltaSquared: Math.exp(-logSnr), lag: 0 })));
 * console.log(gauge.reading()?.lowerBound.value.toFixed(2)); // ½·∫ SNR⁻¹ dSNR = ½·9.95, but for the bins: 4.97
 * ```
 */
export function divergenceGauge(options: DivergenceGaugeOptions = {}): DivergenceGauge {
  const where = "divergenceGauge";
  const { halfLife = 2048, state } = checkObject(where, "options", options, { halfLife: 1, state: 1 });
  if (halfLife !== Number.POSITIVE_INFINITY) checkPositive(where, "halfLife", halfLife);
  if (state !== undefined) checkState(where, state);
  const bins = new Map<number, number[]>(state?.bins.map(([index, ...of]) => [index as number, of]));
  return {
    add(samples) {
      checkArray("divergenceGauge.add", "samples", samples);
      for (const [i, sample] of samples.entries())
        for (const name of ["logSnr", "deltaSquared", "lag"] as const)
          checkFinite("divergenceGauge.add", `samples[${i}].${name}`, checkSample(sample, i)[name]);
      const fading = 0.5 ** (samples.length / halfLife);
      for (const [index, of] of bins) {
        for (let i = 0; i < sums; i++) of[i] = (of[i] as number) * (i === 1 ? fading ** 2 : fading);
        if ((of[0] as number) < forgotten) bins.delete(index);
      }
      for (const { logSnr, deltaSquared, lag } of samples) {
        const snr = Math.exp(logSnr);
        const [h, k] = [(snr * deltaSquared) / 2, snr * lag];
        const index = Math.floor(logSnr / width);
        const of = bins.get(index) ?? [...Array<number>(sums).fill(0), logSnr, logSnr];
        bins.set(index, of);
        [1, 1, logSnr, h, k, h * h, h * k, k * k].forEach((x, i) => {
          of[i] = (of[i] as number) + x;
        });
        of[sums] = Math.min(of[sums] as number, logSnr);
        of[sums + 1] = Math.max(of[sums + 1] as number, logSnr);
      }
    },
    reading: () => readingOf(inOrder(bins).map(([, of]) => of)),
    state: () => ({ bins: inOrder(bins).map(([index, of]) => [index, ...of]) }),
  };
}

function inOrder(bins: ReadonlyMap<number, readonly number[]>): [number, readonly number[]][] {
  return [...bins].sort(([a], [b]) => a - b);
}

function readingOf(bins: readonly (readonly number[])[]): Divergence | undefined {
  if (bins.reduce((sum, bin) => sum + effective(bin), 0) < enough) return undefined;
  const points = joined(bins).map(pointOf);
  const [least, greatest] = [bins[0]?.[sums], bins.at(-1)?.[sums + 1]] as [number, number];
  // A bin stands for the levels up to half way to its neighbours: the trapezoidal rule over the bins' means.
  const edges = [least, ...points.slice(1).map(({ x }, i) => ((points[i] as Point).x + x) / 2), greatest];
  const levels = points.map(({ h, k, varianceOfH, varianceOfK, covariance }, i): LevelDivergence => {
    const [from, to] = [edges[i] as number, edges[i + 1] as number];
    const length = to - from;
    const estimate = (value: number, variance: number): Estimate => ({
      value: length * value,
      standardError: length * Math.sqrt(Math.max(0, variance)),
    });
    const lowerBound = estimate(h + k, varianceOfH + 2 * covariance + varianceOfK);
    return { from, to, lowerBound, naive: estimate(h, varianceOfH), lag: estimate(k, varianceOfK) };
  });
  const whole = (of: (level: LevelDivergence) => Estimate): Estimate => ({
    value: levels.reduce((sum, level) => sum + of(level).value, 0),
    standardError: Math.sqrt(levels.reduce((sum, level) => sum + of(level).standardError ** 2, 0)),
  });
  return {
    lowerBound: whole((level) => level.lowerBound),
    naive: whole((level) => level.naive),
    lag: whole((level) => level.lag),
    levels,
    samples: bins.reduce((sum, [weight]) => sum + (weight as number), 0),
  };
}

/** Neighbouring bins together where they hold too few samples alone; the last of them goes with the one before. */
function joined(bins: readonly (readonly number[])[]): (readonly number[])[][] {
  const groups: (readonly number[])[][] = [];
  let open: (readonly number[])[] = [];
  for (const bin of bins) {
    open.push(bin);
    if (open.reduce((sum, one) => sum + effective(one), 0) < enough) continue;
    groups.push(open);
    open = [];
  }
  groups.at(-1)?.push(...open);
  return groups;
}

/** The number of equally weighted samples that a mean is as good as. */
function effective([weight, squares]: readonly number[]): number {
  return (weight as number) ** 2 / (squares as number);
}

type Point = ReturnType<typeof pointOf>;

/** The means of a group of bins, each bin with the same weight however many samples the law of t gave it, and their variances. */
function pointOf(group: readonly (readonly number[])[]) {
  const means = (bin: readonly number[]) =>
    bin.slice(2, sums).map((sum) => sum / (bin[0] as number)) as [number, number, number, number, number, number];
  const all = group.map(means);
  const meanOf = (i: number) => all.reduce((sum, of) => sum + (of[i] as number), 0) / all.length;
  const [x, h, k, hh, hk, kk] = [0, 1, 2, 3, 4, 5].map(meanOf) as [number, number, number, number, number, number];
  const count = group.reduce((sum, bin) => sum + effective(bin), 0);
  const perSample = group.reduce((sum, bin) => sum + 1 / effective(bin), 0) / group.length ** 2;
  const scale = (perSample * count) / (count - 1);
  return {
    ...{ x, h, k },
    varianceOfH: (hh - h * h) * scale,
    covariance: (hk - h * k) * scale,
    varianceOfK: (kk - k * k) * scale,
  };
}

function checkSample(sample: GaugeSample, i: number): GaugeSample {
  return checkObject("divergenceGauge.add", `samples[${i}]`, sample, { logSnr: 1, deltaSquared: 1, lag: 1 });
}

function checkState(where: string, state: GaugeState): void {
  const { bins } = checkObject(where, "state", state, { bins: 1 });
  const fits = (row: readonly number[]) =>
    Array.isArray(row) &&
    row.length === sums + 3 &&
    row.every(Number.isFinite) &&
    [row[1], row[2]].every((weight) => (weight as number) > 0) &&
    Math.floor((row[sums + 1] as number) / width) === row[0] &&
    Math.floor((row[sums + 2] as number) / width) === row[0];
  if (!checkArray(where, "state.bins", bins).every(fits))
    throw new SidError(
      "invalid-argument",
      `${where}: state must be as state() returned it, ${sums + 3} numbers per bin; got ${JSON.stringify(state).slice(0, 80)}.`,
    );
}
