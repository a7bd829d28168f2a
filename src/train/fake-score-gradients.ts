import { add, mul, type Scalar, type Tensor, type Tensor1D, tidy } from "@tensorflow/tfjs-core";
import { SidError } from "../core/errors";
import type { Timesteps } from "../core/per-sample";
import { besideTape, noGrad, valueAndGradients } from "../core/tape";
import { guidedPass } from "../guidance/guide";
import { fakeScoreLoss } from "../losses/fake-score";
import { finiteSamples } from "../losses/nan-policy";
import { onlyValid } from "../losses/reduce";
import type { DiscriminatorUpdate, FakeScoreUpdate } from "../methods/types";
import type { Discriminator, PredictionWithFeatures, ScoreModel } from "../models/types";
import { addNoise, type NoiseLevel } from "../predict/level";
import { checkTrainBatch, inputsOf, type TrainBatch } from "./batch";
import { carryOut } from "./carry-out";
import { noised } from "./noising";
import { checkObjective, fakeScoreVariables, type Objective } from "./objective";
import { summed } from "./ranks/sums";

/** What {@link fakeScoreGradients} returns; the caller owns all of it (`dispose({ ...result })` frees it). */
export interface FakeScoreGradients {
  /** The loss, times `lossScale`. */
  readonly loss: Scalar;
  /** One tensor per variable of the fake score, in their order, then of the discriminator where the method trains one. */
  readonly gradients: Tensor[];
  /** The samples `x_g`, `[B, ...]`. */
  readonly generated: Tensor;
  /** `[B]`, 1 for samples that counted, 0 for samples that left the batch because they were not finite. */
  readonly valid: Tensor1D;
}

/**
 * Loss and gradients of one fake-score step: denoising score matching on the generator's samples.
 *
 *     x_g = G(z, c) off the tape,   x_t = α·x_g + σ·ε,   L = fakeScoreLoss(f_κ1(x_t, t, c)) + the discriminator's loss
 *
 * Guidance, weight and reduction are the method's, and so is the discriminator's loss, if it has one.
 *
 * Samples with a value that is not finite leave the batch, and zeros take their place in the
 * network's input, so that their activations cannot spoil the gradients of the others.
 *
 * Source: SiD-LSG@709fc22 training/sid_training_loop.py, the fake-score update; MATH of arXiv:2406.01561.
 *
 * @param objective - networks and method; nothing is assigned.
 * @param batch - noise, times and conditions of `B` samples; borrowed.
 * @returns loss, gradients, samples and which of them counted.
 * @throws SidError before any tape opens: `shape-mismatch`, `invalid-argument` for a network or condition that the
 *   method needs, and for a method without a fake score; `out-of-range` for a time outside the schedule.
 *
 * @example
 * ```ts
 * import { ddpmSchedule, functionModel, gaussianModel, generatorFrom, randomStream } from "sid-lsg";
 * import { fakeScoreGradients } from "sid-lsg/train";
 * import { mul, scalar, variable } from "@tensorflow/tfjs-core";
 *
 * const schedule = ddpmSchedule();
 * const network = (name: string) => {
 *   const gain = variable(scalar(0.9), true, `${name}/gain`);
 *   return functionModel({
 *     name,
 *     predicts: "eps",
 *     schedule,
 *     variables: [gain],
 *     predict: (xt) => mul(xt, gain),
 *   });
 * };
 * const teacher = gaussianModel({ mean: [1, 0], variance: 0.5, schedule });
 * const stream = randomStream(1);
 * const { loss, gradients } = fakeScoreGradients(
 *   { generator: generatorFrom(network("fake-gradients/G")), teacher, fakeScore: network("fake-gradients/fake") },
 *   { noises: [stream.normal([4, 2])], noise: stream.normal([4, 2]), t: [20, 300, 600, 979] },
 * );
 * console.log(loss.shape, gradients.length); // [] 1
 * ```
 */
