import { clone, dispose, type Tensor, tidy } from "@tensorflow/tfjs-core";
import { checkBackend } from "../../core/check-backend";
import {
  checkArray,
  checkFinite,
  checkFunction,
  checkInteger,
  checkMethods,
  checkObject,
  checkPositive,
  type KeysOf,
} from "../../core/checks";
import { SidError } from "../../core/errors";
import { type RandomStream, randomStream } from "../../core/random";
import { checkTensor, checkVariables } from "../../core/tensor-checks";
import { finiteSamples } from "../../losses/nan-policy";
import { sid } from "../../methods/sid";
import { predictX0 } from "../../models/predict-x0";
import { addNoise, noiseLevel } from "../../predict/level";
import { logSnr, timeAt } from "../../schedules/time";
import type { NoiseSchedule } from "../../schedules/types";
import { adam } from "../adam";
import type { TrainBatch } from "../batch";
import { breathe } from "../breathe";
import { checkObjective } from "../objective";
import { fakeScoreStep } from "../steps";
import type { Audit, AuditOptions, AuditPoint } from "./audit-options";
import { type Divergence, divergenceGauge } from "./gauge";
import { gaugeSamples, samplesOf } from "./samples";

const where = "auditDivergence";

const known: KeysOf<AuditOptions> = {
  ...{ teacher: 1, fakeScore: 1, generator: 1, sampleShape: 1, conditions: 1, guidanceScale: 1, levels: 1 },
  ...{ learningRate: 1, batch: 1, samples: 1, every: 1, iterations: 1, seed: 1, onPoint: 1, signal: 1 },
};

/** Halvings of the step size without a rise after which L has settled. */
const patience = 3;
/** Halvings after which it gives up a bound that fell and does not come back. */
const lost = 12;
/** What L must rise by to have risen, as a share of it. */
const rise = 0.005;

/**
 * How far a generator's law is from the teacher's, made tight: the generator is held, and the fake score trains on its
 * samples until the lower bound L of `KL(p_θ ‖ p_φ)` rises no more.
 *
 *     L(ψ) = ½ ∫ (E‖f_φ − x_g‖² − E‖f_ψ − x_g‖²) dSNR ≤ KL,   max over ψ = KL where ψ can be exact
 *
 * The fake score descends `½∫E‖f_ψ − x_g‖² dSNR` itself: log-SNR stratified uniformly, the error weighted by SNR, Adam. L is
 * estimated on samples that it never trains on, the same ones each time, so that the curve is smooth; the standard error
 * is that of those samples. The step size halves where L does not rise by half a percent; after three halvings in a row
 * it has settled, unless it is below where it was: then the step size was too large, and halves on. The greatest L is
 * returned.
 *
 * Costs `iterations` fake-score updates and, per estimate, a pass of generator, teacher and fake score over `samples`; memory
 * beside that of training is one copy of the fake score's weights.
 *
 * Source: as {@link divergenceGauge}.
 *
 * @param options - the networks and how long to train.
 * @returns the estimates, their curve, whether it settled. No tensor is left, and no network changed.
 * @throws SidError `invalid-argument`, `out-of-range`, `shape-mismatch` for options or networks that do not fit,
 *   `missing-backend` before `useBackend` was called, `not-finite` where no sample was finite.
 *
 * @example
 * ```ts
 * import { ddpmSchedule, gaussianModel, generatorFrom, randomStream } from "sid-lsg";
 * import { mlp } from "sid-lsg/models";
 * import { auditDivergence } from "sid-lsg/train";
 *
 * const schedule = ddpmSchedule();
 * const fakeScore = mlp({ dim: 1, hidden: 8 }, { name: "audit", schedule, predicts: "eps", weights: randomStream(1) });
 * const { divergence, curve } = await auditDivergence({
 *   teacher: gaussianModel({ mean: [1], variance: 0.5, schedule }),
 *   generator: generatorFrom(gaussianModel({ mean: [0], variance: 1, schedule })),
 *   fakeScore,
 *   sampleShape: [1],
 *   iterations: 4,
 *   every: 2,
 *   samples: 64,
 * });
 * console.log(curve.length, Number.isFinite(divergence.lowerBound.standardError)); // 3 true
 * ```
 */
