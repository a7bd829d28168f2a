/** What the pages of this folder fetch while they run, by their addresses beside each other. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { encodeSafetensors, readSafetensors } from "sid-lsg/io";
import { toEightBits } from "./eight-bit.ts";

const root = import.meta.dirname;
const quickstart = resolve(root, "../quickstart");

/** For drawing: the teacher in eight bits, the generator, and the pictures of the buttons. */
const drawing: Readonly<Record<string, string>> = {
  ...under(join(quickstart, "teacher"), "teacher"),
  "emoji.png": join(quickstart, "emoji.png"),
};

/** For training: the teacher as `npm start` reads it, and the judge. */
const training: Readonly<Record<string, string>> = {
  ...under(join(quickstart, "teacher"), "quickstart/teacher"),
  "quickstart/judge.safetensors": join(quickstart, "judge.safetensors"),
};

/** Files of the repository by their addresses. */
export const served: Readonly<Record<string, string>> = { ...drawing, ...training };

/** A file as a page is given it. */
export async function contentOf(address: string): Promise<Uint8Array> {
  const file = served[address] as string;
  if (!address.startsWith("teacher/") || !file.endsWith(".safetensors")) return readFileSync(file);
  return encodeSafetensors(toEightBits((await readSafetensors(file)).tensors), { format: "pt" });
}

function under(folder: string, address: string): Record<string, string> {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
  const files = names.filter((name) => statSync(join(folder, name)).isFile());
  return Object.fromEntries(files.map((name) => [`${address}/${name.replaceAll("\\", "/")}`, join(folder, name)]));
}
