import { existsSync } from "node:fs";
import { join } from "node:path";
import { randomStream } from "sid-lsg";
import { useBackend } from "sid-lsg/backends";
import { writeFileAtomic } from "sid-lsg/io";
import { generatorFrom } from "sid-lsg/models";
import { shown } from "../common/paths";
import { encodePng } from "./canvas";
import { knownWords } from "./captions";
import { generatorMethod } from "./methods";
import type { QuickStartOptions } from "./options";
import { outputs } from "./paths";
import { drawGrid } from "./picture";
import { drawPrompts } from "./samples";
import { makeText, makeUnet, readFolder } from "./text-to-image";

const images = 8;

/** `npm start -- --prompt "a green four"`: draws the caption with the generator of the last run. */
export async function drawPrompt(prompt: string, options: QuickStartOptions): Promise<void> {
  const folder = outputs(options.out).generator;
  if (!existsSync(folder)) throw new Error(`There is no generator in ${shown(folder)} yet: run "npm start" first.`);
  await useBackend(options.backend);
  const model = await readFolder(folder);
  const words = knownWords(prompt, model.words);
  const text = makeText(model, "text");
  const { draw } = generatorMethod(generatorFrom(makeUnet(model, "generator")), text);
  const drawn = await drawPrompts(draw, [prompt], images, randomStream(options.seed));
  const path = join(options.out, `${words.join("-")}.png`);
  await writeFileAtomic(path, encodePng(drawGrid([prompt], [{ title: "generator, 1 step", images: drawn }])));
  console.log(`Drew "${prompt}" ${images} times, one network pass each: ${shown(path)}`);
}
