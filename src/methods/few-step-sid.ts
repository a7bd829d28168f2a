import { zeroCfg } from "../guidance/strategies";
import { type SidOptions, scoreIdentity, sidDefaults } from "./sid";
import type { ScoreMethod } from "./types";

/**
 * Few-step SiD: a generator of K passes, of which each iteration takes a random number, with the teacher unguided and the
 * fake score guided away from the text.
 *
 *     L as in sidLsg at κ4 = 1, and   Zero-CFG: κ1 = κ2 = 0,   Anti-CFG: κ1 = κ2 < 0
 *
 * With Zero-CFG ψ never sees the text. Anti-CFG is `guidance: antiCfg(κ)`; its κ is not published where it could be
 * verified, so there is no default.
 *
 * | | default | |
 * |---|---|---|
 * | κ | Zero-CFG | paper |
 * | passes | K′ uniform on 1 … K, the same in both updates | paper |
 * | α, ω, t, ψ, Adam | as `sidLsg` | not verified |
 *
 * Make the generator with `generatorFrom(model, { steps: 4, tInit: 999, gradientThrough: "last" })`: the gradient flows
 * through the last of the K′ passes.
 *
 * Source: Zhou et al., arXiv:2505.12674; its own code was not available.
 *
 * @param options - what differs from the defaults.
 * @returns the method, for `distill`.
 * @throws SidError `invalid-argument`, `out-of-range` or `not-finite` for options that make no sense.
 *
 * @example
 * ```ts
 * import { antiCfg, fewStepSid } from "sid-lsg";
 *
 * console.log(fewStepSid().settings["guidance"]); // { kappa1: 0, kappa2: 0, kappa4: 1 }
 * console.log(fewStepSid({ guidance: antiCfg(-0.5) }).generator.asks.fake.guidanceScale); // -0.5
 * ```
 */
export function fewStepSid(options: SidOptions = {}): ScoreMethod<"teacher" | "fake"> {
  const defaults = { ...sidDefaults(), guidance: zeroCfg(), steps: "random" as const };
  return scoreIdentity("fewStepSid", options, defaults, { learningRate: 1e-6, beta1: 0, beta2: 0.999 });
}
