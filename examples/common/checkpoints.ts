import { existsSync, readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/** The checkpoints of a run that are there: the newest by the path given, older ones by a number behind it. */
export function checkpointsOf(path: string): string[] {
  const folder = dirname(path);
  if (!existsSync(folder)) return [];
  const name = basename(path);
  const isOne = (file: string) => file.startsWith(name) && /^(\.\d+)?$/.test(file.slice(name.length));
  return readdirSync(folder)
    .filter(isOne)
    .map((file) => join(folder, file));
}
