import { parseArgs } from "node:util";
import { backends, choice, integer, number } from "../common/command-line";
import { projectPath, userPaths } from "../common/paths";
import { parseResolution } from "./options";

/** What `npm run sd:generate` was asked to do, all of it checked. */
export type GenerateSettings = NonNullable<ReturnType<typeof parseGenerateOptions>>;

export const usage = `npm run sd:generate -- --model DIR --prompt TEXT [options]

  --model DIR               a diffusers folder: a distilled generator, or a teacher
  --hub OWNER/NAME[@COMMIT] the same from the Hugging Face Hub (needs @huggingface/hub)
  --variant NAME            a set of weights in it, such as fp16
  --adapter PATH            a low-rank adapter (LoRA) of the model: a file of diffusers, PEFT or kohya-ss, or its folder
  --prompt TEXT             may be given several times
  --prompts FILE            a prompt per line
  --seeds N[,N...]          a picture of each prompt per seed (0)
  --steps K --t-init T      passes and time of a generator (as it was trained; else 1 and 625)
  --ddim N                  sample a teacher with DDIM in N steps instead
  --guidance-scale K        guidance of DDIM (7.5)
  --resolution N            pixels along a side, a multiple of 64 (512)
  --backend NAME            ${backends.join(", ")} (wasm)
  --out DIR                 where to write (runs/sd-pictures)
  --help                    this text`;

/** Reads the command line; `undefined` when it asks for help. Throws an error with a plain message for a bad one. */
export function parseGenerateOptions(args: readonly string[]) {
  const text = { type: "string" } as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...{ model: text, hub: text, variant: text, adapter: text, prompts: text, seeds: text },
      prompt: { type: "string", multiple: true },
      ...{ steps: text, "t-init": text, ddim: text, "guidance-scale": text },
      ...{ resolution: text, backend: text, out: text, help: { type: "boolean", default: false } },
    },
  });
  if (values.help) return undefined;
  const { hub, variant, prompt, ddim, seeds = "0" } = values;
  const paths = userPaths(values, ["model", "adapter", "prompts", "out"]);
  const { model, adapter, prompts, out = projectPath("runs/sd-pictures") } = paths;
  if ((prompt === undefined) === (prompts === undefined))
    throw new Error("What to draw: wanted one of --prompt TEXT and --prompts FILE.");
  for (const name of ["steps", "t-init"] as const)
    if (ddim !== undefined && values[name] !== undefined) throw new Error(`--ddim and --${name} do not go together.`);
  if (ddim === undefined && values["guidance-scale"] !== undefined) throw new Error("--guidance-scale needs --ddim.");
  const whole = (name: "steps" | "t-init", least: number) =>
    values[name] === undefined ? undefined : integer(name, values[name], 0, least);
  return {
    ...{ place: { model, hub, variant }, adapter, prompt, prompts, out },
    seeds: seeds.split(",").map((seed) => integer("seeds", seed, 0, 0)),
    ...{ steps: whole("steps", 1), tInit: whole("t-init", 0) },
    ddim: ddim === undefined ? undefined : integer("ddim", ddim, 0, 1),
    guidanceScale: number("guidance-scale", values["guidance-scale"], 7.5),
    resolution: parseResolution(values.resolution, 512),
    backend: choice("backend", values.backend, "wasm", backends),
  };
}
