import {
  antiCfg,
  fDivergences,
  type Guidance,
  longGuidance,
  lsg,
  noGuidance,
  shortGuidance,
  uniformTimesteps,
  zeroCfg,
} from "sid-lsg";
import { choice, integer, number, positive } from "../common/command-line";

/** What a command line says. */
export type Values = Readonly<Record<string, string | boolean | undefined>>;

/** A flag as `--help` shows it. */
export interface Flag {
  readonly name: string;
  /** What its value is called; a flag without one says yes. */
  readonly value?: string | undefined;
  readonly text: string;
  /** The method's setting that it changes, where it is that one alone: its default is shown. */
  readonly option?: string | undefined;
}

/** Flags of methods and the options of a method that they make. */
export interface Part {
  readonly flags: readonly Flag[];
  read(values: Values): Readonly<Record<string, unknown>>;
}

/** The value of a flag that is one. */
export function textOf(values: Values, name: string): string | undefined {
  const value = values[name];
  return typeof value === "string" ? value : undefined;
}

type Read = (name: string, text: string) => unknown;

/** One flag, written as `--help` shows it, for one option. */
function single(flag: string, option: string, text: string, read: Read): Part {
  const [name = "", value] = flag.split(" ");
  return {
    flags: [{ name, value, text, option }],
    read(values) {
      const given = textOf(values, name);
      return given === undefined ? {} : { [option]: read(name, given) };
    },
  };
}

const anyNumber: Read = (name, text) => number(name, text, 0);
const notNegative: Read = (name, text) => number(name, text, 0, 0);
const aboveZero: Read = (name, text) => positive(name, text, 1);
const count = (least: number): Read => {
  return (name, text) => integer(name, text, least, least);
};
const oneOf = (...words: readonly string[]): Read => {
  return (name, text) => choice(name, text, "", words);
};
/** For names that the method checks. */
const anyName: Read = (_, text) => text;
const share: Read = (name, text) => {
  const value = number(name, text, 0, 0);
  if (value > 1) throw new Error(`--${name} is at most 1, got ${value}.`);
  return value;
};

const dropped = "share of empty prompts in the fake score's step";
export const alpha = single("alpha A", "alpha", "of the generator's loss", anyNumber);
export const contextDropout = single("context-dropout P", "contextDropout", dropped, share);
export const kappa = single("kappa K", "guidanceScale", "of the teacher, f_∅ + κ(f_c − f_∅)", anyNumber);
export const fakeKappa = single("fake-kappa K", "fakeGuidanceScale", "of the fake score beside the teacher", anyNumber);
const ofGenerator: readonly Part[] = [
  single("loss-scale S", "lossScale", "factor of the generator's loss", aboveZero),
  single("reduction HOW", "reduction", "losses over a sample's elements: sum or mean", oneOf("sum", "mean")),
];
/** Of methods whose generator learns from its own samples. */
export const ofSamples: readonly Part[] = [
  single("weight NAME", "weight", "ω of the generator's loss: l1, none, snr, …", anyName),
  ...ofGenerator,
  single("passes WHICH", "steps", "all of --steps in an iteration, or a random number", oneOf("all", "random")),
];
/** Of methods with a fake score. */
export const ofFakeScore: readonly Part[] = [
  single("fake-updates N", "fakeUpdates", "updates of the fake score per update of the generator", count(1)),
  single("fake-weight NAME", "fakeWeight", "of the fake score's error: none, eps, x0, v, …", anyName),
  single("fake-loss-scale S", "fakeLossScale", "factor of the fake score's loss", aboveZero),
];
export const ofFDistill: readonly Part[] = [
  single("divergence NAME", "divergence", fDivergences.join(", "), oneOf(...fDivergences)),
  single("bins N", "bins", "bins of time, within which ratios are divided by their mean; 0: none", count(0)),
  single("adversarial-weight W", "adversarialWeight", "of the adversarial term, 0: none", notNegative),
];
export const ofSida: readonly Part[] = [
  single("adversarial-weight W", "adversarialScale", "of the adversarial term", aboveZero),
  single("adversarial-mean HOW", "adversarialMean", "batch or sample: whose mean meets ω", oneOf("batch", "sample")),
  single("starts-at N", "startsAt", "images before the generator's first update", notNegative),
  single("adversarial-starts-at N", "adversarialStartsAt", "images before the adversarial term counts", notNegative),
];
export const discriminatorWeight = single(
  "discriminator-weight W",
  "discriminatorWeight",
  "of the discriminator's loss",
  notNegative,
);
/** Of LCM. */
export const ofImages: readonly Part[] = [
  ...ofGenerator,
  single("solver-steps N", "solverSteps", "points of the teacher's trajectory", count(1)),
];

/** What `--adversarial` of DMD2 means without a weight: that of the official run on Stable Diffusion 1.5. */
const dmd2Weight = 1e-3;

