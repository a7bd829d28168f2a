import { checkOneOf, describe, isObject } from "../core/checks";
import { SidError } from "../core/errors";
import type { WeightMap } from "../core/host-tensor";
import { located, makeFolder, nodeFs, onDisk, readSafetensors, writeFileAtomic, writeSafetensors } from "./files";
import { corrupt } from "./safetensors-header";

/** Parts of a model folder that this library reads and writes. */
export type ComponentName = "unet" | "vae" | "text_encoder" | "scheduler";

/** A configuration file as it stands: plain JSON. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** One part of a model folder. */
export interface ModelComponent {
  /** The content of `config.json`, or of `scheduler_config.json`. */
  readonly config: JsonObject;
  /** In PyTorch's names and layouts; empty for the scheduler. */
  readonly weights: WeightMap;
}

/** Where diffusers and transformers keep each part, inside the part's own folder. */
const files: Readonly<Record<ComponentName, { readonly config: string; readonly weights?: string }>> = {
  unet: { config: "config.json", weights: "diffusion_pytorch_model.safetensors" },
  vae: { config: "config.json", weights: "diffusion_pytorch_model.safetensors" },
  text_encoder: { config: "config.json", weights: "model.safetensors" },
  scheduler: { config: "scheduler_config.json" },
};

/**
 * Reads one part of a diffusers-style model folder: its configuration and its weights. Node only.
 *
 * | part | files |
 * |---|---|
 * | `unet` | `unet/config.json`, `unet/diffusion_pytorch_model.safetensors` |
 * | `vae` | `vae/config.json`, `vae/diffusion_pytorch_model.safetensors` |
 * | `text_encoder` | `text_encoder/config.json`, `text_encoder/model.safetensors` |
 * | `scheduler` | `scheduler/scheduler_config.json` |
 *
 * @param folder - the model folder, the one that holds `model_index.json`.
 * @param component - which part.
 * @returns the configuration and the weights.
 * @throws SidError `io` where a file cannot be read, `corrupt-file` where it is damaged.
 *
 * @example
 * ```ts
 * import { readComponent, writeModelFolder } from "sid-lsg/io";
 *
 * await writeModelFolder("model", { scheduler: { config: { beta_start: 1e-4 }, weights: new Map() } });
 * console.log((await readComponent("model", "scheduler")).config["beta_start"]); // 0.0001
 * ```
 */
export async function readComponent(folder: string, component: ComponentName): Promise<ModelComponent> {
  located("readComponent", folder);
  checkOneOf("readComponent", "component", component, Object.keys(files) as ComponentName[]);
  const { config, weights } = files[component];
  return {
    config: await readJson(`${folder}/${component}/${config}`),
    weights: weights ? (await readSafetensors(`${folder}/${component}/${weights}`)).tensors : new Map(),
  };
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
): Promise<void> {
  located("writeModelFolder", folder);
  const parts = checkComponents(components);
  for (const [name, { config, weights }] of parts) {
    const path = `${folder}/${name}`;
    const where = located("writeModelFolder", path);
    await onDisk(where, async () => makeFolder(path));
    const file = files[name];
    if (file.weights) await writeSafetensors(`${path}/${file.weights}`, weights, { format: "pt" });
    await writeFileAtomic(`${path}/${file.config}`, json(config));
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
    checkOneOf<string>("writeModelFolder", "component", name, Object.keys(files));
    if (!isObject(part) || !isObject(part["config"])) fail(`${name} needs a config, got ${describe(part)}`);
    const { config, weights }: ModelComponent = part;
    if (!(weights instanceof Map)) fail(`the weights of ${name} must be a Map, got ${describe(weights)}`);
    if (name === "scheduler" && weights.size > 0) fail(`the scheduler has no weights, got ${weights.size}`);
    return [name as ComponentName, { config, weights }];
  });
}

/** `[library, class]` as `model_index.json` wants it. */
function classOf(config: JsonObject): readonly [string, unknown] | null {
  if (typeof config["_class_name"] === "string") return ["diffusers", config["_class_name"]];
  const [architecture] = Array.isArray(config["architectures"]) ? config["architectures"] : [];
  return typeof architecture === "string" ? ["transformers", architecture] : null;
}

async function readJson(path: string): Promise<JsonObject> {
  const where = located("readComponent", path);
  const text = await onDisk(where, async () => (await nodeFs()).readFile(path, "utf8"));
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw corrupt(where, "not valid JSON", cause);
  }
  if (!isObject(value)) throw corrupt(where, `wanted a JSON object, got ${describe(value)}`);
  return value;
}

function json(value: unknown): string {
  try {
    return `${JSON.stringify(value, null, 2)}\n`;
  } catch (cause) {
    throw new SidError("invalid-argument", "writeModelFolder: a configuration must be plain JSON.", { cause });
  }
}
