import type { Method } from "sid-lsg";
import { backends, choice, commandLine, fmaOf, integer, number, positive } from "../common/command-line";
import { projectPath, userPath, userPaths } from "../common/paths";
import { parseRanks, rankFlags } from "../common/ranks";
import { textOf, type Values } from "./method-options";
import { methodFlags, methodNamed, methodOf, type Start, usual } from "./methods";
import type { MemoryOptions, ModelPlace } from "./model";
import { needsOf } from "./needs";

/** What `npm run sd:distill` was asked to do, all of it checked. */
export type DistillSettings = ReturnType<typeof parseDistillOptions>;

export const defaults = {
  out: "runs/sd",
  method: "sid-lsg",
  iterations: 20_000,
  epsilon: 1e-8,
  resolution: 512,
  snapshotEvery: 100,
  checkpointEvery: 100,
  keep: 2,
  samples: 16,
} as const;

const text = { type: "string" } as const;
const flag = { type: "boolean", default: false } as const;

/** The flags of every method's runs. */
const runFlags = {
  ...{ method: text, model: text, hub: text, variant: text, adapter: text, prompts: text, "caption-key": text },
  ...{ images: text, "image-caption-key": text, resolution: text, out: text },
  ...{ "t-init": text, steps: text, "gradient-through": text },
  ...{ iterations: text, batch: text, "micro-batch": text, lr: text, "fake-lr": text },
  ...{ beta1: text, beta2: text, epsilon: text, "weight-decay": text, "clip-norm": text },
  ...{ "ema-half-life": text, "ema-ramp": text, seed: text },
  ...{ backend: text, "no-fma": flag, "gradient-checkpointing": flag, "attention-slice": text, backward: text },
  "frozen-weights": text,
  ...{ "lora-rank": text, "lora-alpha": text, "lora-output": text, "lora-networks": text, "discriminator-reads": text },
  ...{
    resume: flag,
    "resume-if-present": flag,
    "allow-other-arithmetic": flag,
    "dry-run": flag,
    "checkpoint-every": text,
    keep: text,
    "snapshot-every": text,
    samples: text,
  },
  ...rankFlags,
  help: flag,
} as const;

/** The method whose `--help` is wanted, if that is all that the command line asks for. */
export function helpWanted(args: readonly string[]): string | undefined {
  const { help, method = defaults.method } = commandLine(args, { ...methodFlags, ...runFlags });
  if (!help) return undefined;
  methodNamed(method);
  return method;
}

/** Reads the command line. Throws an error with a plain message for a bad one. */
export function parseDistillOptions(args: readonly string[]) {
  const values = commandLine(args, { ...methodFlags, ...runFlags });
  const { hub, variant, method: name = defaults.method } = values;
  const start: Start = { ...usual, ...methodNamed(name).start };
  const method = methodOf(name, values);
  if (values.prompts === undefined) throw new Error("--prompts must name a file with prompts.");
  const prompts = userPath("prompts", values.prompts);
  const { model, adapter, out = projectPath(defaults.out) } = userPaths(values, ["model", "adapter", "out"]);
  const resume = resumeOf(values);
  const { recipe = {} } = method;
  const given = values.lr === undefined ? undefined : positive("lr", values.lr, 1);
  const learningRate = given ?? recipe.learningRate ?? 1e-6;
  const batch = integer("batch", values.batch, start.batch, 1);
  const backend = choice("backend", values.backend, "wasm", backends);
  const ranks = parseRanks(values, backend);
  const size = ranks?.size ?? 1;
  const settings = {
    name,
    method,
    tMax: lastTime(values, start),
    ...averageOf(name, method, { values, start, batch }),
    ...imagesOf(name, method, { values, start }),
    place: { model, hub, variant } satisfies ModelPlace,
    adapter,
    ...{ prompts, captionKey: values["caption-key"], out, resume, dryRun: values["dry-run"] },
    ...{ backend, ranks },
    arithmetic: fmaOf(values),
    allowOtherArithmetic: values["allow-other-arithmetic"],
    memory: {
      gradientCheckpointing: values["gradient-checkpointing"],
      attentionSlice: optional(values["attention-slice"], (text) => integer("attention-slice", text, 1, 1)),
    } satisfies MemoryOptions,
    frozenWeights: choice("frozen-weights", values["frozen-weights"], "f32", ["f32", "f16"]),
    lora: loraOf(name, method, { values, start }),
    resolution: parseResolution(values.resolution, defaults.resolution),
    samples: integer("samples", values.samples, defaults.samples, 1),
    snapshotEvery: integer("snapshot-every", values["snapshot-every"], defaults.snapshotEvery, 1),
    checkpointEvery: integer("checkpoint-every", values["checkpoint-every"], defaults.checkpointEvery, 1),
    keep: integer("keep", values.keep, defaults.keep, 1),
    generator: {
      tInit: integer("t-init", values["t-init"], start.tInit, 0),
      steps: integer("steps", values.steps, start.steps, 1),
      gradientThrough: choice("gradient-through", values["gradient-through"], start.gradientThrough, ["all", "last"]),
    },
    microBatch: integer("micro-batch", values["micro-batch"], size, 1),
    /** Options of `distill` as they are. */
    recipe: {
      iterations: integer("iterations", values.iterations, defaults.iterations, 1),
      batch,
      learningRate,
      fakeLearningRate: positive("fake-lr", values["fake-lr"], given ?? recipe.fakeLearningRate ?? learningRate),
      adam: {
        beta1: share("beta1", values.beta1, recipe.beta1 ?? 0),
        beta2: share("beta2", values.beta2, recipe.beta2 ?? 0.999),
        epsilon: positive("epsilon", values.epsilon, defaults.epsilon),
        weightDecay: optional(values["weight-decay"], (text) => number("weight-decay", text, 0, 0)),
        clipNorm: optional(values["clip-norm"], (text) => positive("clip-norm", text, 1)),
      },
      seed: integer("seed", values.seed, 0, 0),
      backward: choice("backward", values.backward, "staged", ["staged", "joint"]),
    },
  };
  const { microBatch } = settings;
  if (batch % microBatch !== 0) throw new Error(`--micro-batch must divide the batch of ${batch}, got ${microBatch}.`);
  if (microBatch % size !== 0)
    throw new Error(
      `--micro-batch is computed by ${size} ranks together, so it must be a multiple of ${size}, got ${microBatch}.`,
    );
  return settings;
}

