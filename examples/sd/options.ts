import {
  antiCfg,
  type Guidance,
  longGuidance,
  lsg,
  noGuidance,
  shortGuidance,
  sidLsg,
  uniformTimesteps,
  zeroCfg,
} from "sid-lsg";
import { backends, choice, commandLine, integer, number, positive } from "../common/command-line";
import { projectPath, userPath, userPaths } from "../common/paths";
import type { MemoryOptions, ModelPlace } from "./model";

/** What `npm run sd:distill` was asked to do, all of it checked. */
export type DistillSettings = NonNullable<ReturnType<typeof parseDistillOptions>>;

const strategies = ["lsg", "none", "long", "short", "zero-cfg", "anti-cfg"] as const;

export const defaults = {
  out: "runs/sd",
  guidance: "lsg",
  kappa: 1.5,
  alpha: 1,
  tInit: 625,
  tMin: 20,
  tMax: 980,
  iterations: 20_000,
  batch: 512,
  learningRate: 1e-6,
  emaHalfLife: 50_000,
  emaRamp: 0.05,
  contextDropout: 0.1,
  epsilon: 1e-8,
  resolution: 512,
  snapshotEvery: 100,
  checkpointEvery: 100,
  keep: 2,
  samples: 16,
} as const;

export const usage = `npm run sd:distill -- --model DIR --prompts FILE [options]

What to distill
  --model DIR               a diffusers folder of Stable Diffusion 1.x or 2.x
  --hub OWNER/NAME[@COMMIT] the same from the Hugging Face Hub (needs @huggingface/hub)
  --variant NAME            a set of weights in it, such as fp16
  --adapter PATH            a low-rank adapter (LoRA) that becomes part of the model first: a file, or its folder
  --prompts FILE            the only data: a text with a prompt per line, JSON lines, CSV or TSV, COCO's captions
  --caption-key NAME        which key or column holds the captions (caption, prompt or text)
  --resolution N            pixels along a side, a multiple of 64 (${defaults.resolution})
  --out DIR                 where to write (${defaults.out})

Recipe
  --guidance NAME           ${strategies.join(", ")} (${defaults.guidance})
  --kappa K                 its scale (${defaults.kappa})
  --kappa1 K --kappa2 K --kappa4 K   single scales, in place of the strategy's
  --alpha A                 of the generator's loss (${defaults.alpha})
  --t-init T                time at which the generator asks its network (${defaults.tInit})
  --t-min T --t-max T       times of both steps, from T below T (${defaults.tMin}, ${defaults.tMax})
  --steps K                 network passes of the generator (1)
  --gradient-through WHICH  all or last of them (all)
  --iterations N            in all, those before a resume included (${defaults.iterations})
  --batch N                 prompts per step (${defaults.batch})
  --micro-batch N           prompts computed at a time, a divisor of the batch (1)
  --lr R --fake-lr R        step sizes of generator and fake score (${defaults.learningRate}; that of the generator)
  --loss-scale S --fake-loss-scale S  factors of both losses (1, 1)
  --beta1 B --beta2 B --epsilon E     of Adam (0, 0.999, ${defaults.epsilon})
  --context-dropout P       share of empty prompts in the fake score's step (${defaults.contextDropout})
  --ema-half-life N         images; 0 for no moving average (${defaults.emaHalfLife})
  --ema-ramp R              the half-life is at most this share of the images seen (${defaults.emaRamp})
  --seed N                  names the random numbers of the run (0)

Memory
  --backend NAME            ${backends.join(", ")} (wasm)
  --gradient-checkpointing  activations are computed again in the backward pass
  --attention-slice N       queries of attention at a time
  --backward HOW            staged or joint (staged)
  --lora-rank R             one frozen network and two adapters instead of three networks
  --lora-alpha A            scale of the adapters' changes (the rank)
  --lora-output WHAT        merged, adapter or both (both)

Running
  --resume                  go on from the last checkpoint
  --dry-run                 check everything, tell the memory, train nothing
  --checkpoint-every N      iterations (${defaults.checkpointEvery})
  --keep N                  checkpoints, the newest included; the disk needs room for one more (${defaults.keep})
  --snapshot-every N        iterations from one grid of samples to the next (${defaults.snapshotEvery})
  --samples N               pictures in such a grid (${defaults.samples})
  --help                    this text

Negative numbers are written with "=": --kappa=-1.`;

