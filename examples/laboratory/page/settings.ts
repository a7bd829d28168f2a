/** What can be moved of a method, in words and ranges for the page. */
import { type PlaneMethod, type PlaneMethodName, planeMethods } from "../../plane/methods";
import { defaultsOf, divergences, reductions, type SettingName, weights } from "../methods";
import type { Contestant } from "../state";

/** A setting of a contestant. */
export type ContestantSetting = SettingName | "learningRate" | "fakeLearningRate" | "passes";

/** A number on a slider, which need not reach as far as the number may. */
export interface NumberSetting {
  readonly label: string;
  readonly hint: string;
  readonly least: number;
  readonly most: number;
  readonly step: number;
  /** Whether the slider goes by the number's logarithm; its left end is 0 then, where 0 may be. */
  readonly logarithmic?: "from 0" | "above 0";
  /** Whether it may move while training runs. */
  readonly live?: true;
}

export interface WordSetting {
  readonly label: string;
  readonly hint: string;
  readonly words: readonly string[];
}

const kappa = { least: 0, most: 6, step: 0.1 };
const rate = { least: 1e-4, most: 0.05, step: 0.01, live: true } as const;

/** Every setting, in the order of the page. */
export const settings: Readonly<Record<ContestantSetting, NumberSetting | WordSetting>> = {
  alpha: {
    ...{ label: "α", hint: "Takes α·‖f_φ − f_ψ‖² off the loss.", least: -0.5, most: 2, step: 0.05 },
  },
  weight: { label: "ω", hint: "Weighs samples and times.", words: weights },
  divergence: { label: "f-divergence", hint: "What the ratio of the laws is weighed by.", words: divergences },
  kappa1: { label: "κ1", hint: "Guides the fake score while it learns.", ...kappa },
  kappa2: { label: "κ2 = κ3", hint: "Guides the fake score in the generator's loss.", ...kappa },
  kappa4: { label: "κ4", hint: "Guides the teacher.", ...kappa },
  fakeUpdates: {
    ...{ label: "Updates of the fake score", hint: "For each one of the generator.", least: 1, most: 10, step: 1 },
  },
  learningRate: {
    ...{ label: "Step size, generator", hint: "Can be moved while it trains.", ...rate, logarithmic: "above 0" },
  },
  fakeLearningRate: {
    ...{ label: "Step size, fake score", hint: "0 freezes it. Can be moved while it trains.", ...rate },
    logarithmic: "from 0",
  },
  passes: { label: "Passes K", hint: "Of the generator; one draws at once.", least: 1, most: 8, step: 1 },
  reduction: { label: "Reduction", hint: "Over the two coordinates.", words: reductions },
};

/** What a setting is where nobody has moved it; undefined where the method has none of it. */
export function ownValue(method: PlaneMethodName, setting: ContestantSetting): number | string | undefined {
  const { learningRate, fakeLearningRate, generator, method: made } = entryOf(method);
  if (setting === "learningRate") return learningRate;
  if (setting === "fakeLearningRate") return made.fakeScore && (fakeLearningRate ?? learningRate);
  if (setting === "passes") return generator?.steps ?? 1;
  return defaultsOf(method)[setting];
}

/** What a setting of a contestant is. */
export function currentValue(contestant: Contestant, setting: ContestantSetting): number | string | undefined {
  const own = ownValue(contestant.method, setting);
  // The fake score's step size follows the generator's where the method gives none of its own.
  if (setting === "fakeLearningRate" && own !== undefined && contestant.fakeLearningRate === undefined)
    return entryOf(contestant.method).fakeLearningRate ?? currentValue(contestant, "learningRate");
  return own === undefined ? undefined : (contestant[setting] ?? own);
}

/** The contestant with a setting; one that it has anyway is left out. */
export function withSetting(contestant: Contestant, setting: ContestantSetting, value: number | string): Contestant {
  const { [setting]: _, ...others } = contestant;
  // The fake score's step size would follow the generator's, and here each moves alone.
  const fake = setting === "learningRate" ? currentValue(contestant, "fakeLearningRate") : undefined;
  const kept = typeof fake === "number" ? { ...others, fakeLearningRate: fake } : others;
  return value === currentValue(kept, setting) ? kept : { ...kept, [setting]: value };
}

/** The contestant with another method, and those of its settings that it has. */
export function withMethod(contestant: Contestant, method: PlaneMethodName): Contestant {
  const kept = (["kappa1", "kappa2", "kappa4"] as const).filter(
    (name) => contestant[name] !== undefined && ownValue(method, name) !== undefined,
  );
  return kept.reduce((made: Contestant, name) => withSetting(made, name, contestant[name] as number), { method });
}

/** The name of a method, without the settings that the plane's table gives it. */
export function titleOf(method: PlaneMethodName): string {
  return entryOf(method).title.split(",")[0] as string;
}

/** Methods of a kind. */
export const kinds = {
  "Score identity": ["sid", "sid-lsg", "few-step-sid", "sid-dit", "sida"],
  "Score implicit matching": ["sim"],
  "Reverse KL and kin": ["diff-instruct", "vsd", "swift-brush", "dmd", "dmd2", "decoupled-dmd", "tdm", "f-distill"],
  "Without a fake score": ["sds", "csd", "lcm"],
} as const satisfies Readonly<Record<string, readonly PlaneMethodName[]>>;

/** What is as the method has it, beside the settings that were moved, in a line. */
export function summaryOf(contestant: Contestant): string {
  const names = Object.keys(settings) as ContestantSetting[];
  const moved = names.filter((name) => contestant[name] !== undefined);
  return moved.map((name) => `${settings[name].label.split(" = ")[0]} ${contestant[name]}`).join(", ");
}

function entryOf(method: PlaneMethodName): PlaneMethod {
  return planeMethods[method];
}
