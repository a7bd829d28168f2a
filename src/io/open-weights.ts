import { describe, isObject } from "../core/checks";
import { SidError } from "../core/errors";
import type { WeightInfo, WeightSource } from "../core/host-tensor";
import type { ByteSource } from "./byte-source";
import { type ComponentFiles, type ComponentName, componentFiles, indexName, inVariant } from "./component-files";
import { type FileTree, isPlainName, missing, openIn, readJson } from "./file-tree";
import { parseSafetensors } from "./open-safetensors";
import { corrupt } from "./safetensors-header";

/** More files than any model of today has: they are open at the same time. */
const mostShards = 1000;

/** Opens a part's weights, in one file or in shards, all checked by their headers. `folder` ends in `/` or is empty. */
export async function openWeights(
  caller: string,
  tree: FileTree,
  folder: string,
  files: ComponentFiles,
  variant: string | undefined,
): Promise<WeightSource> {
  const plain = files.weights;
  if (plain === undefined) return noWeights(`${caller}: ${tree.name}`);
  const single = folder + inVariant(plain, variant);
  const source = await openIn(caller, tree, single);
  if (source) return closingOnError([source], () => parseSafetensors(`${caller} ${source.name}`, source));
  const index = folder + inVariant(indexName(plain), variant);
  if (await exists(caller, tree, index)) return openShards(caller, tree, folder, index);
  throw await whyMissing(caller, tree, folder, files, variant);
}

/** Opens the files that an index lists, and checks that each holds exactly the tensors that the index says. */
async function openShards(caller: string, tree: FileTree, folder: string, index: string): Promise<WeightSource> {
  const where = `${caller}: ${JSON.stringify(index)} of ${tree.name}`;
  const places = placesOf(where, (await readJson(caller, tree, index))["weight_map"]);
  const names = [...new Set(places.values())];
  if (names.length > mostShards) throw corrupt(where, `wanted at most ${mostShards} files, got ${names.length}`);
  const sources: ByteSource[] = [];
  return closingOnError(sources, async () => {
    for (const name of names) {
      const source = await openIn(caller, tree, folder + name);
      if (!source)
        throw new SidError("io", `${where}: the file ${describe(name)} is missing, one of ${names.length} shards.`);
      sources.push(source);
    }
    const entries = new Map<string, WeightInfo>();
    const homes = new Map<string, WeightSource>();
    for (const [i, source] of sources.entries()) {
      const shard = await parseSafetensors(`${caller} ${source.name}`, source);
      for (const [tensor, info] of shard.entries) {
        const place = places.get(tensor);
        if (place !== names[i])
          throw corrupt(
            where,
            `the file ${describe(names[i])} holds the tensor ${describe(tensor)}, which the index ${place === undefined ? "does not list" : `places in ${describe(place)}`}`,
          );
        entries.set(tensor, info);
        homes.set(tensor, shard);
      }
    }
    for (const [tensor, place] of places)
      if (!homes.has(tensor)) throw corrupt(where, `the tensor ${describe(tensor)} is not in ${describe(place)}`);
    return {
      entries,
      async read(name) {
        const home = homes.get(name);
        if (!home) throw new SidError("invalid-argument", `${where}: there is no tensor ${describe(name)}.`);
        return home.read(name);
      },
      close: () => closeAll(sources),
    };
  });
}

/** An index's map from tensors to files of its own folder. */
function placesOf(where: string, map: unknown): ReadonlyMap<string, string> {
  if (!isObject(map)) throw corrupt(where, `weight_map must be an object, got ${describe(map)}`);
  const places = Object.entries(map);
  if (places.length === 0) throw corrupt(where, "weight_map lists no tensor");
  for (const [tensor, file] of places)
    if (typeof file !== "string" || !isPlainName(file) || !file.endsWith(".safetensors"))
      throw corrupt(
        where,
        `the tensor ${describe(tensor)} must be in a .safetensors file of the same folder, got ${describe(file)}`,
      );
  return new Map(places as [string, string][]);
}

