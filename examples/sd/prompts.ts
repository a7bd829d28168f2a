import { readFileSync } from "node:fs";

/** Reads a UTF-8 file with a prompt per line; empty lines do not count. */
export function readPrompts(path: string): string[] {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (cause) {
    throw new Error(`--prompts: ${(cause as Error).message}.`, { cause });
  }
  const prompts = decode(path, bytes)
    .split(/\r\n|\n|\r/)
    .map((line) => line.trim())
    .filter((line) => line !== "");
  if (prompts.length === 0) throw new Error(`--prompts: ${path} holds no prompts; wanted one per line.`);
  return prompts;
}

/** The text without its byte order mark. Other encodings would make prompts that nobody wrote. */
function decode(path: string, bytes: Uint8Array): string {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    if (!text.includes("\0")) return text;
  } catch {
    // Said below.
  }
  throw new Error(`--prompts: ${path} is no UTF-8 text; wanted one prompt per line in that encoding.`);
}
