import { checkFinite, checkObject, type KeysOf } from "../core/checks";
import { sidCotangents, sidLoss } from "../losses/sid";
import { noiseOrEdm, type Settled, settingsOf, settle } from "./options";
import { type GuidedMethodOptions, guidedDefaults, guidedMethodOptions, throughNetworks } from "./through-networks";
import type { Recipe, ScoreMethod } from "./types";

/** Options of the methods whose generator descends {@link sidLoss}. */
export interface SidOptions extends GuidedMethodOptions {
  /**
   * α of the loss.
   * @defaultValue `1.2` in `sid`, `1` in the others
   */
  readonly alpha?: number | undefined;
}

/** The keys of {@link SidOptions}. */
export const sidOptions: KeysOf<SidOptions> = { ...guidedMethodOptions, alpha: 1 };

/**
 * Score identity distillation, without images.
 *
 *     L = 1/B Σ ω · Σ δ ⊙ [(f_φ − x_g) − α·δ],   δ = f_φ − f_ψ
 *
 * The gradient flows through x_g and through the inputs of both networks: an iteration costs a backward pass of the
 * teacher and of the fake score.
 *
 * | | default | |
 * |---|---|---|
 * | α | 1.2 (AFHQ: 1) | official code |
 * | ω | `1/max(M, 1e-5)`, the weight `l1` | official code |
 * | t of G | `ve`: SiD's ladder, σ of 0.002 to 24.4 | official code |
 * | | timesteps: uniform on [20, 980); `flow`: sigmoid of N(log 2, 1.6²) | as SiD-LSG and SiD-DiT |
 * | ψ | `ve`: EDM's weight, σ = exp N(−1.2, 1.2²) | official code |
 * | | else the error of the noise, t as G | as SiD-LSG |
 * | scale of L | 100, and 1 for ψ | official code |
 * | Adam | (0, 0.999) at 1e-5, one update of ψ per update of G | official code |
 *
 * The official generator is asked at σ = 2.5 (`tInit: 2.5` of `generatorFrom`).
 *
 * Source: Zhou et al., arXiv:2404.04057; SiD@01fbb13 training/sid_loss.py L25-74.
 *
 * @param options - what differs from the defaults.
 * @returns the method, for `distill`.
 * @throws SidError `invalid-argument`, `out-of-range` or `not-finite` for options that make no sense.
 *
 * @example
 * ```ts
 * import { sid } from "sid-lsg";
 * import { tensor1d, tensor2d } from "@tensorflow/tfjs-core";
 * import { edmSchedule } from "sid-lsg/schedules";
 *
 * const method = sid({ weight: "none" });
 * console.log(method.settings["alpha"]); // 1.2
 * const tensors = { generated: tensor2d([[0]]), teacher: tensor2d([[2]]), fake: tensor2d([[1]]) };
 * const { loss } = method.generator.cotangents(tensors, {
 *   level: { alpha: [1], sigma: [2] },
 *   t: [2],
 *   moment: { schedule: edmSchedule(), nimg: 0, iteration: 0 },
 *   valid: tensor1d([1]),
 * });
 * console.log(loss.dataSync()[0]); // (2 − 1)·((2 − 0) − 1.2·(2 − 1)) = 0.8
 * ```
 */
export function sid(options: SidOptions = {}): ScoreMethod<"teacher" | "fake"> {
  const defaults = { ...sidDefaults(), alpha: 1.2, lossScale: 100, fakeWeight: noiseOrEdm };
  return scoreIdentity("sid", options, defaults, { learningRate: 1e-5, beta1: 0, beta2: 0.999 });
}

/** What the methods of this loss share. */
export function sidDefaults(): Settled<SidOptions> {
  return { ...guidedDefaults(), alpha: 1 };
}

/** The method of that name on {@link sidLoss}. */
export function scoreIdentity(
  name: string,
  options: SidOptions,
  defaults: Settled<SidOptions>,
  recipe: Recipe,
): ScoreMethod<"teacher" | "fake"> {
  const settled = settle(checkObject(name, "options", options, sidOptions), defaults);
  const { weight, reduction } = settled;
  const alpha = checkFinite(name, "alpha", settled.alpha);
  return throughNetworks({
    name,
    settings: settingsOf(settled, defaults),
    settled,
    recipe,
    cotangents(inputs, { level, valid }) {
      const how = { alpha, weight, reduction, level, valid };
      return { loss: sidLoss(inputs, how), ...sidCotangents(inputs, how) };
    },
  });
}
