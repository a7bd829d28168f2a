import {
  addN,
  cast,
  concat,
  dispose,
  notEqual,
  split,
  sqrt,
  square,
  stack,
  sum,
  type Tensor,
  type Tensor1D,
  tidy,
  type Variable,
} from "@tensorflow/tfjs-core";
import { checkFunction, checkMethods, checkObject, describe } from "../core/checks";
import { SidError } from "../core/errors";
import { runIfThere } from "../core/fused-kernels";
import { checkTensor, checkVariables } from "../core/tensor-checks";
import { cleanGradients, largestGradient } from "../losses/nan-policy";
import { type Accumulated, accumulate } from "./accumulate";
import type { Adam } from "./adam";
import type { TrainBatch } from "./batch";
import { carryOut } from "./carry-out";
import { fakeScoreGradients } from "./fake-score-gradients";
import { type GaugeSample, gaugeSamples } from "./gauge/samples";
import { generatorGradients } from "./generator-gradients";
import { fakeScoreVariables, type Objective } from "./objective";
import { meanOverRanks } from "./ranks/sums";

/**
 * Sees the gradients of a step, one per variable, after accumulation and before they are cleaned;
 * borrowed. What it returns, if anything, takes their place and belongs to the step. On several ranks (see
 * {@link Objective.distributed}) each sees the mean over all, and must return the same.
 */
export type GradientHook = (
  gradients: readonly Tensor[],
) => readonly Tensor[] | undefined | Promise<readonly Tensor[] | undefined>;

/** Options of {@link fakeScoreStep} and {@link generatorStep}. */
export interface StepOptions {
  /** Holds the variables of the network that trains. */
  readonly optimizer: Adam;
  /** Sees, and may replace, the accumulated gradients. */
  readonly onGradients?: GradientHook | undefined;
}

/** The figures of one step, as {@link readFigures} reads them. */
export interface StepFigures {
  /** Mean loss over the batches, times the loss scale. */
  readonly loss: number;
  /** Mean `‖f_φ − f_ψ‖²` per sample; 0 in a fake-score step, and where a method asks one of both only. */
  readonly deltaSquared: number;
  /** Samples that left the batch because they were not finite. */
  readonly droppedSamples: number;
  /** Euclidean norm of the gradient that the optimiser used: accumulated and cleaned, times the loss scale. */
  readonly gradientNorm: number;
  /** Elements of the gradient that were NaN or infinite. */
  readonly cleanedElements: number;
  /** What each sample that counted tells `divergenceGauge`; none in a fake-score step, and where a method does not ask. */
  readonly gauge: readonly GaugeSample[];
}

/**
 * One update of the fake score: gradients accumulated over `batches`, cleaned, one optimiser step.
 *
 * Every loss is a mean over its batch, and the batches are averaged: `R` batches of `B` samples are one of `R·B`, but for
 * methods that compare the samples of a batch (the means of `fDistill` and of SiDA's adversarial term): theirs are of each.
 *
 * @param objective - networks and method; see {@link fakeScoreGradients}.
 * @param batches - of one size; borrowed. A generator function can make each when it is its turn.
 * @param options - the optimiser of the fake score's variables, followed by the discriminator's where the method trains
 *   one, and a hook.
 * @returns the step's figures, `[5]` and 4 of each sample that the gauge is told of, still on the device, for {@link readFigures}; the caller owns them.
 * @throws SidError `invalid-argument` without batches or with an optimiser of other variables, `shape-mismatch`
 *   for batches of different sizes; otherwise as {@link fakeScoreGradients}. Nothing is assigned then.
 *
 * @example
 * ```ts
 * import { ddpmSchedule, gaussianModel, generatorFrom, randomStream } from "sid-lsg";
 * import { mlp } from "sid-lsg/models";
 * import { adam, fakeScoreStep, readFigures } from "sid-lsg/train";
 *
 * const schedule = ddpmSchedule();
 * const stream = randomStream(1);
 * const teacher = gaussianModel({ mean: [1, 0], variance: 0.5, schedule });
 * const generator = generatorFrom(gaussianModel({ mean: [0, 0], variance: 1, schedule }));
 * const fakeScore = mlp({ dim: 2, hidden: 16 }, { name: "fake-step", schedule, predicts: "eps", weights: stream });
 * const optimizer = adam(fakeScore.variables, { learningRate: 1e-3 });
 * const batch = { noises: [stream.normal([4, 2])], noise: stream.normal([4, 2]), t: [20, 300, 600, 979] };
 * const [figures] = await readFigures(await fakeScoreStep({ generator, teacher, fakeScore }, [batch], { optimizer }));
 * console.log(figures?.droppedSamples); // 0
 * ```
 */
