import { dispose, type Tensor, type Tensor1D } from "@tensorflow/tfjs-core";
import { checkBackend } from "../core/check-backend";
import { SidError } from "../core/errors";
import { type RandomStream, randomStream } from "../core/random";
import { checkTensor } from "../core/tensor-checks";
import type { Moment } from "../methods/types";
import { type Adam, adam } from "./adam";
import { momentOf, type TrainBatch } from "./batch";
import { breathe } from "./breathe";
import { loadCheckpoint, type RunState, saveCheckpoint } from "./checkpoint";
import { openCheckpoints } from "./checkpoint-files";
import type { ConditionSource } from "./conditions";
import type { DistillMetrics, DistillOptions, GradientEvent } from "./distill-options";
import { type DistillRun, type DistillSummary, runOf } from "./distill-run";
import { drawBatch } from "./draw-batch";
import { emaBeta, updateEma } from "./ema";
import { fingerprintOf } from "./fingerprint";
import { type DivergenceGauge, divergenceGauge } from "./gauge/gauge";
import { fakeScoreVariables } from "./objective";
import { type Plan, planOf } from "./plan";
import { preflight } from "./preflight";
import { fakeScoreStep, type GradientHook, generatorStep, readFigures, type StepFigures } from "./steps";

/**
 * Distills a teacher into a generator of few steps, by any method: each iteration updates the fake score on the
 * generator's samples, then the generator, then the moving average of the generator's weights.
 *
 * `await distill(options)` does all iterations and resolves to a {@link DistillSummary};
 * `for await (const metrics of distill(options))` yields the figures of each. **A run that nobody awaits or iterates
 * does nothing.** See {@link DistillRun}.
 *
 * Everything random comes from the stream `seed`; a run that was interrupted and resumed goes on bit
 * for bit like one that was not. Between iterations it holds the networks' weights, Adam's second
 * moments (its first ones too unless β1 = 0) and the empty condition; when it ends, in whatever way,
 * only what the caller made is left.
 * Before the first iteration it checks the options (at the call), then the weights, one small batch
 * through all networks, and the checkpoint's folder (once it is awaited or iterated).
 *
 * Source: arXiv:2406.01561, algorithm 1; SiD-LSG@709fc22 training/sid_training_loop.py.
 *
 * @param options - networks, method and surroundings.
 * @returns the run: awaited, a {@link DistillSummary}; iterated, the {@link DistillMetrics} of one iteration after the other.
 * @throws SidError for options or networks that do not fit (`invalid-argument`, `shape-mismatch`,
 *   `out-of-range`, `not-finite`), `checkpoint-mismatch` for a checkpoint of another run or in another
 *   {@link DistillCheckpoint.allowOtherArithmetic | arithmetic}, `corrupt-file` for a damaged one, `io` where it cannot be written, `aborted` when the signal fired before there was anything to save;
 *   `missing-backend` before `useBackend` was called, and what the backend throws: `out-of-memory`, or `device-lost`
 *   for a GPU that failed. The last checkpoint is then whole, and a run can resume from it once the backend is started
 *   anew.
 *
 * @example
 * ```ts
 * import { ddpmSchedule, gaussianModel, generatorFrom, randomStream } from "sid-lsg";
 * import { mlp } from "sid-lsg/models";
 * import { distill } from "sid-lsg/train";
 *
 * const schedule = ddpmSchedule();
 * const teacher = gaussianModel({ mean: [1, 0], variance: 0.25, schedule });
 * const network = (name: string) =>
 *   mlp({ dim: 2, hidden: 16 }, { name, schedule, predicts: "eps", weights: randomStream(1) });
 * const run = distill({
 *   teacher,
 *   fakeScore: network("distill-example/fake"),
 *   generator: generatorFrom(network("distill-example/generator")),
 *   sampleShape: [2],
 *   batch: 32,
 *   iterations: 3,
 *   learningRate: 1e-3,
 * });
 * for await (const { iteration, deltaSquared } of run) console.log(iteration, deltaSquared);
 * console.log((await run).ended); // "iterations"
 * ```
 */
export function distill(options: DistillOptions): DistillRun {
  const plan = planOf(options);
  if (plan.signal?.aborted) throw tooEarly();
  const summary: Draft = {
    ...{ ended: "break", iteration: 0, nimg: 0, resumedFrom: 0, seconds: 0 },
    ...{ droppedSamples: 0, cleanedElements: 0, metrics: undefined },
  };
  return runOf(iterate(plan, summary), () => ({ ...summary }));
}

