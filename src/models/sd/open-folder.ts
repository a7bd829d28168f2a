import { checkArray, checkFunction, checkObject, checkOneOf, type KeysOf } from "../../core/checks";
import { SidError } from "../../core/errors";
import type { ComponentName } from "../../io/component-files";
import { type FileTree, treeOf } from "../../io/file-tree";
import { openPart } from "../../io/open-component";
import { hasVariant } from "../../io/open-weights";
import { type ConfiguredSampling, type ConfiguredSchedule, scheduleFromConfig } from "../../schedules";
import { type ClipTextConfig, parseClipTextConfig } from "../text/clip-config";
import { type ClipTokenizer, clipTokenizer, tokenizerFiles } from "../text/clip-tokenizer";
import { parseUnetConfig, type UnetConfig } from "../unet/config";
import { parseVaeConfig, type VaeConfig } from "./vae-config";

/** A network of Stable Diffusion: the U-Net, the text encoder, the autoencoder. */
export type StableDiffusionPart = "unet" | "text" | "vae";

/** Where a model folder keeps each part. */
export const folders = { unet: "unet", text: "text_encoder", vae: "vae" } as const satisfies Record<
  StableDiffusionPart,
  ComponentName
>;

/** All parts. */
export const allParts = Object.keys(folders) as StableDiffusionPart[];

/** The architecture of each part. */
export interface StableDiffusionConfigs {
  /** From `unet/config.json`. */
  readonly unet: UnetConfig;
  /** From `text_encoder/config.json`. */
  readonly text: ClipTextConfig;
  /** From `vae/config.json`. */
  readonly vae: VaeConfig;
}

/** Options of {@link openStableDiffusion}. */
export interface OpenStableDiffusionOptions<P extends StableDiffusionPart = StableDiffusionPart> {
  /** The parts that are wanted; the others need not be in the folder. @defaultValue all */
  readonly parts?: readonly P[] | undefined;
  /**
   * Which of several sets of weights, such as `"fp16"`: read where a part has it, else the part's plain file, as diffusers
   * does.
   * @defaultValue the plain files
   */
  readonly variant?: string | undefined;
  /**
   * Is told what was repaired, passed over or replaced.
   * @defaultValue `console.warn`
   */
  readonly onWarning?: ((warning: string) => void) | undefined;
  /**
   * Is told once of each prompt that the tokenizer cuts.
   * @defaultValue `onWarning`
   */
  readonly onCutPrompt?: ((warning: string) => void) | undefined;
}

/** The keys of {@link OpenStableDiffusionOptions}. */
export const openingKeys: KeysOf<OpenStableDiffusionOptions> = { parts: 1, variant: 1, onWarning: 1, onCutPrompt: 1 };

/** A Stable Diffusion of which everything but the weights was read and found to fit together. */
export interface OpenStableDiffusion<P extends StableDiffusionPart = StableDiffusionPart> extends ConfiguredSchedule {
  /** Where it lies. */
  readonly folder: FileTree;
  /** The architectures of the parts that were asked for. */
  readonly configs: Pick<StableDiffusionConfigs, P>;
  /** Prompts to token ids, as the text encoder takes them; none without the part `"text"`. */
  readonly tokenizer: "text" extends P ? ClipTokenizer : undefined;
  /** The variant of each part's weights; undefined is the plain file. */
  readonly variants: Readonly<Partial<Record<StableDiffusionPart, string | undefined>>>;
}

/**
 * Opens a diffusers folder of Stable Diffusion 1.x or 2.x: scheduler, tokenizer and configurations are read, weights are
 * looked up, and all is checked to fit together. `loadStableDiffusion` makes the networks.
 *
 * As diffusers' StableDiffusionPipeline does, it repairs a scheduler's file that clips x̂0 (`clip_sample`, a default for
 * pixels) or begins "leading" timesteps at 0 (`steps_offset`), with a warning that says so.
 *
 * @param folder - a path on the disk, a model of the hub's cache among them, or any {@link FileTree}.
 * @param options - parts, variant, who is warned.
 * @returns the schedule, how to sample, the tokenizer and the architectures; nothing stays open.
 * @throws SidError `io` naming the file that is missing, `corrupt-file` where one is damaged, `unsupported` for what is not
 *   implemented, `shape-mismatch` where parts do not fit together.
 *
 * @example
 * ```ts no-run
 * import { openStableDiffusion } from "sid-lsg/models/sd";
 *
 * const model = await openStableDiffusion("stable-diffusion-v1-5", { variant: "fp16" });
 * console.log(model.predicts, model.configs.unet.crossAttentionDim, model.tokenizer(["a cat"])); // "eps" 768 …
 * ```
 */
