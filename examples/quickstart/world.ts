import { fileURLToPath } from "node:url";
import type { World } from "../text-to-image/world";
import type { EmojiScene } from "./captions";
import { emoji } from "./emoji";
import { drawPictures } from "./pictures";
import { loadStamps } from "./sheet";

/** The emoji with what lies on the disk. */
export const world: World<EmojiScene> = {
  ...emoji,
  module: import.meta.url,
  command: "npm start",
  out: "runs/quickstart",
  teacherFolder: fileURLToPath(new URL("teacher", import.meta.url)),
  judgeFile: fileURLToPath(new URL("judge.safetensors", import.meta.url)),
  loadPictures() {
    const stamps = loadStamps();
    return { draw: (scenes, stream) => drawPictures(stamps, scenes, stream) };
  },
};
