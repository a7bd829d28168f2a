/** `npm run sd:generate`: draws prompts in one step with a distilled generator, or with DDIM from a teacher. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Tensor } from "@tensorflow/tfjs-core";
import { randomStream } from "sid-lsg";
import { useBackend } from "sid-lsg/backends";
import { writeFileAtomic } from "sid-lsg/io";
import { ddimSample, generatorFrom, type ScoreModel, type TextConditioner } from "sid-lsg/models";
import { lora } from "sid-lsg/models/sd";
import { makeFolder } from "../common/folders";
import { lockFolder } from "../common/lock";
import { shown } from "../common/paths";
import { runProgram } from "../common/program";
import { startProgress } from "../common/progress";
import { adapterFolder, readAdapter } from "./adapter";
import { type GenerateSettings, parseGenerateOptions, usage } from "./generate-options";
import { arrange, decodePicture, encodePicture } from "./grid";
import { type OpenModel, openModel } from "./model";
import { readPrompts } from "./prompts";
import { settingsFile } from "./result";

await runProgram(async () => {
  const settings = parseGenerateOptions(process.argv.slice(2));
  if (settings) await generate(settings);
  else console.log(usage);
});

async function generate(settings: GenerateSettings): Promise<void> {
  const { out, seeds, resolution, adapter } = settings;
  const prompts = settings.prompt ?? readPrompts(settings.prompts as string);
  const model = await openModel(settings.place);
  const change = adapter === undefined ? undefined : await readAdapter(adapter, model.unetConfig);
  model.checkPrompts(prompts);
  makeFolder(out);
  lockFolder("out", out);
  await useBackend(settings.backend);
  const base = await model.makeUnet("unet");
  const network = change ? lora(base, { name: "adapter", ...change }) : base;
  const text = await model.makeText("text");
  const vae = await model.makeVae("vae");
  const draw = settings.ddim === undefined ? oneStep(network, settings) : ddim(network, model, text, settings);
  const shape = [1, resolution / model.scale, resolution / model.scale, model.unetConfig.inChannels];

  const progress = startProgress("drawing", prompts.length * seeds.length);
  const pictures = [];
  for (const [i, prompt] of prompts.entries())
    for (const seed of seeds) {
      const cond = text.encode([prompt]);
      const stream = randomStream(seed);
      const latents = draw(() => stream.normal(shape), cond);
      const picture = await decodePicture(vae, latents);
      for (const tensor of [cond, latents]) tensor.dispose();
      pictures.push(picture);
      const name = `${String(i + 1).padStart(4, "0")}-seed${seed}-${slug(prompt)}.png`;
      await writeFileAtomic(join(out, name), encodePicture(picture));
      progress.update(pictures.length);
    }
  progress.finish();
  await writeFileAtomic(join(out, "grid.png"), encodePicture(arrange(pictures, seeds.length)));
  console.log(`${pictures.length} pictures are in ${shown(out)}; grid.png shows prompts from top to bottom.`);
}

/** Latents of one sample, from as much noise as it asks for. */
type Draw = (noise: () => Tensor, cond: Tensor) => Tensor;

function oneStep(network: ScoreModel, settings: GenerateSettings): Draw {
  const trained = trainedSettings(settings);
  const { steps = trained.steps ?? 1, tInit = trained.tInit ?? 625 } = settings;
  const generator = generatorFrom(network, { steps, tInit });
  return (noise, cond) => {
    const noises = Array.from({ length: steps }, noise);
    const latents = generator.generate(noises, cond);
    for (const tensor of noises) tensor.dispose();
    return latents;
  };
}

/** How the folder's generator was asked while it was trained. */
function trainedSettings({ place, adapter }: GenerateSettings): { readonly steps?: number; readonly tInit?: number } {
  const folder = adapter === undefined ? place.model : adapterFolder(adapter);
  const file = folder === undefined ? undefined : join(folder, settingsFile);
  if (file === undefined || !existsSync(file)) return {};
  try {
    const { steps, tInit } = JSON.parse(readFileSync(file, "utf8"));
    if ([steps, tInit].every(Number.isSafeInteger)) return { steps, tInit };
  } catch {
    // Said below.
  }
  throw new Error(`${file} must be as sd:distill wrote it, with whole numbers "steps" and "tInit".`);
}

function ddim(network: ScoreModel, model: OpenModel, text: TextConditioner, settings: GenerateSettings): Draw {
  const uncond = text.encode([""]);
  const { ddim: steps = 50, guidanceScale } = settings;
  return (draw, cond) => {
    const noise = draw();
    const latents = ddimSample(network, { ...model.sampling, noise, cond, uncond, steps, guidanceScale });
    noise.dispose();
    return latents;
  };
}

function slug(prompt: string): string {
  const words = prompt.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  return words.join("-").slice(0, 60) || "empty";
}
