import { dispose, type Tensor, type Tensor1D } from "@tensorflow/tfjs-core";
import type { RandomStream, RowRange } from "../core/random";
import type { Moment } from "../methods/types";
import type { RunAdam } from "./adam";
import { momentOf, type TrainBatch } from "./batch";
import type { GradientEvent } from "./distill-options";
import { drawBatch } from "./draw-batch";
import { emaBeta, updateEma } from "./ema";
import type { DivergenceGauge } from "./gauge/gauge";
import type { Plan } from "./plan";
import { shareFigures } from "./ranks/figures";
import { fakeScoreStep, figuresOf, type GradientHook, generatorStep, readNumbers, type StepFigures } from "./steps";

/** What stays the same from iteration to iteration. */
export interface Run {
  readonly plan: Plan;
  readonly stream: RandomStream;
  readonly uncond: Tensor | undefined;
  readonly fakeScoreAdam: RunAdam | undefined;
  readonly generatorAdam: RunAdam;
  readonly gauge: DivergenceGauge;
}

/** All updates of an iteration and the moving average; one read from the device for the figures. */
export async function iterateOnce(run: Run, iteration: number, nimg: number) {
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
    const optimizer = fakeScoreAdam as RunAdam;
    const options = { optimizer, onGradients: hook("fakeScore") };
    for (let i = 0; i < fakeUpdates; i++) {
      ofFake.push(await fakeScoreStep(objective, batches(run, "fakeScore", moment, passes), options));
      await optimizer.shards?.exchange();
    }
  };
  const waits = nimg < plan.startsAt;
  try {
    if (plan.first === "fakeScore") await updateFakeScore();
    if (!waits) {
      const options = { optimizer: generatorAdam, onGradients: hook("generator") };
      ofGenerator.push(await generatorStep(objective, batches(run, "generator", moment, passes), options));
      await generatorAdam.shards?.exchange();
    }
    if (plan.first === "generator") await updateFakeScore();
    const beta = ema && !waits ? emaBeta({ nimg, batch, halfLife: ema.halfLife, rampUp: ema.rampUp }) : 0;
    if (ema && !waits) updateEma(ema.target.variables, generator.variables, beta);
    const own = await readNumbers(...ofFake, ...ofGenerator);
    const rounds = plan.accumulationRounds;
    const stop = plan.signal?.aborted === true;
    const shared = plan.ranks ? await shareFigures(plan.ranks, own, { rounds, stop }) : { numbers: own, stop };
    const figures = shared.numbers.map(figuresOf);
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
      stop: shared.stop,
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
    const batch = drawBatch(plan, { stream, uncond, count, rows: shareOf(plan, count), passes, network, moment });
    try {
      yield batch;
    } finally {
      const { noises, noise, cond, other, images, imageCond } = batch;
      dispose([...noises, noise, cond, other?.noise, images, imageCond].filter((x) => x !== undefined));
    }
  }
}

/** This rank's rows of so many; undefined where it has all. */
function shareOf({ ranks }: Plan, count: number): RowRange | undefined {
  if (ranks === undefined) return undefined;
  const each = count / ranks.size;
  return { from: ranks.rank * each, to: (ranks.rank + 1) * each };
}
