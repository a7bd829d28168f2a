import { join } from "node:path";
import { writeFileAtomic, writeModelFolder } from "sid-lsg/io";
import { makeFolder } from "../common/folders";
import type { ModelFolder } from "./text-to-image";

/** Writes a folder that `readFolder` reads. */
export async function writeFolder(folder: string, model: ModelFolder): Promise<void> {
  makeFolder(join(folder, "tokenizer"));
  await writeFileAtomic(join(folder, "tokenizer", "words.json"), `${JSON.stringify(model.words, null, 2)}\n`);
  await writeModelFolder(folder, {
    unet: model.unet,
    text_encoder: model.textEncoder,
    scheduler: { config: model.scheduler, weights: new Map() },
  });
}
