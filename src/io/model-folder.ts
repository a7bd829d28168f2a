import { checkInteger, checkObject, checkOneOf, describe, isObject } from "../core/checks";
import { SidError } from "../core/errors";
import type { HostTensor, WeightMap } from "../core/host-tensor";
import { type ComponentName, componentFiles, componentNames, indexName, shardName } from "./component-files";
import { located, makeFolder, nodeFs, onDisk } from "./disk";
import { type FileTree, isPlainName, type JsonObject } from "./file-tree";
import { writeFileAtomic, writeSafetensors } from "./files";
import { type ComponentOptions, openPart } from "./open-component";
import { readAll } from "./open-safetensors";
import { checkTensors } from "./safetensors";
import { elementBytes } from "./safetensors-header";

/** One part of a model folder. */
export interface ModelComponent {
  /** The content of `config.json`, `scheduler_config.json` or `tokenizer_config.json`. */
  readonly config: JsonObject;
  /** In PyTorch's names and layouts; empty for a scheduler or tokenizer. */
  readonly weights: WeightMap;
  /** Further files by name, as text: a tokenizer's `vocab.json` and `merges.txt`. */
  readonly texts?: Readonly<Record<string, string>> | undefined;
}

/** Options of {@link writeModelFolder}. */
export interface WriteModelOptions {
  /** Weights of more bytes are cut into files of at most so many; a larger tensor has one of its own. @defaultValue one file */
  readonly maxShardBytes?: number | undefined;
}

/**
 * Reads one part of a diffusers-style model folder whole: its configuration and its weights. The files are those of
 * `openComponent`, which reads large weights one by one instead.
 *
 * @param folder - a path on the disk, the folder that holds `model_index.json`; or any {@link FileTree}.
 * @param component - which part.
 * @param options - a variant, another place.
 * @returns the configuration, the weights, and a tokenizer's text files.
 * @throws SidError as `openComponent` does.
 *
 * @example
 * ```ts
 * import { readComponent, writeModelFolder } from "sid-lsg/io";
 *
 * await writeModelFolder("model", { scheduler: { config: { beta_start: 1e-4 }, weights: new Map() } });
 * console.log((await readComponent("model", "scheduler")).config["beta_start"]); // 0.0001
 * ```
 */
export async function readComponent(
  folder: string | FileTree,
  component: ComponentName,
  options: ComponentOptions = {},
): Promise<ModelComponent> {
  const { config, texts, weights } = await openPart("readComponent", folder, component, options);
  try {
    return { config, weights: await readAll(weights), ...(Object.keys(texts).length > 0 && { texts }) };
  } finally {
    await weights.close();
  }
}

/**
 * Writes a diffusers-style model folder, making the folders that are missing. Node only.
 *
 * Each file is written atomically, `model_index.json` last: a folder that has one is whole. The
 * index names each part's class by its configuration's `_class_name` (diffusers) or
 * `architectures` (transformers).
 *
 * @param folder - the model folder; its parts are laid out as {@link readComponent} reads them.
 * @param components - the parts to write; the index names these and no others.
 * @param options - how large a file of weights may be.
 * @throws SidError `io` where the file system refuses; otherwise as {@link writeSafetensors}.
 *
 * @example
 * ```ts
 * import { writeModelFolder } from "sid-lsg/io";
 *
 * const weights = new Map([["w", { dtype: "F32", shape: [1], data: new Float32Array([2]) } as const]]);
 * await writeModelFolder("model", { unet: { config: { _class_name: "UNet2DConditionModel" }, weights } });
 * ```
 */
export async function writeModelFolder(
  folder: string,
  components: Readonly<Partial<Record<ComponentName, ModelComponent>>>,
  options: WriteModelOptions = {},
): Promise<void> {
  located("writeModelFolder", folder);
  const { maxShardBytes = Infinity } = checkObject("writeModelFolder", "options", options, { maxShardBytes: 1 });
  if (maxShardBytes !== Infinity) checkInteger("writeModelFolder", "maxShardBytes", maxShardBytes, 1);
  const parts = checkComponents(components);
  for (const [name, { config, weights, texts = {} }] of parts) {
    const path = `${folder}/${name}`;
    const where = located("writeModelFolder", path);
    await onDisk(where, async () => makeFolder(path));
    const file = componentFiles[name];
    if (file.weights) await writeWeights(where, `${path}/${file.weights}`, weights, maxShardBytes);
    for (const [text, content] of Object.entries(texts)) await writeFileAtomic(`${path}/${text}`, content);
    await writeFileAtomic(`${path}/${file.config}`, withPoints(json(config), file.floats));
  }
  const classes = parts.map(([name, { config }]) => [name, classOf(config)]);
  const index = { _class_name: "StableDiffusionPipeline", ...Object.fromEntries(classes) };
  await writeFileAtomic(`${folder}/model_index.json`, json(index));
}

