import { shown } from "../common/paths";
import { type ModelFolder, readFolder } from "./model-folder";
import type { World } from "./world";

/** Reads a folder of a teacher or generator, and refuses one that was trained on another world's words or pictures. */
export async function readTeacher(world: World, folder: string): Promise<ModelFolder> {
  const model = await readFolder(folder).catch((cause: Error) => {
    throw new Error(`${shown(folder)}: ${cause.message}`, { cause });
  });
  const refuse = (what: string): never => {
    throw new Error(`${shown(folder)} is of another world than "${world.command}" draws: ${what}.`);
  };
  const strange = model.words.filter((word) => !world.words.includes(word));
  const lacking = world.words.filter((word) => !model.words.includes(word));
  if (strange.length > 0) refuse(`it has the words ${few(strange)}`);
  if (lacking.length > 0) refuse(`it lacks the words ${few(lacking)}`);
  if (model.words.join() !== world.words.join()) refuse("its words are in another order");
  for (const [name, wanted] of Object.entries(world.pictures)) {
    const got = model.pictures[name as keyof typeof model.pictures];
    if (got !== wanted) refuse(`${name} of its pictures must be ${wanted}, got ${got}`);
  }
  return model;
}

function few(words: readonly string[]): string {
  return words.slice(0, 6).join(" ") + (words.length > 6 ? " …" : "");
}
