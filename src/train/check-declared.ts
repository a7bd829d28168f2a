import {
  div,
  maximum,
  mul,
  neg,
  norm,
  scalar,
  sqrt,
  square,
  stack,
  sub,
  sum,
  type Tensor,
  type Tensor1D,
} from "@tensorflow/tfjs-core";
import { SidError } from "../core/errors";
import { checkPrediction, type PredictionType } from "../core/prediction-type";
import { noGrad } from "../core/tape";
import type { ScoreModel } from "../models/types";
import { addNoise, noiseLevel } from "../predict/level";

const where = "distill";

/** What the teacher is asked about. */
interface Probe {
  /** Samples of the generator, `[B, ...]`. */
  readonly x0: Tensor;
  /** Standard normal noise of the same shape. */
  readonly noise: Tensor;
  readonly cond: Tensor | undefined;
  /** Draws of the timestep law: its ends are the extremes. */
  readonly law: readonly number[];
}

/**
 * What a teacher's predictions show of what they are, for {@link checkDeclared}: at the noisy end of the law how much
 * x_t is noise and how much noise is in the prediction; at the clean end how much x_t is signal, how far the prediction
 * is from x_t and how much of the noise there passes into it; and the last of these a little above that end.
 */
export function declarationFigures(teacher: ScoreModel, { x0, noise, cond, law }: Probe): Tensor1D {
  const at = (time: number, z: Tensor) => {
    const t = Array<number>(x0.shape[0] as number).fill(time);
    const xt = addNoise({ x0, noise: z, level: noiseLevel(teacher.schedule, t) });
    return { xt, prediction: noGrad(() => teacher.predict(xt, t, cond)) };
  };
  /** The factor of the noise in a prediction; the same x0 with the opposite noise takes away what is not of the noise. */
  const gain = (time: number, plus: Tensor) => mul(slope(sub(plus, at(time, neg(noise)).prediction), noise), 0.5);
  const { noisyEnd, cleanEnd, between } = timesOf(teacher, law);
  const noisy = at(noisyEnd, noise);
  const clean = at(cleanEnd, noise);
  return stack([
    cosine(noisy.xt, noise),
    gain(noisyEnd, noisy.prediction),
    cosine(clean.xt, x0),
    div(norm(sub(clean.prediction, clean.xt)), maximum(norm(clean.xt), tiny)),
    gain(cleanEnd, clean.prediction),
    between === undefined ? scalar(unknownGain) : gain(between, at(between, noise).prediction),
  ]) as Tensor1D;
}

const tiny = 1e-30;

/** In place of the last figure, where no time is between: more than the prediction of any x0 has. */
const unknownGain = 1e6;

/** The ends of the law, and a time with about 2.7 times the clean end's ratio of noise to signal, if there is one. */
function timesOf({ schedule }: ScoreModel, law: readonly number[]) {
  const [cleanEnd, noisyEnd] = [Math.min(...law), Math.max(...law)];
  const ratio = (t: number) => Math.log(schedule.sigma(t) / schedule.alpha(t));
  const off = (t: number) => Math.abs(ratio(t) - ratio(cleanEnd) - 1);
  const best = law.reduce((a, b) => (off(b) < off(a) ? b : a));
  return { noisyEnd, cleanEnd, between: off(best) < 0.3 ? best : undefined };
}

function cosine(a: Tensor, b: Tensor): Tensor {
  return div(sum(mul(a, b)), maximum(sqrt(mul(sum(square(a)), sum(square(b)))), tiny));
}

/** How much of `b` is in `a`: the factor c for which `c·b` comes closest to `a`. */
function slope(a: Tensor, b: Tensor): Tensor {
  return div(sum(mul(a, b)), sum(square(b)));
}