/** Reads the command line; `undefined` when it asks for help. Throws an error with a plain message for a bad one. */
export function parseDistillOptions(args: readonly string[]) {
  const text = { type: "string" } as const;
  const flag = { type: "boolean", default: false } as const;
  const values = commandLine(args, {
    ...{ model: text, hub: text, variant: text, adapter: text, prompts: text, "caption-key": text },
    ...{ resolution: text, out: text },
    ...{ guidance: text, kappa: text, kappa1: text, kappa2: text, kappa4: text, alpha: text },
    ...{ "t-init": text, "t-min": text, "t-max": text, steps: text, "gradient-through": text },
    ...{ iterations: text, batch: text, "micro-batch": text, lr: text, "fake-lr": text },
    ...{ "loss-scale": text, "fake-loss-scale": text, beta1: text, beta2: text, epsilon: text },
    ...{ "context-dropout": text, "ema-half-life": text, "ema-ramp": text, seed: text },
    ...{ backend: text, "gradient-checkpointing": flag, "attention-slice": text, backward: text },
    ...{ "lora-rank": text, "lora-alpha": text, "lora-output": text },
    ...{
      resume: flag,
      "dry-run": flag,
      "checkpoint-every": text,
      keep: text,
      "snapshot-every": text,
      samples: text,
      help: flag,
    },
  });
  if (values.help) return undefined;
  const { hub, variant } = values;
  if (values.prompts === undefined) throw new Error("--prompts must name a file with prompts.");
  const prompts = userPath("prompts", values.prompts);
  const { model, adapter, out = projectPath(defaults.out) } = userPaths(values, ["model", "adapter", "out"]);
  if (values.resume && values["dry-run"]) throw new Error("--resume and --dry-run do not go together.");
  const learningRate = positive("lr", values.lr, defaults.learningRate);
  const tMin = integer("t-min", values["t-min"], defaults.tMin, 0);
  const tMax = integer("t-max", values["t-max"], defaults.tMax, 1);
  if (tMax <= tMin) throw new Error(`--t-max must be above --t-min, got ${tMax} and ${tMin}.`);
  const contextDropout = number("context-dropout", values["context-dropout"], defaults.contextDropout, 0);
  if (contextDropout > 1) throw new Error(`--context-dropout is at most 1, got ${contextDropout}.`);
  const settings = {
    tMax,
    method: sidLsg({
      guidance: guidanceOf(values),
      alpha: number("alpha", values.alpha, defaults.alpha),
      timesteps: uniformTimesteps({ min: tMin, max: tMax }),
      lossScale: positive("loss-scale", values["loss-scale"], 1),
      fakeLossScale: positive("fake-loss-scale", values["fake-loss-scale"], 1),
      contextDropout,
    }),
    place: { model, hub, variant } satisfies ModelPlace,
    adapter,
    ...{ prompts, captionKey: values["caption-key"], out, resume: values.resume, dryRun: values["dry-run"] },
    backend: choice("backend", values.backend, "wasm", backends),
    memory: {
      gradientCheckpointing: values["gradient-checkpointing"],
      attentionSlice: optional(values["attention-slice"], (text) => integer("attention-slice", text, 1, 1)),
    } satisfies MemoryOptions,
    lora: loraOf(values),
    resolution: parseResolution(values.resolution, defaults.resolution),
    samples: integer("samples", values.samples, defaults.samples, 1),
    snapshotEvery: integer("snapshot-every", values["snapshot-every"], defaults.snapshotEvery, 1),
    checkpointEvery: integer("checkpoint-every", values["checkpoint-every"], defaults.checkpointEvery, 1),
    keep: integer("keep", values.keep, defaults.keep, 1),
    generator: {
      tInit: integer("t-init", values["t-init"], defaults.tInit, 0),
      steps: integer("steps", values.steps, 1, 1),
      gradientThrough: choice("gradient-through", values["gradient-through"], "all", ["all", "last"]),
    },
    microBatch: integer("micro-batch", values["micro-batch"], 1, 1),
    emaHalfLife: number("ema-half-life", values["ema-half-life"], defaults.emaHalfLife, 0),
    emaRamp: number("ema-ramp", values["ema-ramp"], defaults.emaRamp, 0),
    /** Options of `distill` as they are. */
    recipe: {
      iterations: integer("iterations", values.iterations, defaults.iterations, 1),
      batch: integer("batch", values.batch, defaults.batch, 1),
      learningRate,
      fakeLearningRate: positive("fake-lr", values["fake-lr"], learningRate),
      adam: {
        beta1: share("beta1", values.beta1, 0),
        beta2: share("beta2", values.beta2, 0.999),
        epsilon: positive("epsilon", values.epsilon, defaults.epsilon),
      },
      seed: integer("seed", values.seed, 0, 0),
      backward: choice("backward", values.backward, "staged", ["staged", "joint"]),
    },
  };
  const { recipe, microBatch } = settings;
  if (recipe.batch % microBatch !== 0)
    throw new Error(`--micro-batch must divide the batch of ${recipe.batch}, got ${microBatch}.`);
  return settings;
}