/** Whether the run goes on from a checkpoint, as `distill` wants it. */
function resumeOf(values: Values): boolean | "if-present" {
  const [first, second] = ["resume", "resume-if-present", "dry-run"].filter((name) => values[name]);
  if (second !== undefined) throw new Error(`--${first} and --${second} do not go together.`);
  return first === "resume-if-present" ? "if-present" : first === "resume";
}

/** Pixels along a side. */
export function parseResolution(text: string | undefined, fallback: number): number {
  const resolution = integer("resolution", text, fallback, 64);
  if (resolution % 64 !== 0) throw new Error(`--resolution must be a multiple of 64, got ${resolution}.`);
  return resolution;
}

interface Said {
  readonly values: Values;
  readonly start: Start;
}

/** The end of a law of t that does not follow the model's schedule. */
function lastTime(values: Values, { tMax }: Start): number | undefined {
  return optional(textOf(values, "t-max"), (text) => integer("t-max", text, 1, 1)) ?? tMax;
}

/** The moving average; a method that learns from it cannot do without. */
function averageOf(name: string, method: Method, { values, start, batch }: Said & { readonly batch: number }) {
  const [halfLife, ramp] = [textOf(values, "ema-half-life"), textOf(values, "ema-ramp")];
  const emaHalfLife = number("ema-half-life", halfLife, start.emaHalfLife(batch), 0);
  if (emaHalfLife === 0 && needsOf(method).average)
    throw new Error(`--ema-half-life: ${name} compares the generator with its moving average, so it must be above 0.`);
  const emaRamp = ramp === undefined ? start.emaRamp : ramp === "none" ? null : number("ema-ramp", ramp, 0, 0);
  return { emaHalfLife, emaRamp };
}

/** Real images and the discriminator, for methods that learn from them. */
function imagesOf(name: string, method: Method, { values, start }: Said) {
  const { images: needed, discriminator } = needsOf(method);
  const reads = textOf(values, "discriminator-reads");
  if (reads !== undefined && !discriminator)
    throw new Error(`--discriminator-reads: the method ${name} has no discriminator.`);
  const own = choice("discriminator-reads", reads, start.reads, ["bottleneck", "fake-score", "teacher"]);
  const folder = textOf(values, "images");
  if (needed && folder === undefined)
    throw new Error(
      `The method ${name} ${discriminator ? "has a discriminator, which learns" : "learns"} from real images: --images must name a folder of PNG or JPEG pictures with captions.`,
    );
  for (const flag of ["images", "image-caption-key"])
    if (!needed && textOf(values, flag) !== undefined)
      throw new Error(`--${flag}: the method ${name} learns from prompts alone and looks at no image; leave it out.`);
  return {
    images: folder === undefined ? undefined : userPath("images", folder),
    imageCaptionKey: textOf(values, "image-caption-key"),
    discriminator: discriminator ? own : undefined,
  };
}

function loraOf(name: string, method: Method, { values, start }: Said) {
  const text = (name: string) => textOf(values, name);
  if (text("lora-rank") === undefined) {
    for (const name of ["lora-alpha", "lora-output", "lora-networks"])
      if (text(name) !== undefined) throw new Error(`--${name} needs --lora-rank.`);
    return undefined;
  }
  const rank = integer("lora-rank", text("lora-rank"), 1, 1);
  const networks = choice("lora-networks", text("lora-networks"), start.adapted, ["both", "fake-score"]);
  const whole = networks === "fake-score";
  if (whole && !needsOf(method).fakeScore)
    throw new Error(`--lora-networks fake-score: the method ${name} has no fake score.`);
  const merged = whole || text("adapter") !== undefined;
  const output = choice("lora-output", text("lora-output"), merged ? "merged" : "both", ["merged", "adapter", "both"]);
  if (merged && output !== "merged")
    throw new Error(
      whole
        ? `--lora-networks fake-score leaves the generator a whole network: only --lora-output merged goes with it.`
        : "--adapter changes the model, so that an adapter of the result would not fit --model alone: only --lora-output merged goes with it.",
    );
  return { rank, alpha: positive("lora-alpha", text("lora-alpha"), rank), output, networks };
}

function share(name: string, text: string | undefined, fallback: number): number {
  const value = number(name, text, fallback, 0);
  if (value >= 1) throw new Error(`--${name} must be below 1, got "${text}".`);
  return value;
}

function optional<T>(text: string | undefined, read: (text: string) => T): T | undefined {
  return text === undefined ? undefined : read(text);
}