/**
 * Throws where a prediction cannot be what it is declared to be.
 *
 * Where x_t is nearly pure noise, ε̂ and the velocity of flow are that noise, −σ·score as well, and x0 and v hold about
 * `α·variance/σ` and `α·(1 − variance)` of it: little, or of wide data more than there is. On a `ve` schedule v is
 * `ε − σ·x0` and may hold any share.
 *
 * Where x_t is nearly clean, noise passes into an x0-prediction by `k·σ/α` with `k = variance/(variance + σ²/α²)`: all of
 * it for wide data, the less the noisier for narrow ones. So k at one level foretells what passes at another; ε̂ and v let
 * too much through there, or less than nothing. They may be near x_t at that end, of data whose variance is near σ, but
 * then let more noise through a little above it than x0 does.
 *
 * What it cannot see: v declared as x0 where v hardly depends on x_t and is near it, and flow declared as eps, which
 * differ in what only the law of the data tells. What it suspects wrongly: x0 of data far narrower than the smallest σ/α.
 */
export function checkDeclared({ predicts, schedule }: ScoreModel, law: readonly number[], figures: number[]): void {
  const [noise, rawGain, signal, fromInput, gainClean, gainBetween] = figures as Figures;
  if (!figures.every(Number.isFinite))
    throw new SidError("not-finite", `${where}: the teacher's prediction for the generator's samples is not finite.`);
  const declared = checkPrediction(where, "the teacher's predicts", predicts);
  const refuse = (finding: string): never => {
    throw new SidError(
      "invalid-argument",
      `${where}: the teacher declares "${declared}", but ${finding}; correct "predicts", or set checkTeacher to false.`,
    );
  };
  const { noisyEnd, cleanEnd, between } = timesOf({ schedule } as ScoreModel, law);
  // The score in units of the noise: −ε̂, whatever σ is.
  const ofNoise = rawGain * (declared === "score" ? schedule.sigma(noisyEnd) : 1);
  // x_t is noise where the generator's samples vanish in it, and those of any law of data of about unit size.
  const allNoise = noise > 0.95 && schedule.sigma(noisyEnd) > 3 * schedule.alpha(noisyEnd);
  if (allNoise && !holdsNoise(declared, ofNoise, schedule.kind === "ve"))
    refuse(`its output for nearly pure noise holds ${ofNoise.toFixed(2)} times that noise`);
  if (signal <= 0.95) return;
  const away = `its output for nearly clean samples differs from them by ${fromInput.toFixed(2)} times their length`;
  const ratio = (t: number) => schedule.sigma(t) / schedule.alpha(t);
  const kept = between === undefined ? unknownGain : gainBetween / ratio(between);
  if (declared !== "x0") {
    if (fromInput < 0.35 && kept < 1.2 - fromInput) refuse(away);
    return;
  }
  if (between === undefined) {
    // One level tells x0 from the rest only where data of almost any width are wider than its noise.
    if (ratio(cleanEnd) < 0.05 && fromInput > 0.6) refuse(away);
    return;
  }
  const keptClean = gainClean / ratio(cleanEnd);
  // k at the noisier level by k at the other, of Gaussian data.
  const fall = kept + (1 - kept) * (ratio(cleanEnd) / ratio(between)) ** 2;
  // So flat an output is x0 of a point rather than of any law.
  if (Math.abs(kept) <= leastShare && fromInput > 0.6) refuse(away);
  // Between the modes of a mixture x0 lets through more than all; what is near its input is x0 all the same.
  const slack = fromInput > 0.6 ? 1.4 : 2;
  const tooMuch = kept > 1.3 || keptClean > 2 || (kept > leastShare && kept > slack * fall * Math.max(keptClean, 0));
  if (fromInput > 0.35 && (tooMuch || kept < -leastShare))
    refuse(
      `${kept.toFixed(2)} and ${keptClean.toFixed(2)} of the noise of nearly clean samples pass into it, at more noise and at less`,
    );
}

/** What {@link declarationFigures} holds. */
type Figures = [number, number, number, number, number, number];

/** Shares of the noise that tell nothing: of data so narrow, or in an output so flat, that rounding makes them. */
const leastShare = 0.02;

/** Whether a prediction of that type may hold so much of what is nearly pure noise. */
function holdsNoise(declared: PredictionType, ofNoise: number, ve: boolean): boolean {
  if (declared === "eps" || declared === "flow") return ofNoise >= 0.5;
  if (declared === "score") return ofNoise <= -0.5;
  return (declared === "v" && ve) || Math.abs(ofNoise) <= 0.7 || Math.abs(ofNoise) >= 1.3;
}