export async function openStableDiffusion<P extends StableDiffusionPart = StableDiffusionPart>(
  folder: string | FileTree,
  options: OpenStableDiffusionOptions<P> = {},
): Promise<OpenStableDiffusion<P>> {
  const tree = treeOf(where, folder);
  const { variant, onWarning = console.warn } = checkObject(where, "options", options, openingKeys);
  const parts = checkParts(where, options.parts);
  const { onCutPrompt = onWarning } = options;
  checkFunction(where, "onWarning", onWarning);
  const variants = await variantsOf(tree, parts, variant, onWarning);
  const read = async (part: StableDiffusionPart) => {
    if (!parts.includes(part)) return undefined;
    const chosen = variants[part];
    const { config, weights } = await openPart(where, tree, folders[part], chosen ? { variant: chosen } : {});
    await weights.close();
    return config;
  };
  const [unet, text, vae] = [await read("unet"), await read("text"), await read("vae")];
  const configs: Partial<StableDiffusionConfigs> = {
    ...(unet && { unet: parseUnetConfig(unet, { onWarning }) }),
    ...(text && { text: parseClipTextConfig(text, { onWarning }) }),
    ...(vae && { vae: parseVaeConfig(vae, { onWarning }) }),
  };
  const scheduled = scheduleFromConfig((await openPart(where, tree, "scheduler", {})).config);
  const tokenizer = configs.text && (await openTokenizer(tree, configs.text.maxLength, onCutPrompt));
  checkFit(`${where}: ${tree.name}`, configs, tokenizer);
  const sampling = repaired(scheduled.sampling, (warning) => onWarning(`${where}: ${tree.name}: ${warning}`));
  const model = { ...scheduled, sampling, folder: tree, configs, tokenizer, variants };
  return model as unknown as OpenStableDiffusion<P>;
}

const where = "openStableDiffusion";

/** The parts that are wanted, all of them where none are named; throws for what is none. */
export function checkParts(where: string, parts: readonly string[] = allParts): readonly StableDiffusionPart[] {
  for (const part of checkArray(where, "parts", parts)) checkOneOf<string>(where, "part", part, allParts);
  return allParts.filter((part) => parts.includes(part));
}

/** The variant of each part, where it has one. */
async function variantsOf(
  tree: FileTree,
  parts: readonly StableDiffusionPart[],
  variant: string | undefined,
  onWarning: (warning: string) => void,
): Promise<Partial<Record<StableDiffusionPart, string>>> {
  if (variant === undefined) return {};
  const having: StableDiffusionPart[] = [];
  for (const part of parts) if (await hasVariant(where, tree, folders[part], variant)) having.push(part);
  // Where no part has it, each is asked for it, and the first says what there is.
  const lacking = parts.filter((part) => !having.includes(part));
  if (having.length > 0 && lacking.length > 0)
    onWarning(
      `${where}: ${tree.name} has the variant "${variant}" of ${listed(having)}; of ${listed(lacking)} the plain weights are read.`,
    );
  return Object.fromEntries((having.length > 0 ? having : parts).map((part) => [part, variant]));
}

function listed(parts: readonly StableDiffusionPart[]): string {
  return parts.map((part) => folders[part]).join(" and ");
}

async function openTokenizer(tree: FileTree, maxLength: number, onWarning: (warning: string) => void) {
  const { texts, config } = await openPart(where, tree, "tokenizer", {});
  return clipTokenizer(tokenizerFiles(texts, config), { maxLength, onWarning });
}

/** Throws unless the parts that are there belong together. */
function checkFit(at: string, { unet, text, vae }: Partial<StableDiffusionConfigs>, tokenizer?: ClipTokenizer): void {
  const latents = "the VAE's latent_channels";
  const pairs: readonly (readonly [string, number | undefined, string, number | undefined])[] = [
    ["the U-Net's cross_attention_dim", unet?.crossAttentionDim, "the text encoder's hidden_size", text?.width],
    ["the U-Net's in_channels", unet?.inChannels, latents, vae?.latentChannels],
    ["the U-Net's out_channels", unet?.outChannels, latents, vae?.latentChannels],
    ["the VAE's out_channels", vae?.outChannels, "the channels of a picture", 3],
  ];
  for (const [one, a, other, b] of pairs)
    if (a !== undefined && b !== undefined && a !== b)
      throw new SidError("shape-mismatch", `${at}: ${one} must be ${other}, got ${a} and ${b}.`);
  if (text === undefined || tokenizer === undefined) return;
  const { vocabularySize, maxLength } = tokenizer;
  if (vocabularySize > text.vocabularySize || maxLength > text.maxLength)
    throw new SidError(
      "shape-mismatch",
      `${at}: the tokenizer makes ${maxLength} of ${vocabularySize} tokens, the text encoder takes ${text.maxLength} of ${text.vocabularySize}.`,
    );
}

/** What StableDiffusionPipeline repairs: latents are not bounded, and "leading" timesteps begin at 1. */
function repaired(sampling: ConfiguredSampling, onWarning: (warning: string) => void): ConfiguredSampling {
  const as = "as diffusers' StableDiffusionPipeline does";
  const { clip, stepsOffset, spacing } = sampling;
  if (clip !== undefined) onWarning(`the scheduler's clip_sample is on, which is for pixels: taken as false, ${as}.`);
  if (stepsOffset !== 1 && spacing === "leading")
    onWarning(`the scheduler's steps_offset is ${stepsOffset}: taken as 1, ${as}.`);
  return { ...sampling, clip: undefined, stepsOffset: 1 };
}