export async function fakeScoreStep(
  objective: Objective,
  batches: Iterable<TrainBatch>,
  options: StepOptions,
): Promise<Tensor1D> {
  checkObject("fakeScoreStep", "objective", objective);
  checkOptimizer("fakeScoreStep", { variables: fakeScoreVariables(objective) }, options);
  const accumulated = await accumulate("fakeScoreStep", batches, (batch) => fakeScoreGradients(objective, batch));
  return finish(accumulated, objective, options);
}

/**
 * One update of the generator: gradients accumulated over `batches`, cleaned, one optimiser step.
 *
 * @param objective - networks and method; see {@link generatorGradients}.
 * @param batches - of one size; borrowed, as in {@link fakeScoreStep}.
 * @param options - the optimiser of the generator's variables, and a hook.
 * @returns the step's figures, `[5]` and 4 of each sample that the gauge is told of, still on the device, for {@link readFigures}; the caller owns them.
 * @throws SidError `invalid-argument` without batches or with an optimiser of other variables, `shape-mismatch`
 *   for batches of different sizes; otherwise as {@link generatorGradients}. Nothing is assigned then.
 *
 * @example
 * ```ts
 * import { ddpmSchedule, gaussianModel, generatorFrom, randomStream } from "sid-lsg";
 * import { mlp } from "sid-lsg/models";
 * import { adam, generatorStep, readFigures } from "sid-lsg/train";
 *
 * const schedule = ddpmSchedule();
 * const stream = randomStream(1);
 * const network = mlp({ dim: 2, hidden: 16 }, { name: "generator-step", schedule, predicts: "eps", weights: stream });
 * const objective = {
 *   generator: generatorFrom(network),
 *   teacher: gaussianModel({ mean: [1, 0], variance: 0.5, schedule }),
 *   fakeScore: gaussianModel({ mean: [0, 0], variance: 1, schedule }),
 * };
 * const optimizer = adam(network.variables, { learningRate: 1e-3 });
 * const batch = { noises: [stream.normal([4, 2])], noise: stream.normal([4, 2]), t: [20, 300, 600, 979] };
 * const [figures] = await readFigures(await generatorStep(objective, [batch], { optimizer }));
 * console.log((figures?.deltaSquared ?? 0) > 0); // true
 * ```
 */
export async function generatorStep(
  objective: Objective,
  batches: Iterable<TrainBatch>,
  options: StepOptions,
): Promise<Tensor1D> {
  checkObject("generatorStep", "objective", objective);
  checkOptimizer("generatorStep", objective.generator, options);
  const accumulated = await accumulate("generatorStep", batches, (batch) => generatorGradients(objective, batch));
  return finish(accumulated, objective, options);
}

/**
 * Reads the figures of steps, in one transfer from the device, and frees them.
 *
 * @param pending - what {@link fakeScoreStep} and {@link generatorStep} returned; disposed.
 * @returns the figures, in that order.
 *
 * @example
 * ```ts
 * import { readFigures } from "sid-lsg/train";
 * import { tensor1d } from "@tensorflow/tfjs-core";
 *
 * const [figures] = await readFigures(tensor1d([0.5, 0, 1, 2, 0]));
 * console.log(figures?.loss, figures?.droppedSamples); // 0.5 1
 * ```
 */