/** Sets of weights that models are published in. */
const variants = ["fp16", "bf16", "fp32", "fp8", "ema", "non_ema", "no_ema"];

/** What other frameworks call a part's weights. */
const foreign = [
  ["diffusion_flax_model.msgpack", "Flax"],
  ["flax_model.msgpack", "Flax"],
  ["model.onnx", "ONNX"],
  ["openvino_model.xml", "OpenVINO"],
] as const;

/** The error for weights that are not there, with what is there instead. */
async function whyMissing(
  caller: string,
  tree: FileTree,
  folder: string,
  { weights = "", pickle = "" }: ComponentFiles,
  variant: string | undefined,
): Promise<SidError> {
  const wanted = folder + inVariant(weights, variant);
  const files = `the file ${JSON.stringify(wanted)}, and its index for shards`;
  for (const other of [undefined, ...variants])
    for (const name of other === variant ? [] : [weights, indexName(weights)].map((file) => inVariant(file, other)))
      if (await exists(caller, tree, folder + name)) {
        const remedy = other === undefined ? "leave out the variant" : `give the variant ${JSON.stringify(other)}`;
        return missing(caller, tree, files, `; there is ${JSON.stringify(folder + name)}: ${remedy}`);
      }
  for (const name of [inVariant(pickle, variant), inVariant(`${pickle}.index.json`, variant)])
    if (await exists(caller, tree, folder + name))
      return new SidError(
        "unsupported",
        `${caller}: ${tree.name} lacks ${files}; ${JSON.stringify(folder + name)} is a pickle, which may run any code when Python reads it: ${conversion(folder + name, wanted)}.`,
      );
  for (const [name, kind] of foreign)
    if (await exists(caller, tree, folder + name))
      return new SidError(
        "unsupported",
        `${caller}: ${tree.name} lacks ${files}; ${JSON.stringify(folder + name)} is of ${kind}, which is not read: take the model's safetensors files.`,
      );
  return missing(caller, tree, files);
}

/** How to make safetensors of a pickle, or of the shards that an index lists. */
function conversion(pickle: string, wanted: string): string {
  return pickle.endsWith(".json")
    ? "convert it in PyTorch with save_pretrained(folder, safe_serialization=True)"
    : `convert it, which runs none of it, with npm run convert -- ${JSON.stringify(pickle)} ${JSON.stringify(wanted)}, or readPth and writeSafetensors of sid-lsg/io`;
}

/** Whether a part in the folder of its name has weights of this variant, in one file or in shards. */
export async function hasVariant(
  caller: string,
  tree: FileTree,
  component: ComponentName,
  variant: string,
): Promise<boolean> {
  checkVariant(caller, variant);
  const { weights } = componentFiles[component];
  for (const name of weights === undefined ? [] : [weights, indexName(weights)])
    if (await exists(caller, tree, `${component}/${inVariant(name, variant)}`)) return true;
  return false;
}

/** Throws unless a variant is one word. */
export function checkVariant(where: string, variant: string): void {
  if (typeof variant !== "string" || !/^\w+$/.test(variant))
    throw new SidError("invalid-argument", `${where}: a variant is one word, got ${describe(variant)}.`);
}

async function exists(caller: string, tree: FileTree, path: string): Promise<boolean> {
  const source = await openIn(caller, tree, path);
  await source?.close();
  return source !== undefined;
}

/** Runs `work`; closes the sources where it throws. */
async function closingOnError<T>(sources: readonly ByteSource[], work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    // The first error is the one to report.
    await closeAll(sources).catch(() => {});
    throw error;
  }
}

async function closeAll(sources: readonly ByteSource[]): Promise<void> {
  await Promise.all(sources.map((source) => source.close()));
}

function noWeights(where: string): WeightSource {
  return {
    entries: new Map(),
    async read(name) {
      throw new SidError("invalid-argument", `${where}: there is no tensor ${describe(name)}.`);
    },
    async close() {},
  };
}
