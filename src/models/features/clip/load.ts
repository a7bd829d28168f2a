import { checkFunction, checkObject, checkOneOf, isObject, type KeysOf } from "../../../core/checks";
import { SidError } from "../../../core/errors";
import type { WeightSource } from "../../../core/host-tensor";
import { type ComponentFiles, indexName, inVariant } from "../../../io/component-files";
import { crc32 } from "../../../io/crc32";
import { type FileTree, type JsonObject, missing, openIn, readJson, treeOf } from "../../../io/file-tree";
import { openPart } from "../../../io/open-component";
import { parsePth } from "../../../io/open-pth";
import { checkVariant, openWeights } from "../../../io/open-weights";
import { type ClipTokenizer, clipTokenizer, tokenizerFiles } from "../../text/clip-tokenizer";
import type { Tokenizer } from "../../text/tokenizer";
import { loadParameters } from "../../weights/load-parameters";
import { bytesOnBackend, watched } from "../../weights/watch-source";
import { type ClipConfig, parseClipConfig } from "./config";
import { type ClipModel, clipModel, clipParameterSpecs } from "./model";
import { parseOpenClipConfig } from "./open-clip-config";
import { fromOpenClip } from "./open-clip-weights";
import { type ClipPreprocessing, parseClipPreprocessing } from "./preprocessing";

/** Whose files a folder of a CLIP holds: those of transformers' `CLIPModel`, or of OpenCLIP. */
export type ClipLayout = "transformers" | "open_clip";

/** Options of {@link loadClip}. */
export interface LoadClipOptions {
  /**
   * Prefix of the variables' names, and what statistics of its features carry.
   * @defaultValue of the architecture and the weights, such as `"clip-vit-p32-224px-512d-1a2b3c4d"`: other weights have
   *   another, in whatever folder they lie
   */
  readonly name?: string | undefined;
  /** Which of both a folder's files are, where it has both. @defaultValue transformers' where its weights are there */
  readonly layout?: ClipLayout | undefined;
  /** Which of several sets of weights, such as `"fp16"`. @defaultValue the plain files */
  readonly variant?: string | undefined;
  /** Texts to token ids. @defaultValue the tokenizer of the folder */
  readonly tokenizer?: Tokenizer | undefined;
  /** What is done to pictures, instead of what the folder says. @defaultValue as the folder says */
  readonly preprocessing?: Partial<ClipPreprocessing> | undefined;
  /** Pictures or texts that go through a tower at a time. @defaultValue `8` */
  readonly batch?: number | undefined;
  /** Is told what of the files was passed over. @defaultValue `console.warn` */
  readonly onWarning?: ((warning: string) => void) | undefined;
  /** Is told once of each text that the folder's tokenizer cuts. @defaultValue `onWarning` */
  readonly onCutText?: ((warning: string) => void) | undefined;
  /** Is told after each tensor how many bytes of float32 weights are on the backend, of how many. @defaultValue nobody */
  readonly onProgress?: ((progress: { readonly loaded: number; readonly total: number }) => void) | undefined;
}

const optionKeys: KeysOf<LoadClipOptions> = {
  ...{ name: 1, layout: 1, variant: 1, tokenizer: 1, preprocessing: 1, batch: 1 },
  ...{ onWarning: 1, onCutText: 1, onProgress: 1 },
};

const where = "loadClip";

/** Where each layout keeps its configuration and weights; open_clip has called the latter by two names. */
const layouts: Readonly<Record<ClipLayout, readonly ComponentFiles[]>> = {
  transformers: [{ config: "config.json", weights: "model.safetensors", pickle: "pytorch_model.bin" }],
  open_clip: ["open_clip_model", "open_clip_pytorch_model"].map((name) => ({
    config: "open_clip_config.json",
    weights: `${name}.safetensors`,
    pickle: "open_clip_pytorch_model.bin",
  })),
};

