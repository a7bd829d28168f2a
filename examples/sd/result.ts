import { join } from "node:path";
import type { WeightMap } from "sid-lsg";
import { openComponent, readComponent, writeFileAtomic, writeModelFolder, writeSafetensors } from "sid-lsg/io";
import { type GeneratorOptions, readWeights, type Unet } from "sid-lsg/models";
import { type Lora, loraFile, mergeLora } from "sid-lsg/models/sd";
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
  readonly generator: Required<GeneratorOptions>;
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
  const { tree, variant } = model;
  const options = variant === undefined ? {} : { variant };
  const unet = await openComponent(tree, "unet", options);
  await unet.weights.close();
  await writeModelFolder(folder, {
    unet: { config: unet.config, weights },
    text_encoder: await readComponent(tree, "text_encoder", options),
    vae: await readComponent(tree, "vae", options),
    scheduler: await readComponent(tree, "scheduler"),
    tokenizer: await readComponent(tree, "tokenizer"),
  });
}
