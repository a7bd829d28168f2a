import { nodeFs } from "./disk";

/** A folder of the Hugging Face Hub's cache that holds one model: `models--owner--name`. */
const cached = /^models--.+/;

/** `owner/name`, or the address of its page. */
const hubModel = /^(?:https?:\/\/(?:huggingface|hf)\.co\/)?([\w-][\w.-]*\/[\w-][\w.-]*)(?:\/|\/tree\/.*)?$/;

/** Files that may be a model in one piece. */
const singleFile = /\.(safetensors|ckpt|pt|pth|bin)$/i;

/**
 * The folder of a model's files where `path` is one of the hub's cache: `models--owner--name`, or the cache above it where
 * it holds one model. Its snapshot is that of the branch `main`, else the only one. Node only.
 */
export async function snapshotOf(path: string): Promise<string | undefined> {
  const root = await cacheOf(path);
  if (root === undefined) return undefined;
  const { readFile } = await nodeFs();
  const commits = await namesIn(`${root}/snapshots`);
  const main = (await readFile(`${root}/refs/main`, "utf8").catch(() => "")).trim();
  const commit = commits.includes(main) ? main : commits.length === 1 ? commits[0] : undefined;
  return commit === undefined ? undefined : `${root}/snapshots/${commit}`;
}

/** What is wrong with a folder in which a model's file is missing, and what to do; undefined where nothing is seen. Node only. */
export async function whyNoModel(path: string): Promise<string | undefined> {
  const { stat } = await nodeFs();
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return `there is no such folder${elsewhere(path)}`;
  if (!found.isDirectory()) return `it is a file, and a folder as diffusers writes it is wanted. ${conversion(path)}`;
  const root = await cacheOf(path);
  const snapshots = root === undefined || (await snapshotOf(root)) ? [] : await namesIn(`${root}/snapshots`);
  if (snapshots.length > 1)
    return (
      `it is a model of the hub's cache with ${snapshots.length} snapshots, and none is known as main: give one of them, ` +
      snapshots.map((name) => JSON.stringify(`${root}/snapshots/${name}`)).join(", ")
    );
  if (root === path) return "it is a model of the hub's cache whose download was not finished: fetch it again";
  const names = await namesIn(path);
  const models = [...names, ...(await namesIn(`${path}/hub`)).map((name) => `hub/${name}`)].filter((name) =>
    cached.test(name.replace("hub/", "")),
  );
  if (models.length > 0)
    return `it is the hub's cache of ${models.length} models: give one of them, such as "${path}/${models[0]}"`;
  if (names.includes("model_index.json")) return pipelineOf(`${path}/model_index.json`);
  if (names.includes("config.json")) return "it seems to be the folder of one part: give the folder above it";
  for (const name of names)
    if ((await namesIn(`${path}/${name}`)).includes("model_index.json")) return `there is a model in "${path}/${name}"`;
  const single = names.find((name) => singleFile.test(name));
  return single && `a folder as diffusers writes it is wanted. ${conversion(`${path}/${single}`)}`;
}

/** What a model is that is no Stable Diffusion, as its index says. */
async function pipelineOf(index: string): Promise<string | undefined> {
  const { readFile } = await nodeFs();
  const text = await readFile(index, "utf8").catch(() => "");
  const [, name] = /"_class_name": *"(\w+)"/.exec(text) ?? [];
  return name === undefined || name.startsWith("StableDiffusionPipeline")
    ? undefined
    : `its model_index.json says ${name}`;
}

/** Paths that mean themselves in a shell, between its double quotes, and in a text of Python's. */
const plain = /^[\p{L}\p{N}_ ./:,+=@~-]+$/u;

/** How to make a folder of a checkpoint in one file. */
function conversion(path: string): string {
  if (!singleFile.test(path)) return "Give the folder that holds model_index.json";
  const isPlain = plain.test(path);
  const [file, folder] = isPlain ? [path, path.replace(singleFile, "")] : ["FILE", "FOLDER"];
  return (
    "A checkpoint in one file becomes one with: python -c " +
    `"from diffusers import StableDiffusionPipeline as P; P.from_single_file('${file}').save_pretrained('${folder}')"` +
    (isPlain ? "" : ", with its path for FILE and that of a new folder for FOLDER")
  );
}

/** Where a model that is no folder may be instead. */
function elsewhere(path: string): string {
  const [, name] = hubModel.exec(path) ?? [];
  if (name !== undefined) return `; a model of the Hugging Face Hub is read by hubFolder("${name}"), or --hub ${name}`;
  return /^https?:\/\//i.test(path) ? "; a folder behind an address is read by urlFolder" : "";
}

/** The folder of the one model that a path into the hub's cache names. */
async function cacheOf(path: string): Promise<string | undefined> {
  return (await isModelCache(path)) ? path : onlyModel(path);
}

/** The one model in a cache, or in the folder `hub` of the one above. */
async function onlyModel(path: string): Promise<string | undefined> {
  for (const folder of [path, `${path}/hub`]) {
    const models = (await namesIn(folder)).filter((name) => cached.test(name));
    if (models.length === 1) return `${folder}/${models[0]}`;
  }
  return undefined;
}

async function isModelCache(path: string): Promise<boolean> {
  return (await namesIn(path)).includes("snapshots");
}

/** What is in a folder; nothing where there is none. */
async function namesIn(path: string): Promise<string[]> {
  const { readdir } = await nodeFs();
  return readdir(path).then(
    (names) => names.sort(),
    () => [],
  );
}