/** DMD2's discriminator, which its official run on Stable Diffusion 1.5 adds at the end. */
export const dmd2Adversarial: Part = {
  flags: [
    { name: "adversarial", text: "with a discriminator, a head on the fake score; needs --images" },
    { name: "adversarial-weight", value: "W", text: `of that term in the generator's loss (${dmd2Weight})` },
  ],
  read(values) {
    const given = textOf(values, "adversarial-weight");
    if (given === undefined) return values["adversarial"] ? { adversarialWeight: dmd2Weight } : {};
    return { adversarialWeight: positive("adversarial-weight", given, dmd2Weight) };
  },
};

/** c of a pseudo-Huber distance; 0 is the squared one, which the method calls `squared`. */
export function huber(option: "distance" | "huber", fallback: number): Part {
  return {
    flags: [{ name: "huber", value: "C", text: `pseudo-Huber distance; 0: the squared one (${fallback})` }],
    read(values) {
      const text = textOf(values, "huber");
      if (text === undefined) return {};
      const c = number("huber", text, 0, 0);
      if (option === "huber") return { huber: c === 0 ? null : c };
      return { distance: c === 0 ? "squared" : { huber: c } };
    },
  };
}

/** The range of LCM's κ. */
export function kappaRange(least: number, most: number): Part {
  return {
    flags: [
      { name: "kappa", value: "K", text: "one κ of the teacher, in place of a range" },
      { name: "kappa-min", value: "K", text: `the teacher's κ is drawn from here (${least})` },
      { name: "kappa-max", value: "K", text: `to here (${most})` },
    ],
    read(values) {
      const [one, from, to] = ["kappa", "kappa-min", "kappa-max"].map((name) => textOf(values, name));
      if (one !== undefined && (from ?? to) !== undefined)
        throw new Error("--kappa is one κ, --kappa-min and --kappa-max are a range; they do not go together.");
      if (one !== undefined) return { guidanceScales: [number("kappa", one, 1), number("kappa", one, 1)] };
      const range = [number("kappa-min", from, least), number("kappa-max", to, most)] as const;
      if (range[0] > range[1])
        throw new Error(`--kappa-min must be at most --kappa-max, got ${range[0]} and ${range[1]}.`);
      return (from ?? to) === undefined ? {} : { guidanceScales: range };
    },
  };
}

/** Ranges of t: of the generator's update, or of both updates. */
export function times(low: number, high: number, of: "generator" | "both", otherwise?: string): Part {
  const whose = of === "both" ? "times of both steps" : "times of the generator's step";
  return {
    flags: [
      { name: "t-min", value: "T", text: `${whose}, from this one (${low})` },
      { name: "t-max", value: "T", text: `up to but without this one (${otherwise ?? high})` },
    ],
    read(values) {
      const [from, to] = [textOf(values, "t-min"), textOf(values, "t-max")];
      const [min, max] = [integer("t-min", from, low, 0), integer("t-max", to, high, 1)];
      if (max <= min) throw new Error(`--t-max must be above --t-min, got ${max} and ${min}.`);
      if ((from ?? to) === undefined) return {};
      const timesteps = uniformTimesteps({ min, max });
      return of === "both" ? { timesteps, fakeTimesteps: timesteps } : { timesteps };
    },
  };
}

const strategies: Readonly<Record<string, (kappa: number) => Guidance>> = {
  lsg,
  none: noGuidance,
  long: longGuidance,
  short: shortGuidance,
  "zero-cfg": zeroCfg,
  "anti-cfg": antiCfg,
};

/** The three scales of the SiD family; without flags as `strategy` at `scale` has them. */
export function guidance(strategy: "lsg" | "zero-cfg", scale?: number): Part {
  const shown = scale === undefined ? "" : ` (${scale})`;
  return {
    flags: [
      { name: "guidance", value: "NAME", text: `${Object.keys(strategies).join(", ")} (${strategy})` },
      { name: "kappa", value: "K", text: `its scale${shown}` },
      ...["kappa1", "kappa2", "kappa4"].map((name) => ({ name, value: "K", text: "in place of the strategy's" })),
    ],
    read(values) {
      const text = (name: string) => textOf(values, name);
      const name = choice("guidance", text("guidance"), strategy, Object.keys(strategies));
      const own = text("kappa") === undefined ? scale : number("kappa", text("kappa"), 1);
      const scaled = name !== "none" && name !== "zero-cfg";
      if (!scaled && text("kappa") !== undefined)
        throw new Error(
          `--kappa: the guidance ${name} has no scale; --guidance lsg has, and --kappa1, --kappa2, --kappa4 are single ones.`,
        );
      if (scaled && own === undefined) throw new Error(`--guidance ${name} needs its scale, --kappa.`);
      const { kappa1, kappa2, kappa4 } = (strategies[name] as (kappa: number) => Guidance)(own ?? 1);
      return {
        guidance: {
          kappa1: number("kappa1", text("kappa1"), kappa1),
          kappa2: number("kappa2", text("kappa2"), kappa2),
          kappa4: number("kappa4", text("kappa4"), kappa4),
        },
      };
    },
  };
}
