import { type FileTree, type JsonObject, type ModelComponent, readComponent } from "sid-lsg/io";
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
import { type PictureFormat, readJson, readPictureFormat } from "./picture-format";

/** A miniature Stable Diffusion without VAE, in host memory: what a diffusers-style folder holds. */
export interface ModelFolder {
  readonly unet: ModelComponent;
  readonly textEncoder: ModelComponent;
  readonly scheduler: JsonObject;
  /** The words of captions, in the order of their token ids. */
  readonly words: readonly string[];
  /** How the pictures are packed. */
  readonly pictures: PictureFormat;
}

const wordsFile = "tokenizer/words.json";

/** Reads `unet/`, `text_encoder/`, `scheduler/`, `tokenizer/` and `image_processor/` of a folder on the disk or elsewhere. */
export async function readFolder(folder: string | FileTree): Promise<ModelFolder> {
  return {
    unet: await readComponent(folder, "unet"),
    textEncoder: await readComponent(folder, "text_encoder"),
    scheduler: (await readComponent(folder, "scheduler")).config,
    words: await readWords(folder),
    pictures: await readPictureFormat(folder),
  };
}

async function readWords(folder: string | FileTree): Promise<string[]> {
  const words = await readJson(folder, wordsFile);
  if (Array.isArray(words) && words.every((word) => typeof word === "string")) return words;
  throw new Error(`${wordsFile}: wanted a list of words.`);
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
