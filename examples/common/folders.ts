import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";

/** Makes a folder and those above it. Node's own recursion never ends where a parent refuses with ENOENT, as /proc does. */
export function makeFolder(path: string): void {
  const parent = dirname(path);
  if (parent !== path) makeFolder(parent);
  try {
    if (!statSync(path, { throwIfNoEntry: false })) mkdirSync(path);
  } catch (error) {
    // Another process was faster.
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  if (!statSync(path).isDirectory()) throw new Error(`${path} is a file, not a folder.`);
}
