/** A method as a contestant wants it: what the plane's table has, with what was moved by hand. */
import {
  csd,
  decoupledDmd,
  diffInstruct,
  dmd,
  dmd2,
  type FDivergenceName,
  fDistill,
  fewStepSid,
  type Guidance,
  type LossReduction,
  type LossWeight,
  lcm,
  type Method,
  SidError,
  sds,
  sid,
  sida,
  sidDit,
  sidLsg,
  sim,
  swiftBrush,
  tdm,
  vsd,
} from "sid-lsg";
import { nearest } from "../common/nearest";
import { type PlaneMethod, type PlaneMethodName, planeMethods } from "../plane/methods";

/** The function of the library that makes each method, by the name of the function. */
const factories: Readonly<Record<PlaneMethodName, (options: object) => Method>> = {
  ...{ sid, "sid-lsg": sidLsg, "few-step-sid": fewStepSid, "sid-dit": sidDit, sida, sim },
  ...{ sds, csd, vsd, "swift-brush": swiftBrush, "diff-instruct": diffInstruct, dmd, dmd2 },
  ...{ "decoupled-dmd": decoupledDmd, tdm, "f-distill": fDistill, lcm },
};

/** The methods of the laboratory. */
export const methodNames = Object.keys(factories) as readonly PlaneMethodName[];

/** ω by its name. */
export const weights = [
  ...["none", "l1", "alpha-l1", "snr", "alpha-sigma", "alpha-squared-sigma", "alpha-over-sigma"],
  ...["one-minus-sigma", "one-minus-sigma-squared", "inverse-sigma", "inverse-sigma-squared"],
] as readonly WeightName[];
type WeightName = Extract<LossWeight, string>;

/** The f-divergences of f-distill. */
export const divergences = [
  ...["reverse-kl", "forward-kl", "jensen-shannon", "softened-reverse-kl", "hellinger", "jeffreys", "neyman"],
] as readonly FDivergenceName[];

export const reductions = ["sum", "mean"] as const satisfies readonly LossReduction[];

/** What can be moved of a method; what is absent is as in the plane's table. */
export interface MethodSettings {
  readonly alpha?: number;
  readonly weight?: WeightName;
  /** κ of the fake score while it trains. */
  readonly kappa1?: number;
  /** κ of the fake score in the generator's loss: the paper's κ2 = κ3. */
  readonly kappa2?: number;
  /** κ of the teacher. */
  readonly kappa4?: number;
  /** Updates of the fake score per update of the generator. */
  readonly fakeUpdates?: number;
  readonly reduction?: LossReduction;
  readonly divergence?: FDivergenceName;
}

export type SettingName = keyof MethodSettings;

/** A method's options as the library takes them, without functions, which stay its own. */
export type PlainOptions = Readonly<Record<string, unknown>>;

/** The options that the plane's table gives a method. */
function tableOptions(name: PlaneMethodName): PlainOptions {
  // Dropping texts is the method's choice by its guidance.
  const { contextDropout: _, ...settings } = planeMethods[name].method.settings;
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== "default"));
}

/** The options with what was moved. */
export function optionsOf(name: PlaneMethodName, settings: MethodSettings): PlainOptions {
  checkTaken(name, settings);
  const { kappa1, kappa2, kappa4, ...others } = settings;
  const table = tableOptions(name);
  const guidance = table["guidance"] as Guidance | undefined;
  const given = (options: PlainOptions) => Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries([
    ...Object.entries(table),
    ...given(others as PlainOptions),
    ...(guidance ? [["guidance", { ...guidance, ...Object.fromEntries(given({ kappa1, kappa2, kappa4 })) }]] : []),
    ...(guidance ? [] : given({ fakeGuidanceScale: kappa2 })),
    ...(guidance || kappa4 === undefined
      ? []
      : [table["guidanceScales"] ? ["guidanceScales", [kappa4, kappa4]] : ["guidanceScale", kappa4]]),
  ]);
}

/** The method with what was moved. Throws SidError `invalid-argument` for a setting that it does not have. */
export function methodOf(name: PlaneMethodName, settings: MethodSettings): Method {
  return factories[name](optionsOf(name, settings));
}

/** Whether a generator draws its first noise only, or one for each pass. */
export function hasOneNoise({
  method,
  passes,
}: {
  readonly method: PlaneMethodName;
  readonly passes?: number | undefined;
}): boolean {
  const { generator }: PlaneMethod = planeMethods[method];
  return (passes ?? generator?.steps ?? 1) === 1 || generator?.between === "ddim";
}

/** What a method's settings are where nothing was moved: those that it has. */
export function defaultsOf(name: PlaneMethodName): MethodSettings {
  const { settings } = planeMethods[name].method;
  const guidance = settings["guidance"] as Guidance | undefined;
  const scales = settings["guidanceScales"] as readonly [number, number] | undefined;
  const all = {
    alpha: settings["alpha"],
    weight: settings["weight"],
    kappa1: guidance?.kappa1,
    kappa2: guidance?.kappa2 ?? settings["fakeGuidanceScale"],
    kappa4: guidance?.kappa4 ?? settings["guidanceScale"] ?? scales?.[0],
    fakeUpdates: settings["fakeUpdates"],
    reduction: settings["reduction"],
    divergence: settings["divergence"],
  };
  const own = Object.entries(all).filter(([, value]) => value !== undefined && value !== "default");
  return Object.fromEntries(own) as MethodSettings;
}

function checkTaken(name: PlaneMethodName, settings: MethodSettings): void {
  const taken = Object.keys(defaultsOf(name));
  for (const [setting, value] of Object.entries(settings))
    if (value !== undefined && !taken.includes(setting))
      throw new SidError(
        "invalid-argument",
        `${planeMethods[name].title} has no ${setting}; it takes ${taken.join(", ")}.`,
      );
}

/** Throws SidError `invalid-argument` unless there is a method of that name. */
export function checkMethodName(name: string): PlaneMethodName {
  if ((methodNames as readonly string[]).includes(name)) return name as PlaneMethodName;
  const like = nearest(name, methodNames);
  throw new SidError(
    "invalid-argument",
    `There is no method "${name}"${like ? `; did you mean ${like}?` : `; there are ${methodNames.join(", ")}.`}`,
  );
}