/** A summary that is still being written. */
type Draft = { -readonly [K in keyof DistillSummary]: DistillSummary[K] };

function tooEarly(): SidError {
  return new SidError("aborted", "distill: the signal was aborted before the first iteration; nothing was saved.");
}

/** What is told once: with nothing left to learn from, losses and ‖δ‖² are 0, which looks like success. */
function lostBatchWarning({ iteration, droppedSamples }: DistillMetrics): string {
  return `distill: at iteration ${iteration} ${droppedSamples} samples, all those of a step, were not finite and left it: the run has diverged; go back to an earlier checkpoint, with a lower learning rate.`;
}

/** All iterations; keeps `summary` up to date. */
async function* iterate(plan: Plan, summary: Draft): AsyncGenerator<DistillMetrics, void, undefined> {
  const begun = performance.now();
  const { checkpoint, snapshots, ema, signal } = plan;
  const { generator, fakeScore, discriminator } = plan.objective;
  const owned: { dispose(): void }[] = [];
  const own = <T extends { dispose(): void }>(x: T): T => {
    owned.push(x);
    return x;
  };
  checkBackend("distill");
  try {
    const uncond = plan.conditions && own(emptyCondition(plan.conditions));
    await preflight(plan, uncond);
    const trained = fakeScoreVariables(plan.objective);
    const fakeScoreAdam =
      trained.length > 0 && plan.fakeUpdates > 0 ? own(adam(trained, plan.fakeScoreAdam)) : undefined;
    const generatorAdam = own(adam(generator.variables, plan.generatorAdam));
    const state: RunState = {
      networks: {
        ...(fakeScore && plan.fakeUpdates > 0 && { fakeScore: fakeScore.variables }),
        ...(trained.length > (fakeScore?.variables.length ?? 0) && { discriminator: discriminator?.variables ?? [] }),
        generator: generator.variables,
        ...(ema && { ema: ema.target.variables }),
      },
      optimizers: { ...(fakeScoreAdam && { fakeScore: fakeScoreAdam }), generator: generatorAdam },
    };
    const goal = {
      fingerprint: checkpoint ? await fingerprintOf(plan, uncond) : {},
      iterations: plan.iterations,
      batch: plan.batch,
      steps: (iteration: number) => ({
        fakeScore: iteration * plan.fakeUpdates,
        generator: Math.max(0, iteration - Math.ceil(plan.startsAt / plan.batch)),
      }),
      allowOtherArithmetic: checkpoint?.allowOtherArithmetic === true,
      onWarning: plan.onWarning,
    };
    const files = checkpoint && (await openCheckpoints(checkpoint.path, checkpoint.keep, plan.onWarning));
    const resumes = checkpoint?.resume === true || (checkpoint?.resume === "if-present" && files?.found.length !== 0);
    const start = resumes ? await files?.load((path) => loadCheckpoint(path, goal, state)) : undefined;
    if (signal?.aborted && !start) throw tooEarly();
    const stream = randomStream(start?.stream ?? plan.seed);
    const gauge = divergenceGauge({ halfLife: plan.gaugeHalfLife, state: start?.gauge });
    const run: Run = { plan, stream, uncond, fakeScoreAdam, generatorAdam, gauge };
    let { iteration, nimg } = start ?? { iteration: 0, nimg: 0 };
    Object.assign(summary, { iteration, nimg, resumedFrom: iteration });
    let saved = iteration;
    let lost = false;
    const save = async () => {
      if (!files || saved === iteration) return;
      const progress = { iteration, nimg, stream: stream.state(), gauge: gauge.state() };
      await files.save((path) => saveCheckpoint(path, goal.fingerprint, progress, state));
      saved = iteration;
    };

    while (iteration < plan.iterations && !signal?.aborted) {
      const started = performance.now();
      const { lostBatch, ...figures } = await iterateOnce(run, iteration + 1, nimg);
      iteration++;
      nimg += plan.batch;
      const metrics = { iteration, nimg, ...figures, seconds: (performance.now() - started) / 1000 };
      Object.assign(summary, { iteration, nimg, metrics });
      if (lostBatch && !lost) plan.onWarning(lostBatchWarning(metrics));
      lost ||= lostBatch;
      summary.droppedSamples += metrics.droppedSamples;
      summary.cleanedElements += metrics.cleanedElements;
      await plan.onIteration?.(metrics);
      await breathe();
      const last = iteration === plan.iterations || signal?.aborted;
      if (last || (checkpoint?.every && iteration % checkpoint.every === 0)) await save();
      if (snapshots && (last || iteration % snapshots.every === 0))
        await snapshots.run({ generator: ema?.target ?? generator, iteration, nimg });
      yield metrics;
    }
    await save();
    summary.ended = iteration === plan.iterations ? "iterations" : "signal";
  } finally {
    for (const x of owned) x.dispose();
    summary.seconds = (performance.now() - begun) / 1000;
  }
}

