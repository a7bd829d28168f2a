import {
  csd,
  decoupledDmd,
  diffInstruct,
  dmd,
  dmd2,
  fDistill,
  fewStepSid,
  lcm,
  type Method,
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
import {
  alpha,
  contextDropout,
  discriminatorWeight,
  dmd2Adversarial,
  type Flag,
  fakeKappa,
  guidance,
  huber,
  kappa,
  kappaRange,
  ofFakeScore,
  ofFDistill,
  ofImages,
  ofSamples,
  ofSida,
  type Part,
  times,
  type Values,
} from "./method-options";

/** What a run takes where the command line says nothing. */
export interface Start {
  readonly tInit: number;
  readonly steps: number;
  readonly gradientThrough: "all" | "last";
  readonly batch: number;
  /** Images, by those of an update; 0 for no moving average. */
  readonly emaHalfLife: (batch: number) => number;
  /** `null` for no ramp. */
  readonly emaRamp: number | null;
  /** Which networks `--lora-rank` makes adapters. */
  readonly adapted: "both" | "fake-score";
  /** Whose features the discriminator reads, if there is one. */
  readonly reads: "bottleneck" | "fake-score" | "teacher";
  /** The last time of a fixed law of t, left out itself. */
  readonly tMax: number | undefined;
}

/** A method as the command line knows it. */
export interface MethodEntry {
  /** In a few words. */
  readonly about: string;
  /** What only some methods know. */
  readonly parts: readonly Part[];
  readonly make: (options: object) => Method;
  /** What differs from {@link usual}. */
  readonly start: Partial<Start>;
}

/** As SiD-LSG starts. */
export const usual: Start = {
  ...{ tInit: 625, steps: 1, gradientThrough: "all", batch: 512, emaHalfLife: () => 50_000, emaRamp: 0.05 },
  ...{ adapted: "both", reads: "fake-score", tMax: undefined },
};

/** Each method checks its options itself. */
function entry<O extends object>(
  make: (options: O) => Method,
  about: string,
  parts: readonly Part[],
  start: Partial<Start> = {},
): MethodEntry {
  return { about, parts, make: (options) => make(options as O), start };
}

const identity = (scales: Part): readonly Part[] => [
  ...[scales, alpha, times(20, 980, "both"), contextDropout],
  ...[...ofSamples, ...ofFakeScore],
];
const matching = [...ofSamples, ...ofFakeScore];
const until = times(20, 981, "generator");
const untilHalf = times(20, 981, "generator", "without both: up to 501 from iteration 5001 on");
/** From noise in one pass, and in four of which the last one learns. */
const [once, four] = [{ tInit: 999 }, { tInit: 999, steps: 4, gradientThrough: "last" }] as const;
const fixed = { tMax: 980 };
/** An update leaves 0.95 of the old average. */
const lcmHalfLife = (batch: number) => Math.round((batch * Math.log(0.5)) / Math.log(0.95));

/** All methods by their names. */
export const methods: Readonly<Record<string, MethodEntry>> = {
  "sid-lsg": entry(sidLsg, "score identity with long and short guidance", identity(guidance("lsg", 1.5)), fixed),
  sid: entry(sid, "score identity distillation", identity(guidance("lsg", 1)), fixed),
  "few-step-sid": entry(fewStepSid, "SiD in a few steps", identity(guidance("zero-cfg")), { ...fixed, ...four }),
  "sid-dit": entry(sidDit, "SiD for diffusion transformers", identity(guidance("lsg", 4.5)), {
    ...{ ...fixed, ...four, batch: 256, emaHalfLife: () => 0 },
  }),
  sida: entry(sida, "SiD with real images", [...identity(guidance("lsg", 1)), ...ofSida], {
    ...{ ...fixed, reads: "bottleneck" },
  }),
  sds: entry(sds, "score distillation sampling", [kappa, until, ...ofSamples]),
  csd: entry(csd, "classifier score distillation", [times(20, 501, "generator"), ...ofSamples]),
  vsd: entry(vsd, "variational score distillation", [kappa, untilHalf, ...matching], { adapted: "fake-score" }),
  "swift-brush": entry(
    swiftBrush,
    "VSD of text-to-image models",
    [kappa, fakeKappa, until, contextDropout, ...matching],
    {
      ...{ ...once, adapted: "fake-score" },
    },
  ),
  "diff-instruct": entry(diffInstruct, "KL by the difference of scores", [
    kappa,
    times(0, 1000, "generator", "without both: σ = exp N(−1.2, 1.2²)"),
    ...matching,
  ]),
  dmd: entry(dmd, "distribution matching, without its regression", [kappa, until, ...matching], once),
  dmd2: entry(
    dmd2,
    "DMD with more updates of the fake score",
    [...[kappa, until, ...matching, dmd2Adversarial, discriminatorWeight]],
    once,
  ),
  "decoupled-dmd": entry(decoupledDmd, "DMD2 with guidance at a time of its own", [kappa, until, ...matching], once),
  tdm: entry(tdm, "trajectory distribution matching", [kappa, huber("distance", 1e-3), ...matching], four),
  sim: entry(
    sim,
    "score implicit matching",
    [...[guidance("lsg", 1), huber("distance", 0), times(20, 980, "both"), contextDropout, ...matching]],
    fixed,
  ),
  "f-distill": entry(
    fDistill,
    "DMD2 by any f-divergence",
    [...[kappa, ...ofFDistill, until, ...matching, discriminatorWeight]],
    { ...once, reads: "teacher" },
  ),
  lcm: entry(lcm, "latent consistency, without a fake score", [kappaRange(6, 16), huber("huber", 0), ...ofImages], {
    ...{ ...four, emaHalfLife: lcmHalfLife, emaRamp: null },
  }),
};

const names = Object.keys(methods);

/** The method of that name. Throws an error with a plain message where there is none. */
export function methodNamed(name: string): MethodEntry {
  if (Object.hasOwn(methods, name)) return methods[name] as MethodEntry;
  const like = nearest(name, names);
  const way = like === undefined ? "" : ` did you mean ${like}?`;
  throw new Error(`--method: there is no "${name}";${way} There are ${names.join(", ")}.`);
}

/** What `--method` calls a method, by the name that checkpoints know. */
export function commandName(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** A method's flags. */
export function flagsOf({ parts }: MethodEntry): readonly Flag[] {
  return parts.flatMap((part) => part.flags);
}

/** The flags of all methods, for the reader of the command line. */
export const methodFlags = Object.fromEntries(
  Object.values(methods).flatMap((method) =>
    flagsOf(method).map(({ name, value }) => [name, { type: value === undefined ? "boolean" : "string" }] as const),
  ),
) as Readonly<Record<string, { readonly type: "boolean" | "string" }>>;

/** The method with what the command line says. Throws for a flag that it has not, naming the methods that have it. */
export function methodOf(name: string, values: Values): Method {
  const { parts, make } = methodNamed(name);
  const has = (method: MethodEntry, flag: string) => flagsOf(method).some((own) => own.name === flag);
  for (const flag of Object.keys(methodFlags)) {
    if (values[flag] === undefined || has(methodNamed(name), flag)) continue;
    const others = names.filter((other) => has(methods[other] as MethodEntry, flag));
    throw new Error(
      `--${flag}: the method ${name} has no such option; ${others.join(", ")} ${others.length === 1 ? "has" : "have"} it.`,
    );
  }
  return make(Object.assign({}, ...parts.map((part) => part.read(values))));
}
