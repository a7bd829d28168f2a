import { readSafetensors } from "sid-lsg/io";
import { shown } from "../common/paths";
import { type Classifier, createClassifier, judgeConfig } from "./classifier";
import type { World } from "./world";

/** The judge of a world, with its committed weights; the caller disposes of it. */
export async function loadJudge({
  aspects,
  pictures,
  judgeFile,
}: Pick<World, "aspects" | "pictures" | "judgeFile">): Promise<Classifier> {
  const { tensors } = await readSafetensors(judgeFile);
  try {
    return createClassifier(judgeConfig(pictures.size, aspects), tensors);
  } catch (cause) {
    throw new Error(`${shown(judgeFile)}: ${(cause as Error).message}`, { cause });
  }
}
