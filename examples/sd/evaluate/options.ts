import type { InceptionProtocol } from "sid-lsg/models/features";
import { backends, choice, commandLine, fmaOf, integer } from "../../common/command-line";
import { projectPath, userPath, userPaths } from "../../common/paths";
import { parseRanks, sharingFlags } from "../../common/ranks";
import { type GenerateSettings, parseGenerateOptions } from "../generate-options";
import type { Shard } from "./set";

/** What `npm run sd:evaluate` was asked to do, all of it checked. */
export type EvaluateSettings = NonNullable<ReturnType<typeof parseEvaluateOptions>>;

const protocols: readonly InceptionProtocol[] = ["pytorch-fid", "clean-fid", "tensorflow"];
/** Pixels of a side: 200 MB a picture. */
const largestSize = 8192;
/** The words that the evaluation of SiD-LSG puts before captions. */
const usualPrefix = "A photo depicts ";

export const usage = `npm run sd:evaluate -- PICTURES JUDGES [--reference REAL] [options]

PICTURES are one of  --model DIR --prompts FILE,  --images DIR,  --merge DIR --merge DIR …
JUDGES are one or both of  --network FILE,  --clip DIR  (--merge: what the shards had)
docs/evaluation.md says what the figures mean, where they mislead and how to get the paper's.

A picture of each caption, caption i with a seed of its own, and what feature networks say of them all
  --model, --hub, --variant, --adapter, --prompts, --caption-key, --first, --steps, --t-init, --ddim,
  --guidance-scale, --resolution, --batch               as sd:generate has them
  --seed-offset N           the first caption's seed, the next one's is one more (0)
or pictures that are there
  --images DIR              PNG or JPEG, with captions as sd:distill reads them (for --clip)

  --size N                  all pictures, the real ones too, are cut to their middle and resized to N pixels by
                            Pillow's Lanczos before anything looks at them (as they are; the paper has 256)

What looks at them
  --network FILE|DIR        weights of FID's Inception v3 or of EfficientNet-Lite0, .pth as published or safetensors;
                            or a folder of CLIP, whose image tower gives the features
  --protocol NAME           how Inception is fed: ${protocols.join(", ")} (pytorch-fid)
  --clip DIR                a folder of CLIP (transformers or OpenCLIP), for CLIP score and retrieval
  --clip-prefix TEXT        stands before each caption ("${usualPrefix}")

What they are compared with
  --reference PATH          statistics (.npz with mu and sigma), a folder of real pictures, or one that was evaluated
  --sample N                KID, precision and recall look at so many pictures of each, evenly spread; 0: none (10000)
  --nearest K               precision and recall: a ball reaches to the K-th neighbour (5)

  --shard I/N               captions I, I + N, …, to be merged later
  --merge DIR               a finished shard's folder; give all of them, and no pictures
  --distributed mpi         the ranks that mpirun or srun started share the pictures; see docs/distributed.md
  --gpu-per-rank            each rank of a machine its own GPU, on node-gpu
  --backend NAME            ${backends.join(", ")} (wasm)
  --no-fma                  the same bits on every machine: wasm without fused multiply-adds
  --out DIR                 where to write (runs/sd-evaluation)
  --resume                  go on where the folder's evaluation stopped
  --help                    this text`;

/** Options that are sd:generate's. */
const generating = [
  ...(["model", "hub", "variant", "adapter", "prompts", "caption-key", "first", "steps", "t-init"] as const),
  ...(["ddim", "guidance-scale", "resolution", "backend", "batch"] as const),
] as const;

