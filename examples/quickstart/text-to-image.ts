import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type JsonObject, type ModelComponent, readComponent, writeFileAtomic, writeModelFolder } from "sid-lsg/io";
import {
  type ClipTextEncoder,
  clipTextEncoder,
  parseClipTextConfig,
  parseUnetConfig,
  type TextConditioner,
  textConditioner,
  type Unet,
  unet,
  wordTokenizer,
} from "sid-lsg/models";
import { scheduleFromConfig } from "sid-lsg/schedules";
import { makeFolder } from "../common/folders";

/** A miniature Stable Diffusion without VAE, in host memory: what a diffusers-style folder holds. */
export interface ModelFolder {
  readonly unet: ModelComponent;
  readonly textEncoder: ModelComponent;
  readonly scheduler: JsonObject;
  /** The words of captions, in the order of their token ids. */
  readonly words: readonly string[];
}

/** Reads `unet/`, `text_encoder/`, `scheduler/` and `tokenizer/`. */
export async function readFolder(folder: string): Promise<ModelFolder> {
  const wordsFile = join(folder, "tokenizer", "words.json");
  if (!existsSync(wordsFile)) throw new Error(`There is no model in ${folder}: ${wordsFile} is missing.`);
  return {
    unet: await readComponent(folder, "unet"),
    textEncoder: await readComponent(folder, "text_encoder"),
    scheduler: (await readComponent(folder, "scheduler")).config,
    words: JSON.parse(readFileSync(wordsFile, "utf8")),
  };
}

/** Writes such a folder. */
export async function writeFolder(folder: string, model: ModelFolder): Promise<void> {
  makeFolder(join(folder, "tokenizer"));
  await writeFileAtomic(join(folder, "tokenizer", "words.json"), `${JSON.stringify(model.words, null, 2)}\n`);
  await writeModelFolder(folder, {
    unet: model.unet,
    text_encoder: model.textEncoder,
    scheduler: { config: model.scheduler, weights: new Map() },
  });
}

/** The folder's U-Net under a name of its own: each training needs several. */
export function makeUnet(model: Pick<ModelFolder, "unet" | "scheduler">, name: string): Unet {
  const { schedule, predicts } = scheduleFromConfig(model.scheduler);
  return unet(parseUnetConfig(model.unet.config), { name, schedule, predicts, weights: model.unet.weights });
}

/** A tokenizer and a text encoder: captions to `[B, tokens, width]`. */
export interface Text extends TextConditioner {
  dispose(): void;
}

/** The folder's text encoder with its tokenizer. */
export function makeText(model: Pick<ModelFolder, "textEncoder" | "words">, name: string): Text {
  const config = parseClipTextConfig(model.textEncoder.config);
  return withTokenizer(clipTextEncoder(config, { name, weights: model.textEncoder.weights }), model.words);
}

/** Joins a text encoder and the tokenizer of its words. */
export function withTokenizer(encoder: ClipTextEncoder, words: readonly string[]): Text {
  const tokenizer = wordTokenizer(words, { maxLength: encoder.config.maxLength });
  return { ...textConditioner({ tokenizer, encoder }), dispose: encoder.dispose };
}
