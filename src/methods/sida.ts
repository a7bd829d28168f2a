import {
  add,
  clipByValue,
  div,
  mean,
  mul,
  neg,
  ones,
  reshape,
  type Scalar,
  softplus,
  split,
  stack,
  sum,
  type Tensor,
  type Tensor1D,
  tensor1d,
  tidy,
} from "@tensorflow/tfjs-core";
import { checkFunction, checkObject, checkOneOf, checkPositive, checkRange, type KeysOf } from "../core/checks";
import { sampleSize, sumPerSample } from "../core/per-sample";
import { onlyValid } from "../losses/reduce";
import { sidLoss } from "../losses/sid";
import { type LossInputs, type LossWeight, weightOf } from "../losses/weights";
import { cotangentsOf } from "./cotangents-of";
import { noiseOrEdm, type Settled, settingsOf, settle } from "./options";
import { type SidOptions, scoreIdentity, sidDefaults, sidOptions } from "./sid";
import type { Circumstances, DiscriminatorUpdate, ScoreMethod } from "./types";

/** Options of {@link sida}. */
export interface SidaOptions extends SidOptions {
  /**
   * Factor of the adversarial term, beside `lossScale` of SiD's.
   * @defaultValue `0.01`
   */
  readonly adversarialScale?: number | undefined;
  /**
   * Whether the batch's mean adversarial loss meets each sample's ω, as in SiDA, or each sample's own, as in SiD-DiT, whose
   * logits are clipped to ±10 in the discriminator's loss as well.
   * @defaultValue `"batch"`
   */
  readonly adversarialMean?: "batch" | "sample" | undefined;
  /**
   * Images seen before the generator's first update.
   * @defaultValue `100_000`
   */
  readonly startsAt?: number | undefined;
  /**
   * Images seen before the adversarial term counts in the generator's loss.
   * @defaultValue `200_000`
   */
  readonly adversarialStartsAt?: number | undefined;
  /**
   * λ of the discriminator's loss, by signal and noise.
   * @defaultValue EDM's weight on `ve` schedules, else the signal-to-noise ratio: as ψ's
   */
  readonly discriminatorWeight?: ((alpha: number, sigma: number) => number) | undefined;
}

const known: KeysOf<SidaOptions> = {
  ...sidOptions,
  ...{ adversarialScale: 1, adversarialMean: 1, startsAt: 1, adversarialStartsAt: 1, discriminatorWeight: 1 },
};

/**
 * Adversarial score identity distillation: SiD with real images, which a discriminator tells from samples.
 *
 *     L_G = ½·100·L_SiD + ½·0.01·d·BCE(D(x_t), real)·1/B Σ ω,   ω = 1/max(M, 1e-5)
 *     L_D = 1/B Σ λ(σ) · [BCE(D(x_t), generated) + BCE(D(y_t), real)]/2,   added to ψ's loss
 *
 * d is a sample's number of elements. The cross entropy is averaged over batch and map first, with logits clipped to ±10
 * in L_G. The discriminator reads ψ's bottleneck (`bottleneckDiscriminator`, without weights of its own) and trains along
 * with ψ; real images y and samples share noise and times. Before the adversarial term begins, L_G is `100·L_SiD`.
 *
 * | | default | |
 * |---|---|---|
 * | α | 1 | official code |
 * | ω, t, ψ | as `sid` | official code |
 * | scales | 100 of SiD's term, 0.01 of the adversarial one, 1 of ψ and of D (100 for EDM2) | official code |
 * | G waits for | 100,000 images, the adversarial term for 200,000 | official code |
 * | Adam | (0, 0.999) at 1e-5, ψ's gradient clipped to ±1 element by element | official code |
 *
 * SiD-DiT's adversarial variant, whose official code takes each sample's own cross entropy (d is a sample's number of elements):
 * `sida({ guidance: lsg(4.5), contextDropout: 0, weight: "one-minus-sigma", fakeWeight: "flow", steps: "random",
 * adversarialScale: 1, adversarialMean: "sample", discriminatorWeight: () => d, startsAt: 20_000, adversarialStartsAt: 40_000 })`.
 *
 * Source: Zhou et al., arXiv:2410.14919; SiD@a5510fd (branch sida) sida_training/sida_loss.py L25-126,
 * sida_training_loop.py L347-427.
 *
 * @param options - what differs from the defaults.
 * @returns the method, for `distill` with images and a discriminator.
 * @throws SidError `invalid-argument`, `out-of-range` or `not-finite` for options that make no sense.
 *
 * @example
 * ```ts
 * import { edmSchedule, sida } from "sid-lsg";
 * import { tensor1d, tensor2d } from "@tensorflow/tfjs-core";
 *
 * const tensors = { generated: tensor2d([[0]]), teacher: tensor2d([[2]]), fake: tensor2d([[2]]), logit: tensor1d([0]) };
 * const { generator } = sida();
 * const { logit } = generator.cotangents(tensors, {
 *   level: { alpha: [1], sigma: [2] },
 *   t: [2],
 *   moment: { schedule: edmSchedule(), nimg: 300_000, iteration: 1000 },
 *   valid: tensor1d([1]),
 * });
 * // Times the loss scale, 100: ½·0.01·½·(−½)
 * console.log(logit?.dataSync()[0], generator.lossScale); // -0.0000125, 100
 * ```
 */
