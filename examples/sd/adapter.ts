import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { readSafetensors } from "sid-lsg/io";
import type { UnetConfig } from "sid-lsg/models";
import { type LoraWeights, parseLora } from "sid-lsg/models/sd";

/** What diffusers and PEFT call an adapter's file, in a folder. */
const usualNames = ["pytorch_lora_weights.safetensors", "adapter_model.safetensors"];

/** Reads the adapter of a U-Net that `--adapter` names: a file, or the folder that holds it. */
export async function readAdapter(path: string, unet: UnetConfig): Promise<LoraWeights> {
  const file = adapterFile(path);
  try {
    return parseLora(await readSafetensors(file), unet, { peftConfig: peftConfig(file) });
  } catch (cause) {
    const { message } = cause as Error;
    throw new Error(`--adapter ${file}: ${message}`, { cause });
  }
}

/** The folder of an adapter's file. */
export function adapterFolder(path: string): string {
  return dirname(adapterFile(path));
}

function adapterFile(path: string): string {
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) return path;
  // PEFT's example for Stable Diffusion writes a folder for each network.
  const usual = [path, join(path, "unet")].flatMap((folder) => usualNames.map((name) => join(folder, name)));
  const there = usual.find((file) => existsSync(file));
  if (there !== undefined) return there;
  const names = readdirSync(path);
  const found = names.filter((name) => name.endsWith(".safetensors"));
  if (found.length === 1) return join(path, found[0] as string);
  const wanted = `--adapter: ${path} must hold ${usualNames.join(" or ")}, or one file of another name in safetensors`;
  if (found.length > 1) throw new Error(`${wanted}; name one of ${found.join(", ")}.`);
  const pickle = names.find((name) => /\.(bin|pt|pth|ckpt)$/.test(name));
  throw new Error(
    pickle === undefined
      ? `${wanted}, got ${names.length} other files.`
      : `${wanted}; ${pickle} is a pickle, which can run any code: convert it to safetensors where it was made.`,
  );
}

/** PEFT's configuration, which lies beside a file of PEFT's. */
function peftConfig(file: string): Readonly<Record<string, unknown>> | undefined {
  const path = join(dirname(file), "adapter_config.json");
  if (basename(file) !== "adapter_model.safetensors" || !existsSync(path)) return undefined;
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    throw new Error(`${path} must be JSON.`, { cause });
  }
}
