import type { WeightMap } from "../core/host-tensor";
import { openFile } from "./disk";
import { type PthOptions, parsePth } from "./open-pth";
import { readAll } from "./open-safetensors";

/**
 * Reads the tensors of a file that PyTorch's `torch.save` wrote (`.pth`, `.pt`, `.bin`, `.ckpt`), without executing
 * anything of it, as {@link openPth} does. With `writeSafetensors` it converts weights. Node only.
 *
 * @param path - the file.
 * @param options - which of several dictionaries in it.
 * @returns the tensors by name.
 * @throws SidError `io` where the file cannot be read; otherwise as {@link openPth}.
 *
 * @example
 * ```ts
 * import { readPth, writeSafetensors } from "sid-lsg/io";
 *
 * async function convert(from: string, to: string): Promise<void> {
 *   await writeSafetensors(to, await readPth(from), { format: "pt" });
 * }
 * ```
 */
export async function readPth(path: string, options: PthOptions = {}): Promise<WeightMap> {
  const source = await openFile("readPth", path);
  try {
    return await readAll(await parsePth(`readPth ${source.name}`, source, options));
  } finally {
    await source.close();
  }
}
