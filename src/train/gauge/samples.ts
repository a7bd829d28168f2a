import {
  add,
  mul,
  square,
  stack,
  sub,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  tensor1d,
} from "@tensorflow/tfjs-core";
import { describe } from "../../core/checks";
import { SidError } from "../../core/errors";
import { sumPerSample } from "../../core/per-sample";
import type { Question } from "../../methods/types";
import type { NoiseLevel } from "../../predict/level";
import { conditionalOf } from "../ask";
import type { Checked } from "../objective";

/** What one noisy sample of the generator tells of the distance to the teacher's law; see {@link divergenceGauge}. */
export interface GaugeSample {
  /** `log(α²/σ²)` of its x_t. */
  readonly logSnr: number;
  /** `‖δ‖²`, `δ = f_φ − f_ψ`, the teacher at κ = 1. */
  readonly deltaSquared: number;
  /** `δ·(f_ψ − x_g)`: 0 in the mean where the fake score is that of the generator. */
  readonly lag: number;
}

/** The two answers that the gauge compares, and what it needs of them beside what the method asks. */
export interface Compared {
  readonly at: "xt" | "other";
  readonly teacher: string;
  readonly fake: string;
  /** The questions whose part at κ = 1 is wanted. */
  readonly parted: readonly string[];
  /** The share of `answer − part at κ = 1` that is added to that part of the fake score's answer; 1: the answer itself. */
  readonly fakeShare: number;
}

/**
 * The answers of teacher and fake score at one x_t, if the method asks both; the teacher's must contain its prediction
 * with the condition, and the x_t must be a noisy sample of the generator.
 *
 * Of the teacher κ = 1 is taken: its own law. Of the fake score what it learns to predict, at κ1: any predictor gives a
 * lower bound, and that one gives the best.
 */
export function comparedBy(
  { method }: Pick<Checked, "method">,
  asks: Readonly<Record<string, Question>>,
): Compared | undefined {
  if (method.noising === "interval") return undefined;
  const trained = method.fakeScore?.guidanceScale ?? 1;
  const entries = Object.entries(asks);
  for (const [teacher, { of, at = "xt", guidanceScale: kappa4 = 1 }] of entries) {
    if (of !== "teacher" || kappa4 === 0) continue;
    const found = entries.find(([, other]) => other.of === "fakeScore" && (other.at ?? "xt") === at);
    if (found === undefined) continue;
    const [fake, { guidanceScale: kappa2 = 1 }] = found;
    // f_κ1 = f_1 + (κ1 − 1)/(κ2 − 1)·(f_κ2 − f_1); a pass at 0 or 1 has one part only.
    const fakeShare = kappa2 === trained || kappa2 === 0 || kappa2 === 1 ? 1 : (trained - 1) / (kappa2 - 1);
    const parted = [...(kappa4 === 1 ? [] : [teacher]), ...(fakeShare === 1 ? [] : [fake])];
    return { at, teacher, fake, parted, fakeShare };
  }
  return undefined;
}

/** `[B, 4]`: whether a sample counts, its log-SNR, `‖δ‖²` and the lag. */
export function gaugeFigures(
  { teacher, fake, fakeShare }: Compared,
  answers: Readonly<Record<string, Tensor>>,
  { generated, level, valid }: { readonly generated: Tensor; readonly level: NoiseLevel; readonly valid: Tensor1D },
): Tensor2D {
  const answer = (name: string) => answers[name] as Tensor;
  const part = answers[conditionalOf(fake)];
  const psi = part === undefined || fakeShare === 1 ? answer(fake) : add(part, mul(sub(answer(fake), part), fakeShare));
  return samplesOf({ teacher: answers[conditionalOf(teacher)] ?? answer(teacher), fake: psi, generated, level, valid });
}

/** {@link gaugeFigures} of the two predictions. */
export function samplesOf(inputs: {
  readonly teacher: Tensor;
  readonly fake: Tensor;
  readonly generated: Tensor;
  readonly level: NoiseLevel;
  readonly valid: Tensor1D;
}): Tensor2D {
  const { teacher, fake, generated, level, valid } = inputs;
  // A sample that does not count spoils its own row alone, and nobody reads that.
  const delta = sub(teacher, fake);
  const logSnr = level.alpha.map((alpha, i) => 2 * Math.log(alpha / (level.sigma[i] as number)));
  // A level without noise, or without signal, has no place in the integral.
  const placed = logSnr.map((at) => (Number.isFinite(at) ? 1 : 0));
  const counts = placed.includes(0) ? mul(valid, tensor1d(placed)) : valid;
  const at = tensor1d(logSnr.map((x, i) => (placed[i] ? x : 0)));
  return stack(
    [counts, at, sumPerSample(square(delta)), sumPerSample(mul(delta, sub(fake, generated)))],
    1,
  ) as Tensor2D;
}

/**
 * What the gauge is told, of the `gauge` that {@link generatorGradients} returns.
 *
 * @param values - `gauge.data()`: four numbers per sample.
 * @returns the samples that count, but those whose square was too large for float32.
 * @throws SidError `invalid-argument` for anything but rows of four numbers.
 *
 * @example
 * ```ts
 * import { gaugeSamples } from "sid-lsg/train";
 *
 * console.log(gaugeSamples([1, -2, 0.5, 0.1, 0, 0, 0, 0])); // [{ logSnr: -2, deltaSquared: 0.5, lag: 0.1 }]
 * ```
 */
export function gaugeSamples(values: ArrayLike<number>): GaugeSample[] {
  const length: unknown = (values as ArrayLike<number> | undefined | null)?.length;
  if (typeof values !== "object" || !Number.isInteger(length) || (length as number) % 4 !== 0)
    throw new SidError(
      "invalid-argument",
      `gaugeSamples: values must be four numbers per sample, as generatorGradients(…).gauge reads out, got ${describe(values)}.`,
    );
  const samples: GaugeSample[] = [];
  for (let i = 0; i < values.length; i += 4) {
    const [counts, logSnr, deltaSquared, lag] = [0, 1, 2, 3].map((j) => values[i + j] as number) as [
      ...[number, number, number, number],
    ];
    if (counts > 0 && Number.isFinite(deltaSquared) && Number.isFinite(lag))
      samples.push({ logSnr, deltaSquared, lag });
  }
  return samples;
}
