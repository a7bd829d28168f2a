import type { Tensor, Variable } from "@tensorflow/tfjs-core";
import { checkBackend } from "../core/check-backend";
import { SidError } from "../core/errors";
import { randomStream } from "../core/random";
import { checkTensor } from "../core/tensor-checks";
import { type AdamOptions, adamOn } from "./adam";
import { breathe } from "./breathe";
import { gatherMoments, loadCheckpoint, type RunState, saveCheckpoint } from "./checkpoint";
import { openCheckpoints } from "./checkpoint-files";
import { onNodeDisk } from "./checkpoint-place";
import type { ConditionSource } from "./conditions";
import type { DistillMetrics, DistillOptions } from "./distill-options";
import { type DistillRun, type DistillSummary, runOf } from "./distill-run";
import { fingerprintOf } from "./fingerprint";
import { divergenceGauge } from "./gauge/gauge";
import { iterateOnce, type Run } from "./iteration";
import { fakeScoreVariables } from "./objective";
import { type Plan, planOf } from "./plan";
import { preflight } from "./preflight";
import { agree } from "./ranks/agree";
import { checkTensors } from "./ranks/compare";
import { endAll, onAllRanks } from "./ranks/end-all";
import { shareFigures } from "./ranks/figures";

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
 * through all networks (on `webgpu` a whole one, whose programs are compiled then), and the checkpoint's folder (once it
 * is awaited or iterated).
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
  // Where there are other ranks, they end as well, so that all must have begun.
  if (plan.signal?.aborted && !plan.ranks) throw tooEarly();
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
  const { checkpoint, snapshots, ema, signal, ranks } = plan;
  const { generator, fakeScore, discriminator } = plan.objective;
  const owned: { dispose(): void }[] = [];
  const own = <T extends { dispose(): void }>(x: T): T => {
    owned.push(x);
    return x;
  };
  let { iteration, nimg } = { iteration: 0, nimg: 0 };
  /** The iterations of the newest checkpoint that is whole, and of one that rank 0 has written if it got so far. */
  let [saved, due]: (number | undefined)[] = [];
  const alone = ranks === undefined || ranks.rank === 0;
  try {
    checkBackend("distill");
    const uncond = plan.conditions && own(emptyCondition(plan.conditions));
    const agreed = ranks && (await agree(ranks, plan, uncond));
    await preflight(plan, uncond);
    const trained = fakeScoreVariables(plan.objective);
    const adam = (variables: readonly Variable[], options: AdamOptions) =>
      own(adamOn(plan.shardOptimizer ? ranks : undefined, variables, options));
    const fakeScoreAdam = trained.length > 0 && plan.fakeUpdates > 0 ? adam(trained, plan.fakeScoreAdam) : undefined;
    const generatorAdam = adam(generator.variables, plan.generatorAdam);
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
      fingerprint: agreed?.fingerprint ?? (checkpoint ? await fingerprintOf(plan, uncond) : {}),
      iterations: plan.iterations,
      batch: plan.batch,
      steps: (iteration: number) => ({
        fakeScore: iteration * plan.fakeUpdates,
        generator: Math.max(0, iteration - Math.ceil(plan.startsAt / plan.batch)),
      }),
      allowOtherArithmetic: checkpoint?.allowOtherArithmetic === true,
      onWarning: plan.onWarning,
    };
    const files =
      agreed?.files ??
      (checkpoint && (await openCheckpoints(checkpoint.place, checkpoint.path, checkpoint.keep, plan.onWarning)));
    const resumes = checkpoint?.resume === true || (checkpoint?.resume === "if-present" && files?.found.length !== 0);
    const place = checkpoint?.place ?? onNodeDisk;
    const start = resumes ? await files?.load((path) => loadCheckpoint(place, path, goal, state)) : undefined;
    const stream = randomStream(start?.stream ?? plan.seed);
    if (start) ({ iteration, nimg } = start);
    const compare = async (running: boolean) =>
      ranks && checkTensors(ranks, namedTensors(state), { iteration, running, position: stream.state().position });
    await compare(false);
    /** Whether some rank is to stop, as all of them know at the same iteration. */
    let agreedStop = ranks && (await shareFigures(ranks, [], { rounds: 1, stop: signal?.aborted === true })).stop;
    const stops = () => agreedStop ?? signal?.aborted === true;
    if (stops() && !start) throw ranks ? onAllRanks(tooEarly()) : tooEarly();
    const gauge = divergenceGauge({ halfLife: plan.gaugeHalfLife, state: start?.gauge });
    const run: Run = { plan, stream, uncond, fakeScoreAdam, generatorAdam, gauge };
    Object.assign(summary, { iteration, nimg, resumedFrom: iteration });
    due = iteration;
    if (start) saved = iteration;
    let lost = false;
    const save = async () => {
      if (!files || due === iteration) return;
      const progress = { iteration, nimg, stream: stream.state(), gauge: gauge.state() };
      const moments = await gatherMoments(state);
      if (alone) await files.save((path) => saveCheckpoint(place, path, goal.fingerprint, progress, state, moments));
      due = iteration;
      if (alone) saved = due;
    };

    while (iteration < plan.iterations && !stops()) {
      const [started, exchanged] = [performance.now(), ranks?.seconds() ?? 0];
      const { lostBatch, stop, ...figures } = await iterateOnce(run, iteration + 1, nimg);
      // Rank 0 took part: it has written what was due.
      if (due > 0) saved = due;
      iteration++;
      nimg += plan.batch;
      agreedStop = ranks && stop;
      const last = () => iteration === plan.iterations || stops();
      const saves = () => last() || (checkpoint?.every !== undefined && iteration % checkpoint.every === 0);
      // What is saved is what all ranks have.
      if (iteration % plan.checkRanks === 0 || saves()) await compare(true);
      const metrics = {
        ...{ iteration, nimg, ...figures, seconds: (performance.now() - started) / 1000 },
        communicationSeconds: (ranks?.seconds() ?? 0) - exchanged,
      };
      Object.assign(summary, { iteration, nimg, metrics });
      if (lostBatch && !lost) plan.onWarning(lostBatchWarning(metrics));
      lost ||= lostBatch;
      summary.droppedSamples += metrics.droppedSamples;
      summary.cleanedElements += metrics.cleanedElements;
      await plan.onIteration?.(metrics);
      await breathe();
      if (saves()) await save();
      if (snapshots && alone && (last() || iteration % snapshots.every === 0))
        await snapshots.run({ generator: ema?.target ?? generator, iteration, nimg });
      yield metrics;
    }
    await save();
    // None leaves before rank 0 has written all.
    await ranks?.barrier();
    summary.ended = iteration === plan.iterations ? "iterations" : "signal";
  } catch (error) {
    if (ranks === undefined) throw error;
    const path = checkpoint?.path ?? "";
    throw endAll(ranks, error, { iteration, checkpoint: saved ? { path, iteration: saved } : undefined }, plan.tell);
  } finally {
    for (const x of owned) x.dispose();
    summary.seconds = (performance.now() - begun) / 1000;
  }
}

function emptyCondition(source: ConditionSource): Tensor {
  const uncond = source.unconditional();
  checkTensor("distill", "the empty condition", uncond);
  return uncond;
}

/** All that trains, by names for messages. */
function namedTensors({ networks }: RunState): [string, Tensor][] {
  return Object.entries(networks).flatMap(([role, variables]) =>
    variables.map((v): [string, Tensor] => [`the weight "${v.name}" of ${role}`, v]),
  );
}
