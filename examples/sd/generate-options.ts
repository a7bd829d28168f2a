import { backends, choice, commandLine, fmaOf, integer, number } from "../common/command-line";
import { projectPath, userPaths } from "../common/paths";
import { parseResolution } from "./options";
import { parseSeeds } from "./seeds";

/** What `npm run sd:generate` was asked to do, all of it checked. */
export type GenerateSettings = NonNullable<ReturnType<typeof parseGenerateOptions>>;

/** A larger grid is no picture to look at, and takes memory. */
const mostInGrid = 256;

export const usage = `npm run sd:generate -- --model DIR --prompt TEXT [options]

  --model DIR               a diffusers folder: a distilled generator, or a teacher
  --hub OWNER/NAME[@COMMIT] the same from the Hugging Face Hub (needs @huggingface/hub)
  --variant NAME            a set of weights in it, such as fp16
  --adapter PATH            a low-rank adapter (LoRA) of the model: a file of diffusers, PEFT or kohya-ss, or its folder
  --prompt TEXT             may be given several times
  --prompts FILE            a text with a prompt per line, JSON lines, CSV or TSV with a header, COCO's captions
  --caption-key NAME        which key or column holds the captions (caption, prompt or text)
  --first N                 only so many of the prompts
  --seeds LIST              a picture of each prompt per seed, such as 0-3 or 1,2,5-10 (0)
  --seed-per-prompt         a picture of each prompt, with its own seed (0, 1, 2, …, or as many --seeds as prompts)
  --steps K --t-init T      passes and time of a generator (as it was trained; else 1 and 625)
  --ddim N                  sample a teacher with DDIM in N steps instead
  --guidance-scale K        guidance of DDIM (7.5)
  --resolution N            pixels along a side, a multiple of 64 (512)
  --backend NAME            ${backends.join(", ")} (wasm)
  --no-fma                  the same bits on every machine: wasm without fused multiply-adds
  --out DIR                 where to write (runs/sd-pictures)
  --skip-existing           go on with a job that was stopped: draw what is not in the folder
  --batch N                 pictures computed at a time; the pictures stay the same (1)
  --grid N                  grid.png shows the first N pictures, at most ${mostInGrid}; 0 for none (64)
  --help                    this text`;

/** Reads the command line; `undefined` when it asks for help. Throws an error with a plain message for a bad one. */
export function parseGenerateOptions(args: readonly string[]) {
  const text = { type: "string" } as const;
  const flag = { type: "boolean", default: false } as const;
  const values = commandLine(args, {
    ...{ model: text, hub: text, variant: text, adapter: text, prompts: text, "caption-key": text },
    ...{ first: text, seeds: text, "seed-per-prompt": flag, "skip-existing": flag, batch: text, grid: text },
    prompt: { type: "string", multiple: true },
    ...{ steps: text, "t-init": text, ddim: text, "guidance-scale": text },
    ...{ resolution: text, backend: text, "no-fma": flag, out: text, help: flag },
  });
  if (values.help) return undefined;
  const { hub, variant, prompt, ddim, seeds } = values;
  const paths = userPaths(values, ["model", "adapter", "prompts", "out"]);
  const { model, adapter, prompts, out = projectPath("runs/sd-pictures") } = paths;
  if ((prompt === undefined) === (prompts === undefined))
    throw new Error("What to draw: wanted one of --prompt TEXT and --prompts FILE.");
  if (prompts === undefined && values["caption-key"] !== undefined)
    throw new Error("--caption-key needs --prompts FILE.");
  for (const name of ["steps", "t-init"] as const)
    if (ddim !== undefined && values[name] !== undefined) throw new Error(`--ddim and --${name} do not go together.`);
  if (ddim === undefined && values["guidance-scale"] !== undefined) throw new Error("--guidance-scale needs --ddim.");
  const whole = (name: "steps" | "t-init", least: number) =>
    values[name] === undefined ? undefined : integer(name, values[name], 0, least);
  return {
    ...{ place: { model, hub, variant }, adapter, prompt, prompts, captionKey: values["caption-key"], out },
    seeds: seeds === undefined ? undefined : parseSeeds(seeds),
    ...{ seedPerPrompt: values["seed-per-prompt"], skipExisting: values["skip-existing"] },
    first: values.first === undefined ? undefined : integer("first", values.first, 0, 1),
    batch: integer("batch", values.batch, 1, 1),
    grid: gridOf(values.grid),
    ...{ steps: whole("steps", 1), tInit: whole("t-init", 0) },
    ddim: ddim === undefined ? undefined : integer("ddim", ddim, 0, 1),
    guidanceScale: number("guidance-scale", values["guidance-scale"], 7.5),
    resolution: parseResolution(values.resolution, 512),
    backend: choice("backend", values.backend, "wasm", backends),
    arithmetic: fmaOf(values),
  };
}

function gridOf(text: string | undefined): number {
  const grid = integer("grid", text, 64, 0);
  if (grid > mostInGrid) throw new Error(`--grid is at most ${mostInGrid}, got "${text}".`);
  return grid;
}
