import { type SidOptions, scoreIdentity, sidDefaults } from "./sid";
import type { ScoreMethod } from "./types";

/**
 * Score identity distillation with long and short guidance: of text-to-image models, without images.
 *
 *     L = 1/B Σ ω · Σ δ ⊙ [(f_φ,κ4 − x_g) − α·δ],   δ = f_φ,κ4 − f_ψ,κ2
 *
 * ψ trains under κ1, so that with κ1 = κ2 the guided f_ψ is the score of the generator's own samples. The gradient flows
 * through x_g and through the inputs of both networks.
 *
 * | | default | |
 * |---|---|---|
 * | κ1, κ2, κ4 | 1; the paper's choices are `lsg(1.5)` to `lsg(4.5)` | paper |
 * | α, ω | 1, `1/max(M, 1e-5)` | official code |
 * | t of both | uniform on [20, 980) | official code |
 * | | `ve`, `flow`: as `sid` | ours |
 * | ψ | the error of the noise, 10 % of the texts dropped where κ1 or κ2 is not 1 | official code |
 * | scales of L | 1 for both | official code |
 * | Adam | (0, 0.999) at 1e-6, one update of ψ per update of G | official code |
 *
 * Source: Zhou et al., arXiv:2406.01561; SiD-LSG@709fc22 training/sid_training_loop.py L405-545.
 *
 * @param options - what differs from the defaults.
 * @returns the method, for `distill`.
 * @throws SidError `invalid-argument`, `out-of-range` or `not-finite` for options that make no sense.
 *
 * @example
 * ```ts
 * import { lsg, sidLsg } from "sid-lsg";
 *
 * const { generator, fakeScore } = sidLsg({ guidance: lsg(1.5) });
 * console.log(generator.asks.teacher.guidanceScale, fakeScore?.guidanceScale); // 1.5, 1.5
 * console.log(fakeScore?.contextDropout); // 0.1
 * ```
 *
 * @example
 * ```ts
 * import { ddpmSchedule, distill, gaussianModel, generatorFrom, mlp, randomStream, sidLsg } from "sid-lsg";
 *
 * const schedule = ddpmSchedule();
 * const teacher = gaussianModel({ mean: [1, -1], variance: 0.25, schedule });
 * const network = (name: string) =>
 *   mlp({ dim: 2, hidden: 16, depth: 1, timeDim: 8 }, { name, schedule, predicts: "eps", weights: randomStream(1) });
 * const generator = generatorFrom(network("G"));
 * const method = sidLsg({ alpha: 1.2 });
 * const options = { teacher, fakeScore: network("psi"), generator, sampleShape: [2], method, iterations: 2, batch: 16 };
 * for await (const { iteration, deltaSquared } of distill(options)) console.log(iteration, deltaSquared);
 * ```
 */
export function sidLsg(options: SidOptions = {}): ScoreMethod<"teacher" | "fake"> {
  return scoreIdentity("sidLsg", options, sidDefaults(), { learningRate: 1e-6, beta1: 0, beta2: 0.999 });
}
