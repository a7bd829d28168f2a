import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";

/** Makes a folder and those above it. Node's own recursion never ends where a parent refuses with ENOENT, as /proc does. */
export function makeFolder(path: string): void {
  const parent = dirname(path);
  if (parent !== path) makeFolder(parent);
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found) mkdirSync(path);
  else if (!found.isDirectory()) throw new Error(`${path} is a file, not a folder.`);
}