/** The parts as a list; throws unless each is a known one with a configuration and the weights it may have. */
function checkComponents(components: object): [ComponentName, ModelComponent][] {
  const fail = (message: string): never => {
    throw new SidError("invalid-argument", `writeModelFolder: ${message}.`);
  };
  if (!isObject(components)) fail(`components must be an object, got ${describe(components)}`);
  return Object.entries(components).map(([name, part]): [ComponentName, ModelComponent] => {
    checkOneOf<string>("writeModelFolder", "component", name, componentNames);
    if (!isObject(part) || !isObject(part["config"])) fail(`${name} needs a config, got ${describe(part)}`);
    const { config, weights, texts = {} }: ModelComponent = part;
    checkTensors(`writeModelFolder: ${name}`, weights);
    const files = componentFiles[name as ComponentName];
    if (files.weights === undefined && weights.size > 0) fail(`the ${name} has no weights, got ${weights.size}`);
    if (!isObject(texts)) fail(`the texts of ${name} must be an object, got ${describe(texts)}`);
    for (const [file, text] of Object.entries(texts))
      if (!isPlainName(file) || file === files.config || file === files.weights || typeof text !== "string")
        fail(`${name} has no text file ${describe(file)} with ${describe(text)} in it`);
    return [name as ComponentName, { config, weights, texts }];
  });
}

/** `[library, class]` as `model_index.json` wants it. */
function classOf(config: JsonObject): readonly [string, unknown] | null {
  if (typeof config["_class_name"] === "string") return ["diffusers", config["_class_name"]];
  if (typeof config["tokenizer_class"] === "string") return ["transformers", config["tokenizer_class"]];
  const [architecture] = Array.isArray(config["architectures"]) ? config["architectures"] : [];
  return typeof architecture === "string" ? ["transformers", architecture] : null;
}

/** Writes weights as one file, or in shards with their index, and removes the other form: reading takes one of them. */
async function writeWeights(where: string, path: string, weights: WeightMap, most: number): Promise<void> {
  const shards = shardsOf(weights, most);
  const { rm } = await nodeFs();
  if (shards.length <= 1) {
    await writeSafetensors(path, weights, { format: "pt" });
    return onDisk(where, () => rm(indexName(path), { force: true }));
  }
  const places: [string, string][] = [];
  for (const [i, shard] of shards.entries()) {
    const file = shardName(path, i, shards.length);
    await writeSafetensors(file, shard, { format: "pt" });
    for (const name of shard.keys()) places.push([name, file.slice(file.lastIndexOf("/") + 1)]);
  }
  const metadata = { total_size: [...weights.values()].reduce((sum, tensor) => sum + bytesOf(tensor), 0) };
  await writeFileAtomic(indexName(path), json({ metadata, weight_map: Object.fromEntries(places) }));
  // Only now: until the index is there, the old file is what is read.
  await onDisk(where, () => rm(path, { force: true }));
}

/** The weights in their order, cut where the next one would make a file larger than `most` bytes. */
function shardsOf(weights: WeightMap, most: number): WeightMap[] {
  const shards: Map<string, HostTensor>[] = [];
  let room = 0;
  for (const [name, tensor] of weights) {
    const bytes = bytesOf(tensor);
    if (shards.length === 0 || bytes > room) {
      shards.push(new Map());
      room = most;
    }
    shards.at(-1)?.set(name, tensor);
    room -= bytes;
  }
  return shards;
}

function bytesOf({ dtype, data }: HostTensor): number {
  return elementBytes[dtype] * data.length;
}

/** JSON text in which these fields, where they are whole numbers, have a decimal point. */
function withPoints(text: string, fields: readonly string[] = []): string {
  return text.replace(/^( *"(\w+)": -?\d+)(,?)$/gm, (line, number, name, comma) =>
    fields.includes(name) ? `${number}.0${comma}` : line,
  );
}

/** JSON text; what it has no number for is written as Python does, which reads it again: `-Infinity`. */
function json(value: unknown): string {
  const mark = (_: string, part: unknown) =>
    typeof part === "number" && !Number.isFinite(part) ? `sid-lsg number ${part}` : part;
  try {
    return `${JSON.stringify(value, mark, 2)}\n`.replace(/"sid-lsg number (-?Infinity|NaN)"/g, "$1");
  } catch (cause) {
    throw new SidError("invalid-argument", "writeModelFolder: a configuration must be plain JSON.", { cause });
  }
}
