import { checkFinite, checkObject, checkRange, type KeysOf } from "../core/checks";
import { type Guidance, guidanceKeys, guidanceWarnings, noGuidance } from "../guidance/strategies";
import { sidCotangents, sidLoss } from "../losses/sid";
import { logitNormalTimes, logNormalSigmas, sidSigmas, uniformTimesteps } from "../schedules/timestep-laws";
import { bySchedule } from "./by-schedule";
import {
  checkMethodOptions,
  fakeScoreOf,
  type MethodOptions,
  methodOptions,
  type Settled,
  settingsOf,
  settle,
} from "./options";
import type { Recipe, ScoreMethod } from "./types";

/** Options of the methods whose generator descends {@link sidLoss}: `sid`, `sidLsg`, `sidDit`. */
export interface SidOptions extends MethodOptions {
  /**
   * α of the loss.
   * @defaultValue `1.2` in `sid`, `1` in the others
   */
  readonly alpha?: number | undefined;
  /**
   * The guidance scales.
   * @defaultValue no guidance; κ = 4.5 in `sidDit`
   */
  readonly guidance?: Guidance | undefined;
  /**
   * Share of the conditions that become the empty one in the fake score's update; only where κ1 or κ2 is not 1.
   * @defaultValue `0.1`; 0 in `sidDit`
   */
  readonly contextDropout?: number | undefined;
}

/** The keys of {@link SidOptions}. */
export const sidOptions: KeysOf<SidOptions> = { ...methodOptions, alpha: 1, guidance: 1, contextDropout: 1 };

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
  const defaults = { ...identityDefaults(), alpha: 1.2, lossScale: 100, fakeWeight: noiseOrEdm };
  return identityMethod("sid", options, defaults, { learningRate: 1e-5, beta1: 0, beta2: 0.999 });
}

/** The weight of the noise's error, and EDM's where the schedule is EDM's: α = 1 wherever there is noise. */
export function noiseOrEdm(alpha: number, sigma: number): number {
  return (alpha / sigma) ** 2 + (alpha === 1 ? 4 : 0);
}

/** What the methods of this family share. */
export function identityDefaults(): Settled<SidOptions> {
  const [discrete, flow] = [uniformTimesteps(), logitNormalTimes({ mean: Math.LN2, std: 1.6 })];
  return {
    alpha: 1,
    guidance: noGuidance(),
    contextDropout: 0.1,
    weight: "l1",
    timesteps: bySchedule({ discrete, flow, ve: sidSigmas() }),
    lossScale: 1,
    reduction: "sum",
    fakeTimesteps: bySchedule({ discrete, flow, ve: logNormalSigmas() }),
    fakeWeight: "eps",
    fakeLossScale: 1,
    fakeUpdates: 1,
    steps: "all",
  };
}

/** A method of this family: κ1 guides ψ while it trains, κ2 and κ4 guide ψ and φ in the generator's loss. */
export function identityMethod(
  name: string,
  options: SidOptions,
  defaults: Settled<SidOptions>,
  recipe: Recipe,
): ScoreMethod<"teacher" | "fake"> {
  checkObject(name, "options", options, sidOptions);
  const settled = settle(options, defaults);
  checkMethodOptions(name, settled);
  const { alpha, weight, reduction, guidance } = settled;
  checkFinite(name, "alpha", alpha);
  checkRange(name, "contextDropout", settled.contextDropout, 0, 1);
  checkObject(name, "guidance", guidance, guidanceKeys);
  for (const kappa of ["kappa1", "kappa2", "kappa4"] as const) checkFinite(name, `guidance.${kappa}`, guidance[kappa]);
  const { kappa1, kappa2, kappa4 } = guidance;
  const contextDropout = kappa1 !== 1 || kappa2 !== 1 ? settled.contextDropout : 0;
  return {
    name,
    settings: settingsOf({ ...settled, contextDropout }, defaults),
    generator: {
      timesteps: settled.timesteps,
      asks: {
        teacher: { of: "teacher", guidanceScale: kappa4, gradient: true },
        fake: { of: "fakeScore", guidanceScale: kappa2, gradient: true },
      },
      cotangents(inputs, { level, valid }) {
        const how = { alpha, weight, reduction, level, valid };
        return { loss: sidLoss(inputs, how), ...sidCotangents(inputs, how) };
      },
      lossScale: settled.lossScale,
    },
    fakeScore: { ...fakeScoreOf(settled), guidanceScale: kappa1, contextDropout },
    steps: settled.steps,
    recipe,
    warnings: guidanceWarnings(guidance),
  };
}