export function sida(options: SidaOptions = {}): ScoreMethod<"teacher" | "fake" | "logit"> {
  const name = "sida";
  const identity = { ...sidDefaults(), lossScale: 100, fakeWeight: noiseOrEdm };
  const defaults: Settled<SidaOptions> = {
    ...identity,
    adversarialScale: 0.01,
    adversarialMean: "batch",
    startsAt: 100_000,
    adversarialStartsAt: 200_000,
    discriminatorWeight: noiseOrEdm,
  };
  const settled = settle(checkObject(name, "options", options, known), defaults);
  const { adversarialScale, adversarialMean, startsAt, adversarialStartsAt, discriminatorWeight, ...rest } = settled;
  checkPositive(name, "adversarialScale", adversarialScale);
  checkOneOf(name, "adversarialMean", adversarialMean, ["batch", "sample"]);
  checkRange(name, "startsAt", startsAt, 0, Number.MAX_VALUE);
  checkRange(name, "adversarialStartsAt", adversarialStartsAt, 0, Number.MAX_VALUE);
  checkFunction(name, "discriminatorWeight", discriminatorWeight);
  const recipe = { learningRate: 1e-5, beta1: 0, beta2: 0.999, fakeClipValue: 1 };
  const { generator, fakeScore, ...alone } = scoreIdentity(name, rest, identity, recipe);
  const { alpha, weight, reduction, lossScale } = rest;
  // What cotangents gives is multiplied by lossScale.
  const share = adversarialScale / lossScale;

  return {
    ...alone,
    settings: settingsOf({ ...settled, contextDropout: fakeScore?.contextDropout ?? 0 }, defaults),
    generator: {
      ...generator,
      asks: { ...generator.asks, logit: { of: "discriminator", gradient: true, startsAt: adversarialStartsAt } },
      startsAt,
      cotangents({ logit, ...inputs }, circumstances) {
        // Absent until the adversarial term begins.
        if (logit === undefined) return generator.cotangents(inputs, circumstances);
        const { level, valid } = circumstances;
        const loss = ({ logit, ...x }: LossInputs & { readonly logit: Tensor }) => {
          const entropy = onlyValid(perSampleMean(softplus(neg(clipByValue(onlyValid(logit, valid), -10, 10)))), valid);
          const weights = weightOfEach(x, weight, circumstances);
          const adversarial =
            adversarialMean === "batch"
              ? mul(mean(entropy), batchMean(stack([sum(weights), level.alpha.length]), circumstances))
              : mean(mul(entropy, weights));
          const elements = reduction === "sum" ? sampleSize(x.generated) : 1;
          const identity = sidLoss(x, { alpha, weight, reduction, level, valid });
          return add(mul(identity, 0.5), mul(adversarial, 0.5 * share * elements)) as Scalar;
        };
        return cotangentsOf(loss, { ...inputs, logit }, ["generated", "teacher", "fake", "logit"]);
      },
    },
    fakeScore: fakeScore && { ...fakeScore, discriminator: critic(discriminatorWeight, adversarialMean) },
  };
}

/** `mean λ · (BCE of samples + BCE of images)/2`; SiD-DiT clips logits here too. */
function critic(
  lambda: (alpha: number, sigma: number) => number,
  adversarialMean: "batch" | "sample",
): DiscriminatorUpdate {
  return {
    loss({ generated, real }, { level: { alpha, sigma }, valid, sumOverRanks }) {
      return tidy(() => {
        const total = alpha.reduce((all, a, i) => all + lambda(a, sigma[i] as number), 0);
        const weight = batchMean(tensor1d([total, alpha.length]), { sumOverRanks });
        const clean = (logit: Tensor) => {
          const own = onlyValid(logit, valid);
          return adversarialMean === "sample" ? clipByValue(own, -10, 10) : own;
        };
        const on = (logit: Tensor) => mean(onlyValid(perSampleMean(softplus(logit)), valid));
        return mul(add(on(clean(generated)), on(neg(clean(real)))), div(weight, 2)) as Scalar;
      });
    },
  };
}

/** The mean over the batch, that of all ranks, of constants whose sum and number are given, `[2]`. */
function batchMean(sums: Tensor, { sumOverRanks }: Pick<Circumstances, "sumOverRanks">): Tensor {
  const [total, count] = split(sumOverRanks?.(sums as Tensor1D) ?? sums, 2) as [Tensor, Tensor];
  return reshape(div(total, count), []);
}

/** The mean of each sample's elements, `[B]`. */
function perSampleMean(x: Tensor): Tensor {
  return div(sumPerSample(x), sampleSize(x));
}

/** ω of each sample, `[B]`; 0 where it does not count. */
function weightOfEach(inputs: LossInputs, weight: LossWeight, { level, valid }: Circumstances): Tensor {
  const [generated, teacher, fake] = [inputs.generated, inputs.teacher, inputs.fake].map((x) => onlyValid(x, valid));
  const own = weightOf("sida", { generated, teacher, fake } as LossInputs, weight, level);
  return onlyValid(mul(ones([level.alpha.length]), own.rank === 0 ? own : reshape(own, [-1])), valid);
}