/** Reads the command line; `undefined` when it asks for help. Throws an error with a plain message for a bad one. */
export function parseEvaluateOptions(args: readonly string[]) {
  const text = { type: "string" } as const;
  const flag = { type: "boolean", default: false } as const;
  const values = commandLine(args, {
    ...{ model: text, hub: text, variant: text, adapter: text, prompts: text, "caption-key": text, first: text },
    ...{
      steps: text,
      "t-init": text,
      ddim: text,
      "guidance-scale": text,
      resolution: text,
      backend: text,
      batch: text,
    },
    ...{ "seed-offset": text, images: text, network: text, protocol: text, clip: text, "clip-prefix": text },
    ...{ reference: text, size: text, sample: text, nearest: text, shard: text },
    merge: { type: "string", multiple: true },
    ...{ "no-fma": flag, out: text, resume: flag, ...sharingFlags, help: flag },
  });
  if (values.help) return undefined;
  const { merge } = values;
  const paths = userPaths(values, ["network", "clip", "reference", "images", "out"]);
  const { network, clip, reference, images, out = projectPath("runs/sd-evaluation") } = paths;
  const whole = (name: "first" | "size", least: number) =>
    values[name] === undefined ? undefined : integer(name, values[name], 0, least);
  const size = whole("size", 1);
  if (size !== undefined && size > largestSize)
    throw new Error(`--size must be at most ${largestSize} pixels, got "${values.size}".`);
  const source = sourceOf(values, images, merge);
  if (merge === undefined && network === undefined && clip === undefined)
    throw new Error("What is to look at the pictures: wanted --network FILE, --clip DIR, or both.");
  if (merge === undefined && reference !== undefined && network === undefined)
    throw new Error("--reference needs --network, whose features are compared.");
  for (const name of ["clip-prefix", "caption-key"] as const)
    if (images !== undefined && values[name] !== undefined && clip === undefined)
      throw new Error(`--${name} needs --clip.`);
  if (network === undefined && values.protocol !== undefined) throw new Error("--protocol needs --network.");
  if (merge !== undefined && (clip !== undefined || values.shard !== undefined))
    throw new Error(`--merge: the shards have what ${clip === undefined ? "--shard" : "--clip"} said; leave it out.`);
  if (values.shard !== undefined && reference !== undefined)
    throw new Error("--shard: figures are of the merged whole; give --reference to --merge.");
  const backend = choice("backend", values.backend, "wasm", backends);
  const ranks = parseRanks(values, backend);
  if (ranks && (merge !== undefined || values.shard !== undefined))
    throw new Error(
      merge === undefined
        ? "--shard: with --distributed each rank takes its own; leave it out."
        : "--merge is one program's work; leave out --distributed, which merges by itself.",
    );
  return {
    ...{ source, network, clip, reference, out, resume: values.resume, ranks },
    merge: merge?.map((path) => userPath("merge", path)),
    captionKey: values["caption-key"],
    first: whole("first", 2),
    clipPrefix: values["clip-prefix"] ?? usualPrefix,
    protocol: values.protocol === undefined ? undefined : choice("protocol", values.protocol, "pytorch-fid", protocols),
    size,
    seedOffset: integer("seed-offset", values["seed-offset"], 0, 0),
    sample: integer("sample", values.sample, 10_000, 0),
    nearest: integer("nearest", values.nearest, 5, 1),
    batch: integer("batch", values.batch, 1, 1),
    ...{ backend, arithmetic: fmaOf(values) },
    shard: parseShard(values.shard),
  };
}

/** Where the pictures come from. */
export type SourceSettings =
  | { readonly kind: "generator"; readonly settings: GenerateSettings }
  | { readonly kind: "images"; readonly folder: string }
  | { readonly kind: "shards" };

function sourceOf(
  values: Readonly<Partial<Record<string, unknown>>>,
  images: string | undefined,
  merge: readonly string[] | undefined,
): SourceSettings {
  const given = [values["prompts"] ?? values["model"] ?? values["hub"], images, merge].filter((x) => x !== undefined);
  if (given.length !== 1)
    throw new Error("Which pictures: wanted one of --model DIR with --prompts FILE, --images DIR, and --merge DIR.");
  const ofImages: readonly string[] = images === undefined ? [] : ["first", "caption-key"];
  const kept: readonly string[] = ["backend", "batch", ...ofImages];
  const others = [...generating.filter((name) => !kept.includes(name)), "seed-offset"];
  if (merge !== undefined) others.push("size");
  if (values["prompts"] === undefined && given[0] !== images && given[0] !== merge)
    throw new Error("--prompts: wanted the captions, a picture of each.");
  for (const name of images !== undefined || merge !== undefined ? others : [])
    if (values[name] !== undefined)
      throw new Error(
        `--${name} is for pictures that are drawn; --${images === undefined ? "merge" : "images"} takes none.`,
      );
  if (images !== undefined) return { kind: "images", folder: images };
  if (merge !== undefined) return { kind: "shards" };
  const args = generating.flatMap((name) => (values[name] === undefined ? [] : [`--${name}=${values[name]}`]));
  return { kind: "generator", settings: parseGenerateOptions(args) as GenerateSettings };
}

function parseShard(text: string | undefined): Shard {
  if (text === undefined) return { index: 1, of: 1 };
  const [, index, of] = /^(\d+)\/(\d+)$/.exec(text.trim())?.map(Number) ?? [];
  if (index === undefined || of === undefined || index < 1 || index > of || !Number.isSafeInteger(of))
    throw new Error(`--shard must be I/N with I from 1 to N, such as 1/4, got "${text}".`);
  return { index, of };
}
