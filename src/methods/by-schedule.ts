import { checkFunction, checkObject, type KeysOf } from "../core/checks";
import { SidError } from "../core/errors";
import { checkSchedule } from "../schedules/time";
import type { MethodTimesteps } from "./types";

/** The laws that {@link bySchedule} chooses from. What is absent is refused when it is needed. */
export interface LawsBySchedule {
  /** For timesteps of a `vp` schedule, as Stable Diffusion has: integers. */
  readonly discrete?: MethodTimesteps | undefined;
  /** For σ of a `ve` schedule, as EDM has. */
  readonly ve?: MethodTimesteps | undefined;
  /** For times in `[0, 1]` of a `flow` schedule. */
  readonly flow?: MethodTimesteps | undefined;
}

const known: KeysOf<LawsBySchedule> = { discrete: 1, ve: 1, flow: 1 };

/**
 * A law of t for networks of any schedule: the official law of each family of schedules, chosen by the one that the
 * networks share.
 *
 * @param laws - one law per family.
 * @returns a law for a method; it draws nothing by itself.
 * @throws SidError `invalid-argument` for what is no law; when it draws, `unsupported` for a schedule that no law is for.
 *
 * @example
 * ```ts
 * import { bySchedule, logitNormalTimes, logNormalSigmas, sid, uniformTimesteps } from "sid-lsg";
 *
 * const timesteps = bySchedule({
 *   discrete: uniformTimesteps({ min: 20, max: 500 }),
 *   ve: logNormalSigmas(),
 *   flow: logitNormalTimes(),
 * });
 * console.log(sid({ timesteps }).settings["timesteps"]); // custom
 * ```
 */
export function bySchedule(laws: LawsBySchedule): MethodTimesteps {
  const where = "bySchedule";
  checkObject(where, "laws", laws, known);
  for (const [name, law] of Object.entries(laws)) if (law !== undefined) checkFunction(where, name, law);
  return (stream, count, moment) => {
    const { kind, discrete } = checkSchedule(where, moment?.schedule);
    const name = kind === "vp" ? "discrete" : kind;
    const law = laws[name];
    if (law === undefined || discrete !== (name === "discrete"))
      throw new SidError(
        "unsupported",
        `${where}: there is no law of t for ${discrete ? "discrete" : "continuous"} times of a "${kind}" schedule; give the method the option timesteps, and fakeTimesteps where it has one, with a law of your own.`,
      );
    return law(stream, count, moment);
  };
}
