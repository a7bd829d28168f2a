import { checkFunction, checkInteger, checkOneOf, checkPositive, type KeysOf } from "../core/checks";
import { type FakeScoreWeight, fakeScoreWeights } from "../losses/fake-score";
import type { LossReduction } from "../losses/reduce";
import { type LossWeight, lossWeights } from "../losses/weights";
import type { FakeScoreUpdate, MethodTimesteps } from "./types";

/** What can be chosen of every method with a fake score. Each method's own page has its defaults. */
export interface MethodOptions {
  /**
   * ω of the generator's loss.
   * @defaultValue the method's own
   */
  readonly weight?: LossWeight | undefined;
  /**
   * The law of t in the generator's update.
   * @defaultValue the method's own, by the schedule
   */
  readonly timesteps?: MethodTimesteps | undefined;
  /**
   * Factor of the generator's loss.
   * @defaultValue the method's own
   */
  readonly lossScale?: number | undefined;
  /**
   * Both losses over each sample's elements.
   * @defaultValue the method's own
   */
  readonly reduction?: LossReduction | undefined;
  /**
   * The law of t in the fake score's update.
   * @defaultValue the method's own, by the schedule
   */
  readonly fakeTimesteps?: MethodTimesteps | undefined;
  /**
   * Weight of the fake score's loss.
   * @defaultValue the method's own
   */
  readonly fakeWeight?: FakeScoreWeight | undefined;
  /**
   * Factor of the fake score's loss.
   * @defaultValue the method's own
   */
  readonly fakeLossScale?: number | undefined;
  /**
   * Updates of the fake score per update of the generator, an integer of 1 or more.
   * @defaultValue the method's own
   */
  readonly fakeUpdates?: number | undefined;
  /**
   * How many of the generator's passes an iteration takes: all, or a random number of them, the same in both updates.
   * @defaultValue the method's own
   */
  readonly steps?: "all" | "random" | undefined;
}

/** The keys of {@link MethodOptions}. */
export const methodOptions: KeysOf<MethodOptions> = {
  ...{ weight: 1, timesteps: 1, lossScale: 1, reduction: 1 },
  ...{ fakeTimesteps: 1, fakeWeight: 1, fakeLossScale: 1, fakeUpdates: 1, steps: 1 },
};

/** Options with every default filled in. */
export type Settled<T> = { readonly [K in keyof T]-?: Exclude<T[K], undefined> };

/** The defaults, and over them what is given and not undefined. */
export function settle<T extends object>(options: T, defaults: Settled<T>): Settled<T> {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return { ...defaults, ...Object.fromEntries(given) };
}

/** Throws unless the shared options make sense; looks at those that are there. */
export function checkMethodOptions(where: string, options: MethodOptions): void {
  const { weight, reduction, fakeWeight, fakeUpdates, steps } = options;
  if (weight !== undefined && typeof weight !== "function") checkOneOf(where, "weight", weight, lossWeights);
  if (fakeWeight !== undefined && typeof fakeWeight !== "function")
    checkOneOf(where, "fakeWeight", fakeWeight, fakeScoreWeights);
  if (reduction !== undefined) checkOneOf(where, "reduction", reduction, ["sum", "mean"]);
  if (steps !== undefined) checkOneOf(where, "steps", steps, ["all", "random"]);
  if (fakeUpdates !== undefined) checkInteger(where, "fakeUpdates", fakeUpdates, 1);
  for (const name of ["lossScale", "fakeLossScale"] as const)
    if (options[name] !== undefined) checkPositive(where, name, options[name]);
  for (const name of ["timesteps", "fakeTimesteps"] as const)
    if (options[name] !== undefined) checkFunction(where, name, options[name]);
}

/** The options as plain data, for `Method.settings`: functions become `"default"`, or `"custom"` where they are the user's. */
export function settingsOf<T extends object>(settled: T, defaults: T): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(settled).map(([name, value]) => {
      if (typeof value !== "function") return [name, value];
      return [name, value === defaults[name as keyof T] ? "default" : "custom"];
    }),
  );
}

/** The fake score's update that the shared options describe. */
export function fakeScoreOf(
  settled: Pick<Settled<MethodOptions>, "fakeTimesteps" | "fakeWeight" | "fakeLossScale" | "fakeUpdates" | "reduction">,
): FakeScoreUpdate {
  return {
    timesteps: settled.fakeTimesteps,
    weight: settled.fakeWeight,
    reduction: settled.reduction,
    lossScale: settled.fakeLossScale,
    updates: settled.fakeUpdates,
  };
}

/** The weight of the noise's error, and EDM's where the schedule is EDM's: α = 1 wherever there is noise. */
export function noiseOrEdm(alpha: number, sigma: number): number {
  return (alpha / sigma) ** 2 + (alpha === 1 ? 4 : 0);
}
