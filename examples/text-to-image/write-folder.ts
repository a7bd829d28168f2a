import { dirname, join } from "node:path";
import { writeFileAtomic, writeModelFolder } from "sid-lsg/io";
import { makeFolder } from "../common/folders";
import type { ModelFolder } from "./model-folder";
import { pictureFormatFile } from "./picture-format";

/** Writes a folder that `readFolder` reads. */
export async function writeFolder(folder: string, model: ModelFolder): Promise<void> {
  const write = async (name: string, text: string) => {
    makeFolder(dirname(join(folder, name)));
    await writeFileAtomic(join(folder, name), text);
  };
  const format = pictureFormatFile(model.pictures);
  await write("tokenizer/words.json", `${JSON.stringify(model.words, null, 2)}\n`);
  await write(format.name, format.text);
  await writeModelFolder(folder, {
    unet: model.unet,
    text_encoder: model.textEncoder,
    scheduler: { config: model.scheduler, weights: new Map() },
  });
}