export async function readFigures(...pending: readonly Tensor1D[]): Promise<StepFigures[]> {
  return (await readNumbers(...pending)).map(figuresOf);
}

/** {@link readFigures} as they come: the five numbers of each step, and four of each sample that the gauge is told of. */
export async function readNumbers(...pending: readonly Tensor1D[]): Promise<Float32Array[]> {
  if (pending.length === 0) return [];
  for (const [i, figures] of pending.entries()) checkTensor("readFigures", `figures ${i}`, figures);
  const sizes = pending.map(({ size }) => size);
  const all = tidy(() => concat([...pending]));
  dispose([...pending]);
  const values = (await all.data().finally(() => all.dispose())) as Float32Array;
  let end = 0;
  return sizes.map((size) => {
    end += size;
    return values.subarray(end - size, end);
  });
}

/** The figures among the numbers of a step. */
export function figuresOf(numbers: Float32Array): StepFigures {
  const [loss, deltaSquared, droppedSamples, gradientNorm, cleanedElements] = numbers;
  const gauge = gaugeSamples(numbers.subarray(5));
  return { loss, deltaSquared, droppedSamples, gradientNorm, cleanedElements, gauge } as StepFigures;
}

/** Averages the gradients over ranks, shows them to the hook, cleans them and steps; returns all figures. */
async function finish(
  { means, gauges }: Accumulated,
  { distributed }: Objective,
  { optimizer, onGradients }: StepOptions,
): Promise<Tensor1D> {
  const [figures, ...own] = means as [Tensor1D, ...Tensor[]];
  let gradients = own;
  let replaced: readonly Tensor[] | undefined;
  try {
    if (distributed && distributed.size > 1) gradients = await meanOverRanks(distributed, own);
    replaced = checkReplaced(await onGradients?.(gradients));
    const used = replaced ?? gradients;
    return tidy(() => {
      const { carried } = carryOut((carry) => {
        optimizer.step(used, (flat) => {
          const [clean, figures] = cleanFlat(flat);
          carry(figures);
          return clean;
        });
      });
      const [squares, cleaned] = split(addN(carried), 2) as [Tensor, Tensor];
      return concat([figures, sqrt(squares), cleaned, ...gauges]) as Tensor1D;
    });
  } finally {
    dispose([...means, ...gradients, ...gauges, ...(replaced ?? [])]);
  }
}

/** A gradient that is fit for the optimiser, and `[Σ of its squares, number of elements that were not]`. */
function cleanFlat(flat: Tensor): [Tensor, Tensor] {
  const whole = runIfThere("SidClean", [flat], { limit: largestGradient });
  if (whole) return whole as [Tensor, Tensor];
  const clean = cleanGradients([flat])[0] as Tensor;
  return [clean, stack([sum(square(clean)), sum(cast(notEqual(clean, flat), "float32"))])];
}

/** Throws unless the hook returned a list or nothing; the optimiser checks the list itself. */
function checkReplaced(returned: readonly Tensor[] | undefined): readonly Tensor[] | undefined {
  if (returned === undefined || Array.isArray(returned)) return returned;
  throw new SidError("invalid-argument", `onGradients: wanted gradients or undefined, got ${describe(returned)}.`);
}

function checkOptimizer(
  where: string,
  network: { readonly variables: readonly Variable[] },
  options: StepOptions,
): void {
  checkObject(where, "options", options, { optimizer: 1, onGradients: 1 });
  const { optimizer, onGradients } = options;
  checkMethods(where, "optimizer", optimizer, "an optimiser as adam() makes it", ["step", "state"]);
  if (onGradients !== undefined) checkFunction(where, "onGradients", onGradients);
  const { variables } = checkObject(where, "the network that trains", network);
  checkVariables(where, "its variables", variables);
  const trained = optimizer.variables;
  if (variables.length !== trained.length || variables.some((v, i) => v !== trained[i]))
    throw new SidError(
      "invalid-argument",
      `${where}: the optimizer must hold the ${variables.length} variables of the network that trains, in their order; it holds ${trained.length}, the first is "${trained[0]?.name}".`,
    );
}
