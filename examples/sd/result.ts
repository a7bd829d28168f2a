import { join } from "node:path";
import type { HostTensor, WeightMap } from "sid-lsg";
import {
  type ComponentName,
  type ComponentOptions,
  type FileTree,
  type ModelComponent,
  openComponent,
  readComponent,
  writeFileAtomic,
  writeModelFolder,
  writeSafetensors,
} from "sid-lsg/io";
import {
  clipTextParameterSpecs,
  type GeneratorOptions,
  type ParameterSpec,
  readWeights,
  type Unet,
} from "sid-lsg/models";
import { type Lora, loraFile, mergeLora, vaeParameterSpecs } from "sid-lsg/models/sd";
import { makeFolder } from "../common/folders";
import type { OpenModel } from "./model";

/** The file that says how a folder's U-Net is asked. */
export const settingsFile = "sid-lsg.json";

/** What a run writes into its folder. */
export function outputs(folder: string) {
  return {
    generator: join(folder, "generator"),
    adapter: join(folder, "adapter"),
    samples: join(folder, "samples"),
    checkpoint: join(folder, "checkpoint.safetensors"),
    log: join(folder, "log.jsonl"),
  };
}

/** What {@link writeResult} writes. */
export interface Result {
  readonly network: Unet | Lora;
  readonly generator: Required<Omit<GeneratorOptions, "between">>;
  readonly output: "merged" | "adapter" | "both";
}

/** Writes the generator as a whole diffusers folder, as an adapter's file, or both; returns the paths. */
export async function writeResult(out: string, model: OpenModel, { network, generator, output }: Result) {
  const files = outputs(out);
  const adapted = "adapter" in network ? network : undefined;
  const written: string[] = [];
  if (!adapted || output !== "adapter") {
    await writePipeline(files.generator, model, adapted ? await mergeLora(adapted) : await readWeights(network));
    written.push(files.generator);
  }
  if (adapted && output !== "merged") {
    makeFolder(files.adapter);
    const { tensors, metadata } = await loraFile(adapted);
    await writeSafetensors(join(files.adapter, "pytorch_lora_weights.safetensors"), tensors, metadata);
    written.push(files.adapter);
  }
  for (const folder of written)
    await writeFileAtomic(join(folder, settingsFile), `${JSON.stringify(generator, null, 2)}\n`);
  return written;
}

/** The teacher's folder with another U-Net. */
async function writePipeline(folder: string, model: OpenModel, weights: WeightMap): Promise<void> {
  const { folder: tree, variants, configs } = model;
  const of = (variant: string | undefined) => (variant === undefined ? {} : { variant });
  const unet = await openComponent(tree, "unet", of(variants.unet));
  await unet.weights.close();
  await writeModelFolder(folder, {
    unet: { config: unet.config, weights },
    text_encoder: await copyOf(tree, "text_encoder", of(variants.text), clipTextParameterSpecs(configs.text)),
    vae: await copyOf(tree, "vae", of(variants.vae), vaeParameterSpecs(configs.vae)),
    scheduler: await readComponent(tree, "scheduler"),
    tokenizer: await readComponent(tree, "tokenizer"),
  });
}

/** A part with the weights that its network has: what else a file may hold, nothing reads. */
async function copyOf(
  tree: FileTree,
  part: ComponentName,
  options: ComponentOptions,
  specs: readonly ParameterSpec[],
): Promise<ModelComponent> {
  const { config, weights } = await openComponent(tree, part, options);
  const tensors = new Map<string, HostTensor>();
  try {
    for (const { name } of specs) tensors.set(name, await weights.read(name));
  } finally {
    await weights.close();
  }
  return { config, weights: tensors };
}
