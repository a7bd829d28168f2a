import { lsg } from "../guidance/strategies";
import { type SidOptions, scoreIdentity, sidDefaults } from "./sid";
import type { ScoreMethod } from "./types";

/**
 * SiD for diffusion transformers: SiD-LSG's loss on flow-matching teachers, in few steps.
 *
 *     L = 1/B Σ ω · Σ δ ⊙ [(f_φ,κ − x_g) − α·δ],   ω = 1 − σ
 *
 * | | default | |
 * |---|---|---|
 * | κ1, κ2, κ4 | 4.5 | official code |
 * | α | 1 | official code |
 * | ω | `one-minus-sigma`; also `one-minus-sigma-squared`, `inverse-sigma`, `inverse-sigma-squared`, `alpha-over-sigma`, `snr`, `l1` | official code |
 * | t of both | `flow`: sigmoid of N(log 2, 1.6²) | official code |
 * | | else as `sid` | ours |
 * | ψ | the error of the flow's velocity, no text dropped | official code |
 * | passes | K′ uniform on 1 … K, the same in both updates | official code |
 * | scale of L | 100, and 1 for ψ | official code |
 * | Adam | (0, 0.999) at 5e-6, batches of 256, no average of the weights | official code |
 *
 * Make the generator with `generatorFrom(model, { steps: 4, tInit: 1, gradientThrough: "last" })`. The official
 * adversarial term is in `sida`.
 *
 * Source: arXiv:2509.25127; apple-aiml-research/ml-sid-dit@9596ed9 training/sid_dit_training_loop.py.
 *
 * @param options - what differs from the defaults.
 * @returns the method, for `distill`.
 * @throws SidError `invalid-argument`, `out-of-range` or `not-finite` for options that make no sense.
 *
 * @example
 * ```ts
 * import { flowSchedule, sidDit } from "sid-lsg";
 * import { tensor1d, tensor2d } from "@tensorflow/tfjs-core";
 *
 * const method = sidDit();
 * const tensors = { generated: tensor2d([[0]]), teacher: tensor2d([[2]]), fake: tensor2d([[1]]) };
 * const { loss } = method.generator.cotangents(tensors, {
 *   level: { alpha: [0.75], sigma: [0.25] },
 *   t: [0.25],
 *   moment: { schedule: flowSchedule(), nimg: 0, iteration: 0 },
 *   valid: tensor1d([1]),
 * });
 * console.log(loss.dataSync()[0]); // 0.75·(2 − 1)·((2 − 0) − (2 − 1)) = 0.75
 * ```
 */
export function sidDit(options: SidOptions = {}): ScoreMethod<"teacher" | "fake"> {
  const defaults = {
    ...sidDefaults(),
    guidance: lsg(4.5),
    contextDropout: 0,
    weight: "one-minus-sigma" as const,
    fakeWeight: "flow" as const,
    lossScale: 100,
    steps: "random" as const,
  };
  return scoreIdentity("sidDit", options, defaults, { learningRate: 5e-6, beta1: 0, beta2: 0.999 });
}
