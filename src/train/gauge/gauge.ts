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

/** All that a gauge has seen, as plain data. */
export interface GaugeState {
  /** The least and the greatest log-SNR so far; none before the first sample. */
  readonly range: readonly [number, number] | null;
  /** Per bin of log-SNR its index and eight sums over its samples. */
  readonly bins: readonly (readonly number[])[];
}

/** Keeps running estimates of how far the generator's law is from the teacher's. */
export interface DivergenceGauge {
  /** Takes in samples, and lets older ones fade. */
  add(samples: readonly GaugeSample[]): void;
  /** The estimates; undefined before the first sample. */
  reading(): Divergence | undefined;
  /** A copy of all that it has seen: a gauge made from it goes on with the same numbers. */
  state(): GaugeState;
}

/** Width of a bin of log-SNR. */
const width = 0.5;
/** Samples that a bin needs to stand alone; one with fewer joins its neighbour. */
const enough = 8;
/** Σ of weights, their squares, and weighted x, h, k, h², hk, k² with x = log-SNR, h = ½·SNR·‖δ‖², k = SNR·lag. */
const sums = 8;

/**
 * Estimates `KL(p_θ ‖ p_φ)` of generator and teacher from what every iteration of a distillation computes anyway.
 *
 *     KL = ½ ∫ E‖f_φ − f_ψ*‖² dSNR,   over all levels, x_t from the generator's law, ψ* its own score
 *     N  = ½ ∫ E‖f_φ − f_ψ‖² dSNR,    L = ½ ∫ (E‖f_φ − x_g‖² − E‖f_ψ − x_g‖²) dSNR ≤ KL,   tight where ψ = ψ*
 *
 * What is integrated is a mean per bin of log-SNR (half a nat wide), so neither the law of t nor its tail at small noise
 * matters; bins with fewer than 8 samples join. Between the bins' means it is linear. The integral reaches from the least
 * to the greatest level seen: it is the divergence of the two laws noised to the latter less that at the former.
 *
 * It is blind where the fake score has not learnt: at ψ = φ both are 0. `auditDivergence` makes L tight. With conditions it
 * is the mean over them. Where the teacher is a network, L is the distance to what its predictions stand for.
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
 * console.log(gauge.reading()?.lowerBound.value.toFixed(2)); // ½·∫ SNR⁻¹ dSNR = ½·9.95: 4.98
 * ```
 */
export function divergenceGauge(options: DivergenceGaugeOptions = {}): DivergenceGauge {
  const where = "divergenceGauge";
  const { halfLife = 2048, state } = checkObject(where, "options", options, { halfLife: 1, state: 1 });
  if (halfLife !== Number.POSITIVE_INFINITY) checkPositive(where, "halfLife", halfLife);
  if (state !== undefined) checkState(where, state);
  const bins = new Map<number, number[]>(state?.bins.map(([index, ...of]) => [index as number, of]));
  let range = state?.range ?? null;
  return {
    add(samples) {
      checkArray("divergenceGauge.add", "samples", samples);
      for (const [i, sample] of samples.entries())
        for (const name of ["logSnr", "deltaSquared", "lag"] as const)
          checkFinite("divergenceGauge.add", `samples[${i}].${name}`, checkSample(sample, i)[name]);
      const fading = 0.5 ** (samples.length / halfLife);
      for (const of of bins.values())
        for (let i = 0; i < sums; i++) of[i] = (of[i] as number) * (i === 1 ? fading ** 2 : fading);
      for (const { logSnr, deltaSquared, lag } of samples) {
        range = [Math.min(range?.[0] ?? logSnr, logSnr), Math.max(range?.[1] ?? logSnr, logSnr)];
        const snr = Math.exp(logSnr);
        const [h, k] = [(snr * deltaSquared) / 2, snr * lag];
        const index = Math.floor(logSnr / width);
        const of = bins.get(index) ?? Array<number>(sums).fill(0);
        bins.set(index, of);
        [1, 1, logSnr, h, k, h * h, h * k, k * k].forEach((x, i) => {
          of[i] = (of[i] as number) + x;
        });
      }
    },
    reading: () => (range ? readingOf(bins, range) : undefined),
    state: () => ({ range, bins: [...bins].sort(([a], [b]) => a - b).map(([index, of]) => [index, ...of]) }),
  };
}

function readingOf(
  bins: ReadonlyMap<number, readonly number[]>,
  [least, greatest]: readonly [number, number],
): Divergence {
  const ordered = [...bins].sort(([a], [b]) => a - b).map(([, of]) => of);
  const points = joined(ordered).map(pointOf);
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
    samples: ordered.reduce((sum, [weight]) => sum + (weight as number), 0),
  };
}

/** Neighbouring bins as one where they hold too few samples alone; the last of them joins the one before. */
function joined(bins: readonly (readonly number[])[]): (readonly number[])[] {
  const whole: (readonly number[])[] = [];
  const plus = (a: readonly number[], b: readonly number[]) => a.map((x, i) => x + (b[i] as number));
  let open: readonly number[] | undefined;
  for (const bin of bins) {
    open = open ? plus(open, bin) : bin;
    if (effective(open) < enough) continue;
    whole.push(open);
    open = undefined;
  }
  const last = whole.pop();
  if (open) whole.push(last ? plus(last, open) : open);
  else if (last) whole.push(last);
  return whole;
}

/** The number of equally weighted samples that a mean is as good as. */
function effective([weight, squares]: readonly number[]): number {
  return (weight as number) ** 2 / (squares as number);
}

type Point = ReturnType<typeof pointOf>;

/** A bin's means, and the variances of its means. */
function pointOf(bin: readonly number[]) {
  const [weight, , ...weighted] = bin as [number, number, ...number[]];
  const [x, h, k, hh, hk, kk] = weighted.map((sum) => sum / weight) as [number, number, number, number, number, number];
  const scale = 1 / Math.max(1, effective(bin) - 1);
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
  const { range, bins } = checkObject(where, "state", state, { range: 1, bins: 1 });
  const rows = checkArray(where, "state.bins", bins);
  const numbers = [...(range ?? []), ...rows.flat()];
  if (
    (range === null) !== (rows.length === 0) ||
    rows.some((row) => row.length !== sums + 1) ||
    (range?.length ?? 2) !== 2
  )
    throw new SidError(
      "invalid-argument",
      `${where}: state must be as state() returned it: a range, and ${sums + 1} numbers per bin; got ${JSON.stringify(state).slice(0, 80)}.`,
    );
  for (const x of numbers) checkFinite(where, "state", x);
}