/** Pixels along a side. */
export function parseResolution(text: string | undefined, fallback: number): number {
  const resolution = integer("resolution", text, fallback, 64);
  if (resolution % 64 !== 0) throw new Error(`--resolution must be a multiple of 64, got ${resolution}.`);
  return resolution;
}

type Values = Readonly<Record<string, string | boolean | undefined>>;

function guidanceOf(values: Values): Guidance {
  const text = (name: string) => values[name] as string | undefined;
  const name = choice("guidance", text("guidance"), defaults.guidance, strategies);
  const kappa = number("kappa", text("kappa"), defaults.kappa);
  const strategy = {
    lsg: () => lsg(kappa),
    none: noGuidance,
    long: () => longGuidance(kappa),
    short: () => shortGuidance(kappa),
    "zero-cfg": zeroCfg,
    "anti-cfg": () => antiCfg(kappa),
  }[name]();
  return {
    kappa1: number("kappa1", text("kappa1"), strategy.kappa1),
    kappa2: number("kappa2", text("kappa2"), strategy.kappa2),
    kappa4: number("kappa4", text("kappa4"), strategy.kappa4),
  };
}

function loraOf(values: Values) {
  const text = (name: string) => values[name] as string | undefined;
  if (text("lora-rank") === undefined) {
    for (const name of ["lora-alpha", "lora-output"])
      if (text(name) !== undefined) throw new Error(`--${name} needs --lora-rank.`);
    return undefined;
  }
  const rank = integer("lora-rank", text("lora-rank"), 1, 1);
  const merged = text("adapter") !== undefined;
  const output = choice("lora-output", text("lora-output"), merged ? "merged" : "both", ["merged", "adapter", "both"]);
  if (merged && output !== "merged")
    throw new Error(
      "--adapter changes the model, so that an adapter of the result would not fit --model alone: only --lora-output merged goes with it.",
    );
  return { rank, alpha: positive("lora-alpha", text("lora-alpha"), rank), output };
}

function share(name: string, text: string | undefined, fallback: number): number {
  const value = number(name, text, fallback, 0);
  if (value >= 1) throw new Error(`--${name} must be below 1, got "${text}".`);
  return value;
}

function optional<T>(text: string | undefined, read: (text: string) => T): T | undefined {
  return text === undefined ? undefined : read(text);
}
