import { existsSync } from "node:fs";
import { join } from "node:path";
import { useBackend } from "sid-lsg/backends";
import { writeFileAtomic } from "sid-lsg/io";
import { generatorFrom } from "sid-lsg/models";
import { shown } from "../common/paths";
import { generatorMethod } from "./methods";
import { makeText, makeUnet } from "./model-folder";
import type { JobOptions } from "./options";
import { outputs } from "./paths";
import { readTeacher } from "./read-teacher";
import { drawCaption } from "./samples";
import { knownWords } from "./words";
import type { World } from "./world";

/** `npm start -- --prompt "a blue cat"`: draws the caption with the generator of the last run. */
export async function drawPrompt(world: World, prompt: string, options: JobOptions): Promise<void> {
  const words = knownWords(prompt, world.words);
  const folder = outputs(options.out).generator;
  if (!existsSync(folder))
    throw new Error(`There is no generator in ${shown(folder)} yet: run "${world.command}" first.`);
  await useBackend(options.backend, options.arithmetic);
  const model = await readTeacher(world, folder);
  const generator = generatorFrom(makeUnet(model, "generator"));
  const { draw } = generatorMethod({ generator, text: makeText(model, "text"), pictures: model.pictures });
  if (!world.sceneOf(prompt)) console.warn(`"${prompt}" names nothing that was taught: what comes is anybody's guess.`);
  const seed = options.seed === 0 ? "" : `-seed-${options.seed}`;
  const path = join(options.out, `${words.join("-")}${seed}.png`);
  await writeFileAtomic(path, await drawCaption(world, world.loadPictures().draw, prompt, draw, options.seed));
  console.log(`Drew "${prompt}" 8 times, one network pass each: ${shown(path)}`);
}