/** What stays the same from iteration to iteration. */
interface Run {
  readonly plan: Plan;
  readonly stream: RandomStream;
  readonly uncond: Tensor | undefined;
  readonly fakeScoreAdam: Adam | undefined;
  readonly generatorAdam: Adam;
  readonly gauge: DivergenceGauge;
}

/** All updates of an iteration and the moving average; one read from the device. */
async function iterateOnce(run: Run, iteration: number, nimg: number) {
  const { plan, stream, fakeScoreAdam, generatorAdam } = run;
  const { ema, onGradients, objective, batch, fakeUpdates } = plan;
  const { generator, method } = objective;
  const hook = (network: GradientEvent["network"]): GradientHook | undefined =>
    onGradients && ((gradients) => onGradients({ network, iteration, gradients }));
  const passes =
    method.steps === "random" ? (stream.integers(1, 1, generator.steps + 1)[0] as number) : generator.steps;
  const moment = momentOf(objective, { nimg, iteration: iteration - 1, passes });
  const ofFake: Tensor1D[] = [];
  const ofGenerator: Tensor1D[] = [];
  const updateFakeScore = async () => {
    const options = { optimizer: fakeScoreAdam as Adam, onGradients: hook("fakeScore") };
    for (let i = 0; i < fakeUpdates; i++)
      ofFake.push(await fakeScoreStep(objective, batches(run, "fakeScore", moment, passes), options));
  };
  const waits = nimg < plan.startsAt;
  try {
    if (plan.first === "fakeScore") await updateFakeScore();
    if (!waits) {
      const options = { optimizer: generatorAdam, onGradients: hook("generator") };
      ofGenerator.push(await generatorStep(objective, batches(run, "generator", moment, passes), options));
    }
    if (plan.first === "generator") await updateFakeScore();
    const beta = ema && !waits ? emaBeta({ nimg, batch, halfLife: ema.halfLife, rampUp: ema.rampUp }) : 0;
    if (ema && !waits) updateEma(ema.target.variables, generator.variables, beta);
    const figures = await readFigures(...ofFake, ...ofGenerator);
    const fake = figures.slice(0, ofFake.length);
    const [step] = figures.slice(ofFake.length);
    if (step?.gauge.length) run.gauge.add(step.gauge);
    const mean = (of: (figures: StepFigures) => number) => fake.reduce((sum, f) => sum + of(f) / fake.length, 0);
    const total = (of: (figures: StepFigures) => number) => figures.reduce((sum, f) => sum + of(f), 0);
    return {
      fakeLoss: mean((f) => f.loss),
      generatorLoss: step?.loss ?? 0,
      deltaSquared: step?.deltaSquared ?? 0,
      divergence: run.gauge.reading(),
      fakeGradientNorm: mean((f) => f.gradientNorm),
      generatorGradientNorm: step?.gradientNorm ?? 0,
      droppedSamples: total((f) => f.droppedSamples),
      cleanedElements: total((f) => f.cleanedElements),
      emaBeta: beta,
      lostBatch: figures.some(({ droppedSamples }) => droppedSamples >= batch),
    };
  } finally {
    dispose([...ofFake, ...ofGenerator]);
  }
}

/** The rounds of one step, each made when it is its turn and freed when it is over. */
function* batches(run: Run, network: GradientEvent["network"], moment: Moment, passes: number): Generator<TrainBatch> {
  const { plan, stream, uncond } = run;
  for (let round = 0; round < plan.accumulationRounds; round++) {
    const count = plan.batch / plan.accumulationRounds;
    const batch = drawBatch(plan, { stream, uncond, count, passes, network, moment });
    try {
      yield batch;
    } finally {
      const { noises, noise, cond, other, images, imageCond } = batch;
      dispose([...noises, noise, cond, other?.noise, images, imageCond].filter((x) => x !== undefined));
    }
  }
}

function emptyCondition(source: ConditionSource): Tensor {
  const uncond = source.unconditional();
  checkTensor("distill", "the empty condition", uncond);
  return uncond;
}
