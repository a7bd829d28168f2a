import { checkFinite, checkObject, checkRange, type KeysOf } from "../core/checks";
import { type Guidance, guidanceKeys, guidanceWarnings, noGuidance } from "../guidance/strategies";
import type { LossInputs } from "../losses/weights";
import { logitNormalTimes, logNormalSigmas, sidSigmas, uniformTimesteps } from "../schedules/timestep-laws";
import { bySchedule } from "./by-schedule";
import { checkMethodOptions, fakeScoreOf, type MethodOptions, methodOptions, type Settled } from "./options";
import type { Circumstances, Cotangents, Recipe, ScoreMethod } from "./types";

/** Options of the methods whose gradient flows through both networks, guided as SiD-LSG guides. */
export interface GuidedMethodOptions extends MethodOptions {
  /**
   * κ1 guides ψ while it trains, κ2 and κ4 guide ψ and φ in the generator's loss.
   * @defaultValue no guidance; the method's own where it has any
   */
  readonly guidance?: Guidance | undefined;
  /**
   * Share of the conditions that become the empty one in the fake score's update; only where κ1 or κ2 is not 1.
   * @defaultValue `0.1`; 0 in `sidDit`
   */
  readonly contextDropout?: number | undefined;
}

/** The keys of {@link GuidedMethodOptions}. */
export const guidedMethodOptions: KeysOf<GuidedMethodOptions> = { ...methodOptions, guidance: 1, contextDropout: 1 };

/** What these methods share: SiD's laws on σ, SiD-LSG's on timesteps, SiD-DiT's on the times of rectified flow. */
export function guidedDefaults(): Settled<GuidedMethodOptions> {
  const [discrete, flow] = [uniformTimesteps(), logitNormalTimes({ mean: Math.LN2, std: 1.6 })];
  return {
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

/** What makes one of these methods. */
interface Parts {
  readonly name: string;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly settled: Settled<GuidedMethodOptions>;
  readonly recipe: Recipe;
  readonly cotangents: (inputs: LossInputs, circumstances: Circumstances) => Cotangents<"teacher" | "fake">;
}

/** A method whose gradient flows through x_g, f_φ and f_ψ; throws unless its options make sense. */
export function throughNetworks({
  name,
  settings,
  settled,
  recipe,
  cotangents,
}: Parts): ScoreMethod<"teacher" | "fake"> {
  checkMethodOptions(name, settled);
  const { guidance, timesteps, lossScale, steps } = settled;
  checkRange(name, "contextDropout", settled.contextDropout, 0, 1);
  checkObject(name, "guidance", guidance, guidanceKeys);
  for (const kappa of ["kappa1", "kappa2", "kappa4"] as const) checkFinite(name, `guidance.${kappa}`, guidance[kappa]);
  const { kappa1, kappa2, kappa4 } = guidance;
  const contextDropout = kappa1 !== 1 || kappa2 !== 1 ? settled.contextDropout : 0;
  return {
    name,
    settings: { ...settings, contextDropout },
    generator: {
      timesteps,
      asks: {
        teacher: { of: "teacher", guidanceScale: kappa4, gradient: true },
        fake: { of: "fakeScore", guidanceScale: kappa2, gradient: true },
      },
      cotangents,
      lossScale,
    },
    fakeScore: { ...fakeScoreOf(settled), guidanceScale: kappa1, contextDropout },
    steps,
    recipe,
    warnings: guidanceWarnings(guidance),
  };
}
