import { readFileSync } from "node:fs";

/** Reads a file with a prompt per line; empty lines do not count. */
export function readPrompts(path: string): string[] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new Error(`--prompts: ${(cause as Error).message}.`, { cause });
  }
  const prompts = text
    .replace(/^\uFEFF/, "")
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== "");
  if (prompts.length === 0) throw new Error(`--prompts: ${path} holds no prompts; wanted one per line.`);
  return prompts;
}