export async function auditDivergence(options: AuditOptions): Promise<Audit> {
  const plan = planOf(options);
  checkBackend(where);
  const { variables } = plan.objective.fakeScore;
  const stream = randomStream(plan.seed);
  // The same samples for each estimate, and others for training.
  const held = stream.state();
  const training = randomStream(stream.integers(1, 0, 2 ** 32)[0] as number);
  const owned: { dispose(): void }[] = [];
  const own = <T extends { dispose(): void }>(x: T): T => {
    owned.push(x);
    return x;
  };
  const saved = variables.map((v) => own(clone(v) as Tensor));
  try {
    const uncond = plan.conditions?.unconditional();
    if (plan.conditions) own(checkedTensor("the empty condition", uncond));
    let rate = plan.learningRate;
    const optimizer = own(adam(variables, { learningRate: () => rate, beta1: 0.9 }));
    const curve: AuditPoint[] = [];
    // What L must rise above, the greatest L, and the estimates since it rose.
    let mark = Number.NEGATIVE_INFINITY;
    let best: Divergence | undefined;
    let idle = 0;
    for (let iteration = 0; ; ) {
      const divergence = await estimateOf(plan, randomStream(held), uncond);
      const { lowerBound, lag } = divergence;
      const point = { iteration, lowerBound, lag };
      curve.push(point);
      await plan.onPoint?.(point);
      const { value } = lowerBound;
      if (best === undefined || value > best.lowerBound.value) best = divergence;
      const step = rise * Math.abs(value);
      if (value > mark + step) {
        mark = value;
        idle = 0;
      } else {
        rate /= 2;
        idle++;
      }
      const settled = idle > patience && value > best.lowerBound.value - step;
      if (settled || idle > lost || iteration >= plan.iterations || plan.signal?.aborted)
        return { divergence: best, curve, settled };
      const end = Math.min(plan.iterations, iteration + plan.every);
      for (; iteration < end && !plan.signal?.aborted; iteration++) {
        const batch = draw(plan, training, uncond);
        const updated = fakeScoreStep(plan.objective, [batch], { optimizer });
        (await updated.finally(() => free(batch))).dispose();
      }
    }
  } finally {
    tidy(() => variables.forEach((v, i) => void v.assign(saved[i] as Tensor)));
    for (const x of owned) x.dispose();
  }
}

type Plan = ReturnType<typeof planOf>;

function planOf(options: AuditOptions) {
  checkObject(where, "options", options, known);
  const { teacher, fakeScore, generator, conditions, sampleShape, onPoint, signal } = options;
  const { guidanceScale = 1, learningRate = 1e-3, batch = 64, samples = 4096, every = 50 } = options;
  const { iterations = 5000, seed = 0 } = options;
  checkMethods(where, "fakeScore", fakeScore, "a score model", ["predict"]);
  checkVariables(where, "the fake score's variables", fakeScore.variables);
  checkFinite(where, "guidanceScale", guidanceScale);
  checkPositive(where, "learningRate", learningRate);
  for (const [name, value] of Object.entries({ batch, every })) checkInteger(where, name, value, 1);
  checkInteger(where, "samples", samples, 8);
  checkInteger(where, "iterations", iterations, 0);
  checkInteger(where, "seed", seed, 0);
  for (const [i, size] of checkArray(where, "sampleShape", sampleShape).entries())
    checkInteger(where, `sampleShape[${i}]`, size, 1);
  if (onPoint !== undefined) checkFunction(where, "onPoint", onPoint);
  if (signal !== undefined) checkMethods(where, "signal", signal, "an AbortSignal", ["addEventListener"]);
  if (conditions !== undefined)
    checkMethods(where, "conditions", conditions, "a source of conditions", ["sample", "unconditional"]);
  if (guidanceScale !== 1 && conditions === undefined)
    throw new SidError(
      "invalid-argument",
      `${where}: guidanceScale ${guidanceScale} needs the option conditions, which is not given.`,
    );
  checkObjective(where, { teacher, fakeScore, generator, method: sid() });
  const levels = levelsOf(teacher.schedule, options.levels);
  // Only its update of the fake score is used.
  const update = { timesteps: spread(teacher.schedule, levels), guidanceScale, weight: "eps" } as const;
  const objective = { teacher, fakeScore, generator, method: { ...sid(), fakeScore: update } };
  return {
    ...{ objective, conditions, guidanceScale, levels, sampleShape, learningRate, batch, samples, every },
    ...{ iterations, seed, onPoint, signal },
  };
}

