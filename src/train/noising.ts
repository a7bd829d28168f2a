import { add, mul, sub, type Tensor } from "@tensorflow/tfjs-core";
import { SidError } from "../core/errors";
import { perSample } from "../core/per-sample";
import { noGrad } from "../core/tape";
import { checkSameShape } from "../core/tensor-checks";
import type { GeneratedWithInput } from "../models/types";
import { addNoise, ddimFactors, type NoiseLevel } from "../predict/level";
import { levelAt } from "../schedules/time";
import type { Placed, TrainBatch } from "./batch";
import type { Checked } from "./objective";

/** Samples of the generator, and how their noisy version is made. */
export interface Noised {
  readonly generated: Tensor;
  /** x_t of these samples. */
  readonly xt: Tensor;
  /** What x_t is made of as `x_t = a·x0 + s·noise`: what a score network at x_t learns from. */
  readonly target: { readonly x0: Tensor; readonly noise: Tensor };
  /** `∂x_t/∂x_g` of each sample, a number. */
  readonly slope: readonly number[];
  /** How much the target can be trusted: the inverse of its noise's variance, 1 where all noise is fresh. */
  readonly trust?: readonly number[] | undefined;
}

/**
 * Samples of the generator and their x_t.
 *
 *     sample:    x_t = a_t·x_g + s_t·ε
 *     interval:  x_s = a_s·x_g + s_s·ε̂,   x_t = a_t|s·x_s + s_t|s·ε,   a_t|s = a_t/a_s,   s²_t|s = s_t² − a²_t|s·s_s²
 *
 * with ε̂ what the last pass's input held beside x_g. Of the interval only ε is fresh noise, so the target whose
 * regression is the score of x_t is `x0 = (x_t − (s_t²/s_t|s)·ε)/a_t`, with `(s_t/s_t|s)·ε` as its noise. That is all
 * noise at the interval's clean end, where s_t|s is 0: its trust is `(s_t|s/s_t)²`.
 *
 * Source: TDM, arXiv:2503.06674, for the interval; the target derived, and checked by Monte Carlo in the tests.
 */
export function noised(objective: Checked, batch: TrainBatch, { level, moment }: Placed): Noised {
  const { generator, method } = objective;
  const { noises, cond, noise } = batch;
  if (method.noising !== "interval") {
    const generated = generator.generate(noises, cond);
    checkSameShape("the generator", { noise, generated });
    const xt = addNoise({ x0: generated, noise, level });
    return { generated, xt, target: { x0: generated, noise }, slope: level.alpha };
  }
  const made = generator.generateWithInput?.(noises, cond) as GeneratedWithInput;
  const { generated, input } = made;
  checkSameShape("the generator", { noise, generated, input });
  const { from, to } = moment.interval as { from: number; to: number };
  const start = levelAt("distill", moment.schedule, from);
  // Behind the last pass there is the sample itself.
  const end = noises.length === generator.steps ? { alpha: 1, sigma: 0 } : levelAt("distill", moment.schedule, to);
  // x_s, the input held.
  const { keep, rest } = ddimFactors(start, end);
  const held = noGrad(() => mul(input, rest));
  const xs = add(mul(generated, keep), held);
  const within = withinInterval(level, end);
  const xt = addNoise({ x0: xs, noise, level: within });
  const ratio = within.sigma.map((s, i) => (level.sigma[i] as number) / s);
  const targetNoise = mul(noise, perSample(ratio, noise.rank));
  const rank = xt.rank;
  const x0 = mul(
    sub(xt, mul(targetNoise, perSample(level.sigma, rank))),
    perSample(
      level.alpha.map((a) => 1 / a),
      rank,
    ),
  );
  return {
    ...{ generated, xt, target: { x0, noise: targetNoise } },
    slope: within.alpha.map((a) => a * keep),
    trust: ratio.map((r) => 1 / r ** 2),
  };
}

/** The level of x_t given x_s: `a_t|s` and `s_t|s`. */
function withinInterval(level: NoiseLevel, end: { readonly alpha: number; readonly sigma: number }): NoiseLevel {
  const alpha = level.alpha.map((a) => a / end.alpha);
  const squares = level.sigma.map((s, i) => s ** 2 - ((alpha[i] as number) * end.sigma) ** 2);
  const i = squares.findIndex((square) => !(square > 0));
  if (i >= 0)
    throw new SidError(
      "out-of-range",
      `the noising of an interval: sample ${i} must be noisier than where the pass arrives (alpha ${end.alpha}, sigma ${end.sigma}), got alpha ${level.alpha[i]}, sigma ${level.sigma[i]}.`,
    );
  return { alpha, sigma: squares.map(Math.sqrt) };
}