/**
 * Makes a CLIP from a folder: architecture, weights, tokenizer and what is done to pictures, each as its files say.
 *
 * | layout | files |
 * |---|---|
 * | transformers | `config.json`, `model.safetensors` or shards, `preprocessor_config.json` or `processor_config.json` |
 * | OpenCLIP | `open_clip_config.json`, `open_clip_model.safetensors` |
 * | both | `tokenizer_config.json`, `vocab.json` and `merges.txt` or `tokenizer.json` |
 *
 * Where there is no safetensors file, PyTorch's is read (`pytorch_model.bin`, `open_clip_pytorch_model.bin`), of which
 * nothing is executed. Weights are read one tensor at a time; both layouts become one network with transformers' names. They prepare pictures
 * alike, but for those whose margin is odd: transformers begins the middle at the pixel before, torchvision at the even one.
 *
 * The CLIP score of the paper of SiD-LSG is OpenCLIP's ViT-g-14 (`laion/CLIP-ViT-g-14-laion2B-s12B-b42K`; its evaluation
 * calls it "ViT-G/14"), of captions that begin with `"A photo depicts "`.
 *
 * @param source - a path, or any {@link FileTree}.
 * @param options - name, layout, tokenizer, preprocessing, progress.
 * @returns the model; the caller disposes of it.
 * @throws SidError `io` for files that are missing, `corrupt-file` for damaged ones, `unsupported` for the folder of a
 *   Stable Diffusion, a text encoder alone, or an architecture that is not implemented; `missing-weight`,
 *   `surplus-weight`, `shape-mismatch` or `not-finite` naming the tensor as the file does. No variable is left behind.
 *
 * @example
 * ```ts no-run
 * import { useBackend } from "sid-lsg/backends";
 * import { loadClip } from "sid-lsg/models/features";
 *
 * await useBackend("auto");
 * const clip = await loadClip("CLIP-ViT-g-14-laion2B-s12B-b42K", { name: "clip-vit-g-14-laion2b" });
 * const pictures = { data: new Uint8Array(256 * 256 * 3), shape: [1, 256, 256, 3] } as const;
 * const [image, text] = [await clip.imageEmbeddings(pictures), await clip.textEmbeddings(["A photo depicts a black square"])];
 * console.log(image.reduce((sum, x, i) => sum + x * (text[i] as number), 0)); // the cosine of both
 * clip.dispose();
 * ```
 */
export async function loadClip(source: string | FileTree, options: LoadClipOptions = {}): Promise<ClipModel> {
  const { variant, preprocessing, batch, ...rest } = checkObject(where, "options", options, optionKeys);
  const { onWarning = console.warn, onCutText = onWarning, onProgress = () => {} } = rest;
  for (const [key, callback] of Object.entries({ onWarning, onCutText, onProgress }))
    checkFunction(where, key, callback);
  if (rest.layout !== undefined) checkOneOf(where, "layout", rest.layout, ["transformers", "open_clip"]);
  if (variant !== undefined) checkVariant(where, variant);
  const tree = treeOf(where, source);
  const layout = rest.layout ?? (await layoutOf(tree, variant));
  const json = await readJson(where, tree, (layouts[layout][0] as ComponentFiles).config);
  const config =
    layout === "transformers" ? parseClipConfig(json, { onWarning }) : parseOpenClipConfig(json, { onWarning });
  const tokenizer = rest.tokenizer ?? (await openTokenizer(tree, config, onCutText));
  const settings = await preprocessingOf(tree, layout, json, config);
  const specs = clipParameterSpecs(config);
  const total = specs.reduce((sum, spec) => sum + bytesOnBackend(spec), 0);
  let loaded = 0;
  const opened = await openEither(tree, await weightsOf(tree, layout, variant), variant);
  try {
    const at = `${where}: ${tree.name}`;
    const named: WeightSource = layout === "open_clip" ? fromOpenClip(at, specs, opened) : opened;
    const watching = watched(named, at, (tensor) => {
      loaded += bytesOnBackend(tensor);
      onProgress({ loaded, total });
    });
    const name = rest.name ?? (await nameOf(config, named));
    const weights = await loadParameters(name, specs, watching);
    try {
      return clipModel(config, { name, weights, tokenizer, batch, preprocessing: { ...settings, ...preprocessing } });
    } catch (error) {
      weights.dispose();
      throw error;
    }
  } finally {
    await opened.close();
  }
}

/** A small weight that no two trainings leave alike. */
const mark = "vision_model.post_layernorm.weight";

/** A name by which no two models are taken for one: the architecture, and a sum over some of the weights. */
async function nameOf({ vision, dimension }: ClipConfig, source: WeightSource): Promise<string> {
  const kind = `clip-vit-p${vision.patchSize}-${vision.imageSize}px-${dimension}d`;
  // Where it is missing, whoever loads the weights says so.
  if (!source.entries.has(mark)) return kind;
  const { buffer, byteOffset, byteLength } = (await source.read(mark)).data;
  return `${kind}-${crc32(new Uint8Array(buffer, byteOffset, byteLength))
    .toString(16)
    .padStart(8, "0")}`;
}

