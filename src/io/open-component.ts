import { checkObject, checkOneOf } from "../core/checks";
import type { WeightInfo, WeightSource } from "../core/host-tensor";
import { type ComponentFiles, type ComponentName, componentFiles, componentNames } from "./component-files";
import {
  checkRelative,
  type FileTree,
  isPlainName,
  type JsonObject,
  missing,
  readJson,
  readOptional,
  treeOf,
} from "./file-tree";
import { checkVariant, openWeights } from "./open-weights";

/** Options of {@link openComponent} and `readComponent`. */
export interface ComponentOptions {
  /** Which of several sets of weights: `"fp16"` reads `model.fp16.safetensors`. @defaultValue the one without a name */
  readonly variant?: string | undefined;
  /** Where the part lies in the folder; `""` for a part that is a folder of its own. @defaultValue the part's name */
  readonly subfolder?: string | undefined;
}

/** A part of a model whose weights are read when they are asked for. */
export interface OpenComponent {
  /** The content of `config.json`, `scheduler_config.json` or `tokenizer_config.json`. */
  readonly config: JsonObject;
  /** A tokenizer's text files by name, those of the table that are there. */
  readonly texts: Readonly<Record<string, string>>;
  /** In PyTorch's names and layouts; none for a scheduler or tokenizer. The caller closes it. */
  readonly weights: WeightSource;
}

/** What a model folder consists of, as its `model_index.json` says. */
export interface ModelIndex {
  /** The class of the pipeline, such as `StableDiffusionPipeline`. */
  readonly pipeline: string | undefined;
  /** Library and class of each part that is there, such as `["diffusers", "UNet2DConditionModel"]`. */
  readonly components: ReadonlyMap<string, readonly [library: string, className: string]>;
}

/**
 * Opens one part of a diffusers-style model folder: its configuration is read, its weights are only looked up.
 *
 * | part | files in its folder |
 * |---|---|
 * | `unet`, `vae` | `config.json`, `diffusion_pytorch_model.safetensors` |
 * | `text_encoder` | `config.json`, `model.safetensors` |
 * | `scheduler` | `scheduler_config.json` |
 * | `tokenizer` | `tokenizer_config.json`, `vocab.json` and `merges.txt` or `tokenizer.json`, `special_tokens_map.json`, `added_tokens.json` |
 *
 * Weights may be one file, or shards with an index (`….safetensors.index.json`). Before this returns, every shard is
 * open, its header agrees with its length, and it holds exactly the tensors that the index places in it. Pickles
 * (`.bin`) are refused. A text encoder's names begin with `text_model.`, also where transformers 5 has left that out, and an
 * autoencoder's attention has the names of today (`to_q`), also in files of old (`query`).
 *
 * @param folder - a path on the disk, or any {@link FileTree}: an address, files of a browser, a model of the hub.
 * @param component - which part.
 * @param options - a variant, another place.
 * @returns the configuration, and the weights to be read one by one, by `loadParameters` or `loadWeights`.
 * @throws SidError `io` naming the file that is missing or cannot be read, `corrupt-file` where one is damaged or the
 *   index contradicts the shards, `unsupported` for pickles. Nothing stays open then.
 *
 * @example
 * ```ts
 * import { openComponent, writeModelFolder } from "sid-lsg/io";
 *
 * const w = { dtype: "F16", shape: [2], data: new Float32Array([1, 2]) } as const;
 * await writeModelFolder("model", { vae: { config: {}, weights: new Map([["w", w]]) } });
 * const { weights } = await openComponent("model", "vae");
 * console.log(weights.entries.get("w")?.shape); // [2]
 * console.log((await weights.read("w")).data); // Float32Array [1, 2]
 * await weights.close();
 * ```
 */
export async function openComponent(
  folder: string | FileTree,
  component: ComponentName,
  options: ComponentOptions = {},
): Promise<OpenComponent> {
  return openPart("openComponent", folder, component, options);
}

/** {@link openComponent} on behalf of the function that messages name. */
export async function openPart(
  where: string,
  folder: string | FileTree,
  component: ComponentName,
  options: ComponentOptions,
): Promise<OpenComponent> {
  const tree = treeOf(where, folder);
  checkOneOf(where, "component", component, componentNames);
  const { variant, subfolder = component } = checkObject(where, "options", options, { variant: 1, subfolder: 1 });
  if (variant !== undefined) checkVariant(where, variant);
  const inside = subfolder === "" ? "" : `${checkRelative(where, subfolder)}/`;
  const files = componentFiles[component];
  const config = await readJson(where, tree, inside + files.config);
  const texts = await readTexts(where, tree, inside, files);
  const weights = await openWeights(where, tree, inside, files, variant);
  return { config, texts, weights: files.names === undefined ? weights : renamed(weights, files.names) };
}

/** The text files that are there, of which some set must be whole. */
async function readTexts(
  where: string,
  tree: FileTree,
  inside: string,
  files: ComponentFiles,
): Promise<Readonly<Record<string, string>>> {
  const texts: Record<string, string> = {};
  for (const name of files.texts ?? []) {
    const text = await readOptional(where, tree, inside + name, "a text of the tokenizer");
    if (text !== undefined) texts[name] = text;
  }
  const { needs = [] } = files;
  if (needs.length > 0 && !needs.some((set) => set.every((name) => name in texts))) {
    const sets = needs.map((set) => set.map((name) => JSON.stringify(inside + name)).join(" and "));
    throw await missing(where, tree, `the files ${sets.join(", or ")}`);
  }
  return texts;
}

/** The same weights under the names of this library. */
function renamed(source: WeightSource, { unless, rename }: NonNullable<ComponentFiles["names"]>): WeightSource {
  const names = [...source.entries.keys()];
  if (names.some((name) => unless.test(name))) return source;
  const inFile = new Map(names.map((name) => [rename(name), name]));
  return {
    entries: new Map([...inFile].map(([name, old]) => [name, source.entries.get(old) as WeightInfo])),
    read: (name) => source.read(inFile.get(name) ?? name),
    close: () => source.close(),
  };
}

/**
 * Reads which parts a model folder has, from its `model_index.json`.
 *
 * @param folder - a path on the disk or any {@link FileTree}.
 * @returns the pipeline's class and those of the parts; parts that are null, as a removed safety checker, are left out.
 * @throws SidError `io` where the file is missing, `corrupt-file` where it is damaged.
 *
 * @example
 * ```ts
 * import { readModelIndex, writeModelFolder } from "sid-lsg/io";
 *
 * await writeModelFolder("model", { scheduler: { config: { _class_name: "DDIMScheduler" }, weights: new Map() } });
 * console.log((await readModelIndex("model")).components.get("scheduler"));
 * ```
 */
export async function readModelIndex(folder: string | FileTree): Promise<ModelIndex> {
  const { _class_name: pipeline, ...rest } = await readJson(
    "readModelIndex",
    treeOf("readModelIndex", folder),
    "model_index.json",
  );
  const isClass = (value: unknown): value is [string, string] =>
    Array.isArray(value) && value.length === 2 && value.every((text) => typeof text === "string");
  return {
    pipeline: typeof pipeline === "string" ? pipeline : undefined,
    components: new Map(
      Object.entries(rest).filter((entry): entry is [string, [string, string]] => {
        const [name, value] = entry;
        return isPlainName(name) && isClass(value);
      }),
    ),
  };
}
