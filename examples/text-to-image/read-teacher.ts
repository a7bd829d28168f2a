import { shown } from "../common/paths";
import { type ModelFolder, readFolder } from "./model-folder";
import type { World } from "./world";

/** Reads a teacher's folder, and refuses one that was trained on another world's words or pictures. */
export async function readTeacher(world: World, folder: string): Promise<ModelFolder> {
  const model = await readFolder(folder);
  const refuse = (what: string, wanted: string, got: string): never => {
    throw new Error(
      `${shown(folder)} holds the teacher of another world: its ${what} must be ${wanted}, got ${got}. ` +
        `"${world.command}" without --teacher takes its own.`,
    );
  };
  const strange = model.words.filter((word) => !world.words.includes(word));
  const lacking = world.words.filter((word) => !model.words.includes(word));
  if (strange.length > 0 || lacking.length > 0)
    refuse("vocabulary", few(world.words), `${few(model.words)}, without ${few(lacking)}`);
  for (const [name, wanted] of Object.entries(world.pictures)) {
    const got = model.pictures[name as keyof typeof model.pictures];
    if (got !== wanted) refuse(`pictures' ${name}`, String(wanted), String(got));
  }
  return model;
}

function few(words: readonly string[]): string {
  if (words.length === 0) return "no word";
  return words.slice(0, 6).join(" ") + (words.length > 6 ? " …" : "");
}
