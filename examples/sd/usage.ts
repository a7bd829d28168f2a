import type { Method } from "sid-lsg";
import { backends } from "../common/command-line";
import type { Flag } from "./method-options";
import { flagsOf, methodNamed, methods, type Start, usual } from "./methods";
import { needsOf } from "./needs";
import { defaults } from "./options";

/** What `--help --method NAME` prints. */
export function usageOf(name: string): string {
  const entry = methodNamed(name);
  const method = entry.make({});
  const start: Start = { ...usual, ...entry.start };
  const { recipe = {} } = method;
  const { learningRate = 1e-6, fakeLearningRate, beta1 = 0, beta2 = 0.999, weightDecay = 0, clipNorm } = recipe;
  return `npm run sd:distill -- --model DIR --prompts FILE [--method NAME] [options]

What to distill
  --model DIR               a diffusers folder of Stable Diffusion 1.x or 2.x
  --hub OWNER/NAME[@COMMIT] the same from the Hugging Face Hub (needs @huggingface/hub)
  --variant NAME            a set of weights in it, such as fp16
  --adapter PATH            a low-rank adapter (LoRA) that becomes part of the model first: a file, or its folder
  --prompts FILE            a text with a prompt per line, JSON lines, CSV or TSV, COCO's captions
  --caption-key NAME        which key or column holds the captions (caption, prompt or text)
  --images DIR              PNG or JPEG pictures with captions, for methods that learn from real images
  --image-caption-key NAME  which key or column of their metadata holds the captions (text, caption or prompt)
  --resolution N            pixels along a side, a multiple of 64 (${defaults.resolution})
  --out DIR                 where to write (${defaults.out})

Method
  --method NAME             (${defaults.method}) with --help: its options and their defaults
${Object.entries(methods).map(methodLine).join("\n")}

Options of ${name}${needs(method)}
${flagsOf(entry)
  .map((flag) => flagLine(flag, method))
  .join("\n")}

Recipe, with the defaults of ${name}
  --t-init T                time at which the generator asks its network (${start.tInit})
  --steps K                 network passes of the generator (${start.steps})
  --gradient-through WHICH  all or last of them (${start.gradientThrough})
  --iterations N            in all, those before a resume included (${defaults.iterations})
  --batch N                 images per step (${start.batch})
  --micro-batch N           images computed at a time, by all ranks together, a divisor of the batch (1 a rank)
  --lr R --fake-lr R        step sizes of generator and fake score (${learningRate}; ${fakeLearningRate ?? "that of the generator"})
  --beta1 B --beta2 B --epsilon E     of Adam (${beta1}, ${beta2}, ${defaults.epsilon})
  --weight-decay D          of AdamW (${weightDecay})
  --clip-norm R             longest gradient (${clipNorm ?? "none"})
  --ema-half-life N         images; 0 for no moving average (${start.emaHalfLife(start.batch)})
  --ema-ramp R              the half-life is at most this share of the images seen, or none (${start.emaRamp ?? "none"})
  --discriminator-reads WHO where there is one: bottleneck, fake-score or teacher (${start.reads})
  --seed N                  names the random numbers of the run (0)

Memory
  --backend NAME            ${backends.join(", ")} (wasm)
  --no-fma                  the same bits on every machine: wasm without fused multiply-adds
  --gradient-checkpointing  activations are computed again in the backward pass
  --attention-slice N       queries of attention at a time
  --frozen-weights f16      two bytes a weight for teacher, text encoder and VAE, on webgpu
  --backward HOW            staged or joint (staged)
  --lora-rank R             one frozen network and adapters instead of networks of their own
  --lora-networks WHICH     both, or fake-score: the generator stays a whole network (${start.adapted})
  --lora-alpha A            scale of the adapters' changes (the rank)
  --lora-output WHAT        merged, adapter or both (both)

Running
  --resume                  go on from the last checkpoint
  --resume-if-present       the same where there is one, else begin: for jobs that are stopped and started again
  --allow-other-arithmetic  also where it was computed with fused multiply-adds and goes on without, or the other way round
  --dry-run                 check everything, tell the memory, train nothing
  --checkpoint-every N      iterations (${defaults.checkpointEvery})
  --keep N                  checkpoints, the newest included; the disk needs room for one more (${defaults.keep})
  --snapshot-every N        iterations from one grid of samples to the next (${defaults.snapshotEvery})
  --samples N               pictures in such a grid (${defaults.samples})
  --distributed mpi         one run on all ranks that mpirun or srun started; see docs/distributed.md
  --check-ranks N           iterations from one comparison of the ranks' weights to the next (100)
  --rank-timeout SECONDS    a rank that the others wait for so long is lost; more than rank 0 alone needs for a checkpoint,
                            samples and the result (300)
  --shard-optimizer         each rank keeps the optimisers' moments of its part of the weights only
  --gpu-per-rank            each rank of a machine its own GPU, on node-gpu
  --help                    this text

Negative numbers are written with "=": --kappa=-1.`;
}

function methodLine([name, { about }]: readonly [string, { readonly about: string }]): string {
  return `    ${name.padEnd(22)}  ${about}`;
}

/** In a few words: which of images and discriminator a method needs. */
function needs(method: Method): string {
  const { images, discriminator } = needsOf(method);
  if (!images) return "";
  return discriminator ? ": it has a discriminator and needs --images" : ": it needs --images";
}

function flagLine({ name, value, text, option }: Flag, { settings }: Method): string {
  const flag = value === undefined ? `--${name}` : `--${name} ${value}`;
  const setting = option === undefined ? undefined : settings[option];
  return `  ${flag.padEnd(25)} ${text}${setting === undefined ? "" : ` (${settingText(setting)})`}`;
}

/** A setting in a line of text. */
export function settingText(value: unknown): string {
  if (value === "default") return "the method's own";
  if (typeof value !== "object" || value === null) return String(value);
  if (Array.isArray(value)) return value.join(" … ");
  return Object.entries(value)
    .map(([name, part]) => `${name} ${settingText(part)}`)
    .join(", ");
}