export function fakeScoreGradients(objective: Objective, batch: TrainBatch): FakeScoreGradients {
  const checked = checkObjective(where, objective);
  const { method } = checked;
  if (method.fakeScore === undefined || checked.fakeScore === undefined)
    throw new SidError("invalid-argument", `${where}: the method ${method.name} has no fake score to train.`);
  const fakeScore: ScoreModel = checked.fakeScore;
  const { guidanceScale = 1, weight = "eps", reduction = "sum", lossScale = 1 }: FakeScoreUpdate = method.fakeScore;
  const asked = [{ model: fakeScore, role: "fakeScore", kappa: guidanceScale }];
  const placed = checkTrainBatch(where, checked, asked, batch);
  const reading = method.fakeScore.discriminator;
  if (reading) checkDiscriminatorBatch(method.name, reading, batch);
  return tidy(() => {
    const made = besideTape(() => noised(checked, batch, placed));
    const { imageCond } = batch;
    const real = reading && batch.images ? [batch.images] : [];
    const realCond = reading && imageCond?.dtype === "float32" ? [imageCond] : [];
    const finite = finiteSamples(made.generated, ...inputsOf(batch), ...real, ...realCond);
    const [xt, x0, noise] = [made.xt, made.target.x0, made.target.noise].map((x) => onlyValid(x, finite)) as [
      ...[Tensor, Tensor, Tensor],
    ];
    const cond = batch.cond && onlyValid(batch.cond, finite);
    const { t, uncond } = batch;
    const { level } = placed;
    const { result, carried } = carryOut((carry) =>
      valueAndGradients(() => {
        // At κ = 0 the pass does not see the condition, as a discriminator always does.
        const reads =
          reading && !reading.timesteps && guidanceScale !== 0 && checked.discriminator?.reads === "fakeScore";
        const inputs = { xt, t, cond, uncond, guidanceScale };
        const { prediction, features } = guidedPass(
          (...at) =>
            reads
              ? (fakeScore.predictWithFeatures?.(...at) as PredictionWithFeatures)
              : { prediction: fakeScore.predict(...at) },
          inputs,
        );
        const valid = noGrad(() => mul(finite, finiteSamples(prediction)) as Tensor1D);
        carry(valid);
        const compared = { prediction, generated: x0, noise, level };
        const loss = fakeScoreLoss(compared, {
          predicts: fakeScore.predicts,
          weight,
          factors: made.trust,
          reduction,
          valid,
        });
        const whole = reading ? add(loss, adversarial(features, valid)) : loss;
        return (lossScale === 1 ? whole : mul(whole, lossScale)) as Scalar;
      }, fakeScoreVariables(checked)),
    );
    return {
      loss: result.value,
      gradients: result.gradients,
      generated: made.generated,
      valid: carried[0] as Tensor1D,
    };

    /** The discriminator's loss at the update's own x_t, or at another one; the real images share noise and times. */
    function adversarial(features: Tensor | undefined, valid: Tensor1D): Scalar {
      const discriminator = checked.discriminator as Discriminator;
      const fresh = reading?.timesteps ? batch.other : undefined;
      const at = {
        noise: onlyValid(fresh?.noise ?? batch.noise, finite),
        t: fresh?.t ?? t,
        level: (fresh && placed.other) ?? level,
      };
      const logit = (x: Tensor, c: Tensor | undefined) => discriminator.logit(read(checked, x, at.t, c), at.t);
      const images = onlyValid(batch.images as Tensor, finite);
      const generated = features
        ? discriminator.logit(features, t)
        : logit(fresh ? noisy(onlyValid(made.generated, finite), at) : xt, cond);
      const real = logit(noisy(images, at), imageCond ? onlyValid(imageCond, finite) : cond);
      const counted = noGrad(() => mul(valid, finiteSamples(generated, real)) as Tensor1D);
      const circumstances = {
        ...{ level: at.level, t: at.t, moment: placed.moment, valid: counted, cond },
        sumOverRanks: summed(checked),
      };
      return (reading as DiscriminatorUpdate).loss({ generated, real }, circumstances);
    }
  });
}

const where = "fakeScoreGradients";

/** What the discriminator reads at x_t: x_t itself, or features; those of the frozen teacher off the tape. */
function read(
  { discriminator, teacher, fakeScore }: Objective,
  xt: Tensor,
  t: Timesteps,
  cond: Tensor | undefined,
): Tensor {
  if (discriminator?.reads === "teacher") return noGrad(() => teacher.features?.(xt, t, cond) as Tensor);
  return discriminator?.reads === "fakeScore" ? (fakeScore?.features?.(xt, t, cond) as Tensor) : xt;
}

function noisy(x0: Tensor, { noise, level }: { readonly noise: Tensor; readonly level: NoiseLevel }): Tensor {
  return addNoise({ x0, noise, level });
}

function checkDiscriminatorBatch(name: string, reading: DiscriminatorUpdate, batch: TrainBatch): void {
  const missing = batch.images === undefined ? "images" : reading.timesteps && !batch.other ? "other" : undefined;
  if (missing)
    throw new SidError(
      "invalid-argument",
      `${where}: the discriminator of the method ${name} needs ${missing} in the batch, which is not given.`,
    );
}