/** The range of log-SNR, which must lie in the schedule's. */
function levelsOf(schedule: NoiseSchedule, levels: AuditOptions["levels"]): readonly [number, number] {
  const [least, greatest] = [logSnr(schedule, schedule.tMax), logSnr(schedule, schedule.tMin)];
  if (levels === undefined) return [Math.max(-10, least), Math.min(10, greatest)];
  const [from, to] = checkArray(where, "levels", levels);
  if (!(levels.length === 2 && from >= least && to > from && to <= greatest))
    throw new SidError(
      "out-of-range",
      `${where}: levels must be two numbers of log SNR that rise, within the schedule's ${least.toFixed(2)} to ${greatest.toFixed(2)}, got ${JSON.stringify(levels)}.`,
    );
  return [from, to];
}

/** The law of times whose log-SNR is uniform on a range, stratified over the samples. */
function spread(schedule: NoiseSchedule, [from, to]: readonly [number, number]) {
  return (stream: RandomStream, count: number) =>
    stream.uniform(count).map((u, i) => timeAt(schedule, from + ((to - from) * (i + u)) / count));
}

/** The gauge on `samples` fresh samples. */
async function estimateOf(plan: Plan, stream: RandomStream, uncond: Tensor | undefined): Promise<Divergence> {
  const gauge = divergenceGauge({ halfLife: Number.POSITIVE_INFINITY });
  for (let count = 0; count < plan.samples && !(count > 0 && plan.signal?.aborted); count += plan.batch) {
    const batch = draw(plan, stream, uncond);
    let figures: Tensor;
    try {
      figures = tidy(() => figuresOf(plan, batch));
    } finally {
      free(batch);
    }
    gauge.add(gaugeSamples(await figures.data().finally(() => figures.dispose())));
    await breathe();
  }
  const reading = gauge.reading();
  if (reading) return reading;
  throw new SidError(
    "not-finite",
    `${where}: fewer than 8 of ${plan.samples} samples were finite: generator, teacher or fake score give NaN, or samples is too small.`,
  );
}

function figuresOf({ objective, guidanceScale }: Plan, { noises, noise, t, cond, uncond }: TrainBatch): Tensor {
  const { teacher, fakeScore, generator } = objective;
  const level = noiseLevel(teacher.schedule, t);
  const generated = generator.generate(noises, cond);
  const xt = addNoise({ x0: generated, noise, level });
  const answers = {
    teacher: predictX0(teacher, { xt, t, cond }),
    fake: predictX0(fakeScore, { xt, t, cond, uncond, guidanceScale }),
  };
  return samplesOf({ ...answers, generated, level, valid: finiteSamples(generated, ...Object.values(answers)) });
}

function draw(plan: Plan, stream: RandomStream, uncond: Tensor | undefined): TrainBatch {
  const { batch, sampleShape, conditions, objective } = plan;
  const shape = [batch, ...sampleShape];
  const cond = conditions && checkedTensor("what conditions.sample returns", conditions.sample(stream, batch));
  const noises = Array.from({ length: objective.generator.steps }, () => stream.normal(shape));
  const noise = stream.normal(shape);
  const t = objective.method.fakeScore.timesteps(stream, batch);
  return { noises, noise, t, cond, uncond };
}

function checkedTensor(name: string, x: Tensor | undefined): Tensor {
  checkTensor(where, name, x as Tensor);
  return x as Tensor;
}

function free({ noises, noise, cond }: TrainBatch): void {
  dispose([...noises, noise, ...(cond ? [cond] : [])]);
}