/** Whose files these are: where both are there, transformers', unless only OpenCLIP's weights can be read. */
async function layoutOf(tree: FileTree, variant: string | undefined): Promise<ClipLayout> {
  const [ours, theirs] = await Promise.all([has(tree, "config.json"), has(tree, "open_clip_config.json")]);
  if (ours && theirs) {
    for (const kind of ["weights", "pickle"] as const)
      for (const layout of ["transformers", "open_clip"] as const)
        for (const files of layouts[layout]) if (await hasFile(tree, files[kind], variant)) return layout;
    return "transformers";
  }
  if (ours || theirs) return ours ? "transformers" : "open_clip";
  if (await has(tree, "model_index.json"))
    throw new SidError(
      "unsupported",
      `${where}: ${tree.name} is a diffusers model, whose text_encoder is a CLIP without its image tower; wanted the folder of a whole CLIP, such as openai/clip-vit-base-patch32.`,
    );
  throw await missing(where, tree, 'the file "config.json", or "open_clip_config.json"');
}

/** The files of a layout; of names for its weights the one that is there, else the first. */
async function weightsOf(tree: FileTree, layout: ClipLayout, variant: string | undefined): Promise<ComponentFiles> {
  for (const files of layouts[layout]) if (await hasFile(tree, files.weights, variant)) return files;
  return layouts[layout][0] as ComponentFiles;
}

/** The safetensors, or where there are none PyTorch's file, of which nothing is executed. */
async function openEither(tree: FileTree, files: ComponentFiles, variant: string | undefined): Promise<WeightSource> {
  const pickle = inVariant(files.pickle as string, variant);
  const source = (await hasFile(tree, files.weights, variant)) ? undefined : await openIn(where, tree, pickle);
  if (source === undefined) return openWeights(where, tree, "", files, variant);
  try {
    return await parsePth(`${where} ${source.name}`, source, {});
  } catch (error) {
    await source.close();
    throw error;
  }
}

/** Whether there is a file of this name, or the index of its shards. */
async function hasFile(tree: FileTree, file = "", variant: string | undefined): Promise<boolean> {
  const names = [file, indexName(file)].map((name) => inVariant(name, variant));
  return (await Promise.all(names.map((name) => has(tree, name)))).includes(true);
}

async function has(tree: FileTree, path: string): Promise<boolean> {
  const source = await openIn(where, tree, path);
  await source?.close();
  return source !== undefined;
}

async function openTokenizer(
  tree: FileTree,
  { text }: ClipConfig,
  onWarning: (warning: string) => void,
): Promise<ClipTokenizer> {
  const { texts, config } = await openPart(where, tree, "tokenizer", { subfolder: "" });
  const tokenizer = clipTokenizer(tokenizerFiles(texts, config), { maxLength: text.maxLength, onWarning });
  if (tokenizer.vocabularySize > text.vocabularySize || tokenizer.maxLength > text.maxLength)
    throw new SidError(
      "shape-mismatch",
      `${where}: ${tree.name}: the tokenizer makes ${tokenizer.maxLength} of ${tokenizer.vocabularySize} tokens, the text tower takes ${text.maxLength} of ${text.vocabularySize}.`,
    );
  return tokenizer;
}

async function preprocessingOf(
  tree: FileTree,
  layout: ClipLayout,
  config: JsonObject,
  { vision }: ClipConfig,
): Promise<ClipPreprocessing> {
  const [file, settings] =
    layout === "open_clip" ? ["preprocess_cfg", config["preprocess_cfg"]] : await processorOf(tree);
  const json = isObject(settings) ? settings : {};
  return parseClipPreprocessing(`${where}: ${JSON.stringify(file)} of ${tree.name}`, json, vision.imageSize, layout);
}

/** The image processor's file, where there is one; transformers 5 writes one for it and the tokenizer. */
async function processorOf(tree: FileTree): Promise<readonly [string, unknown]> {
  const [old, common] = ["preprocessor_config.json", "processor_config.json"] as const;
  if (await has(tree, old)) return [old, await readJson(where, tree, old)];
  return [common, (await has(tree, common)) ? (await readJson(where, tree, common))["image_processor"] : undefined];
}
