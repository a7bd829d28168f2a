import { fileSource, openSafetensors } from "sid-lsg/io";
import { checkpointsOf } from "../common/checkpoints";
import { shown } from "../common/paths";
import { commandName } from "./methods";
import type { DistillSettings } from "./options";
import { outputs } from "./result";

/** Whether the folder has a run that was begun. */
export function isBegun({ out }: DistillSettings): boolean {
  return checkpointsOf(outputs(out).checkpoint).length > 0;
}

/** Throws unless a run is there to go on with, or none is, as the settings want it. */
export function checkStart(settings: DistillSettings): void {
  const { out, resume } = settings;
  const found = isBegun(settings);
  if (resume === true && !found)
    throw new Error(`There is nothing to resume: ${shown(outputs(out).checkpoint)} is missing.`);
  if (!resume && found)
    throw new Error(`--out: ${shown(out)} holds a run already; go on with --resume, or take another folder.`);
}

/** Throws where the run in the folder is of another method: before the networks are loaded that it would need. */
export async function checkResumed({ out, resume, name }: DistillSettings): Promise<void> {
  if (!resume) return;
  const saved = await savedMethod(outputs(out).checkpoint);
  if (saved === undefined || commandName(saved) === name) return;
  throw new Error(
    `--resume: the run in ${shown(out)} is of the method ${commandName(saved)}, this one of ${name}; give --method ${commandName(saved)}, or take another --out.`,
  );
}

/** The method of a checkpoint; undefined where it does not tell, as a damaged one, which the run will deal with. */
async function savedMethod(path: string): Promise<string | undefined> {
  try {
    const file = await openSafetensors(await fileSource(path));
    await file.close();
    const name: unknown = JSON.parse(file.metadata["run"] ?? "{}")["method.name"];
    return typeof name === "string" ? name : undefined;
  } catch {
    return undefined;
  }
}
