import { mul, type Scalar, type Tensor, type Tensor1D, tidy } from "@tensorflow/tfjs-core";
import { checkFinite, checkObject } from "../core/checks";
import { noGrad, valueAndGradients } from "../core/tape";
import { checkSameShape } from "../core/tensor-checks";
import { guidedPrediction } from "../guidance/guide";
import { type Guidance, guidanceKeys, noGuidance } from "../guidance/strategies";
import { type FakeScoreLossOptions, fakeScoreLoss } from "../losses/fake-score";
import { finiteSamples } from "../losses/nan-policy";
import { type LossReduction, onlyValid } from "../losses/reduce";
import type { GeneratorModel, ScoreModel } from "../models/types";
import { addNoise } from "../predict/level";
import { checkTrainBatch, inputsOf, type TrainBatch } from "./batch";
import { carryOut } from "./carry-out";

/** What the fake score learns from, and how. */
export interface FakeScoreObjective {
  /** Makes the samples; frozen here. */
  readonly generator: GeneratorModel;
  /** The network that trains. */
  readonly fakeScore: ScoreModel;
  /** Not asked here; so that one object may serve both steps. */
  readonly teacher?: ScoreModel | undefined;
  /**
   * Its `kappa1` guides the prediction that regresses to the noise.
   * @defaultValue no guidance
   */
  readonly guidance?: Guidance | undefined;
  /**
   * `eps` makes the loss of any prediction type that of the noise; `none` leaves it as it is.
   * @defaultValue `"eps"`
   */
  readonly weight?: FakeScoreLossOptions["weight"] | undefined;
  /**
   * Over each sample's elements.
   * @defaultValue `"sum"`
   */
  readonly reduction?: LossReduction | undefined;
  /**
   * Factor of the loss and its gradients.
   * @defaultValue `1`
   */
  readonly lossScale?: number | undefined;
}

/** What {@link fakeScoreGradients} returns; the caller owns all of it (`dispose({ ...result })` frees it). */
export interface FakeScoreGradients {
  /** The loss, times `lossScale`. */
  readonly loss: Scalar;
  /** One tensor per variable of the fake score, in their order. */
  readonly gradients: Tensor[];
  /** The samples `x_g`, `[B, ...]`. */
  readonly generated: Tensor;
  /** `[B]`, 1 for samples that counted, 0 for samples that left the batch because they were not finite. */
  readonly valid: Tensor1D;
}

/**
 * Loss and gradients of one fake-score step: denoising score matching on the generator's samples.
 *
 *     x_g = G(z, c) off the tape,   x_t = α·x_g + σ·ε,   L = fakeScoreLoss(f_κ1(x_t, t, c))
 *
 * Samples with a value that is not finite leave the batch, and zeros take their place in the
 * network's input, so that their activations cannot spoil the gradients of the others.
 *
 * Source: SiD-LSG@709fc22 training/sid_training_loop.py, the fake-score update; MATH of arXiv:2406.01561.
 *
 * @param objective - networks, guidance and loss; nothing is assigned.
 * @param batch - noise, times and conditions of `B` samples; borrowed.
 * @returns loss, gradients, samples and which of them counted.
 * @throws SidError before any tape opens: `shape-mismatch`, `invalid-argument` for a condition that the
 *   guidance needs, `out-of-range` for a time outside the schedule, `not-finite` for a scale.
 *
 * @example
 * ```ts
 * import { ddpmSchedule, functionModel, generatorFrom, randomStream } from "sid-lsg";
 * import { fakeScoreGradients } from "sid-lsg/train";
 * import { mul, scalar, variable } from "@tensorflow/tfjs-core";
 *
 * const network = (name: string) => {
 *   const gain = variable(scalar(0.9), true, `${name}/gain`);
 *   return functionModel({
 *     name,
 *     predicts: "eps",
 *     schedule: ddpmSchedule(),
 *     variables: [gain],
 *     predict: (xt) => mul(xt, gain),
 *   });
 * };
 * const stream = randomStream(1);
 * const { loss, gradients } = fakeScoreGradients(
 *   { generator: generatorFrom(network("fake-gradients/G")), fakeScore: network("fake-gradients/fake") },
 *   { noises: [stream.normal([4, 2])], noise: stream.normal([4, 2]), t: [20, 300, 600, 979] },
 * );
 * console.log(loss.shape, gradients.length); // [] 1
 * ```
 */
export function fakeScoreGradients(objective: FakeScoreObjective, batch: TrainBatch): FakeScoreGradients {
  const where = "fakeScoreGradients";
  checkObject(where, "objective", objective, {
    generator: 1,
    fakeScore: 1,
    teacher: 1,
    guidance: 1,
    weight: 1,
    reduction: 1,
    lossScale: 1,
  });
  const { generator, fakeScore, guidance = noGuidance(), weight = "eps", reduction = "sum", lossScale = 1 } = objective;
  const { kappa1 } = checkObject(where, "guidance", guidance, guidanceKeys);
  checkFinite(where, "lossScale", lossScale);
  const level = checkTrainBatch(where, generator, [{ model: fakeScore, role: "fakeScore", kappa: kappa1 }], batch);
  return tidy(() => {
    const generated = noGrad(() => generator.generate(batch.noises, batch.cond));
    checkSameShape(where, { generated, noise: batch.noise });
    const finite = finiteSamples(generated, ...inputsOf(batch));
    const x0 = onlyValid(generated, finite);
    const noise = onlyValid(batch.noise, finite);
    const cond = batch.cond && onlyValid(batch.cond, finite);
    const xt = addNoise({ x0, noise, level });
    const predict = fakeScore.predict.bind(fakeScore);
    const { result, carried } = carryOut((carry) =>
      valueAndGradients(() => {
        const prediction = guidedPrediction(predict, {
          xt,
          t: batch.t,
          cond,
          uncond: batch.uncond,
          guidanceScale: kappa1,
        });
        const valid = noGrad(() => mul(finite, finiteSamples(prediction)) as Tensor1D);
        carry(valid);
        const inputs = { prediction, generated: x0, noise, level };
        const loss = fakeScoreLoss(inputs, { predicts: fakeScore.predicts, weight, reduction, valid });
        return lossScale === 1 ? loss : (mul(loss, lossScale) as Scalar);
      }, fakeScore.variables),
    );
    return { loss: result.value, gradients: result.gradients, generated, valid: carried[0] as Tensor1D };
  });
}
