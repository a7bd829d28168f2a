import { existsSync } from "node:fs";
import { SidError, type WeightSource } from "sid-lsg";
import { type ComponentName, diskFolder, type FileTree, hubFolder, openComponent } from "sid-lsg/io";
import {
  type ClipTokenizer,
  clipTextEncoder,
  clipTextParameterSpecs,
  clipTokenizer,
  loadParameters,
  type NetworkParameters,
  type ParameterSpec,
  parseClipTextConfig,
  parseUnetConfig,
  type TextConditioner,
  textConditioner,
  type Unet,
  type UnetConfig,
  unet,
  unetParameterSpecs,
} from "sid-lsg/models";
import { parseVaeConfig, type Vae, vae, vaeParameterSpecs } from "sid-lsg/models/sd";
import { type ConfiguredSchedule, scheduleFromConfig } from "sid-lsg/schedules";
import type { PromptSource } from "sid-lsg/train";
import { tellCuts } from "./prompts/show";

/** Where a model comes from. */
export interface ModelPlace {
  readonly model: string | undefined;
  readonly hub: string | undefined;
  readonly variant: string | undefined;
}

/** What trades memory for time in a U-Net. */
export interface MemoryOptions {
  readonly gradientCheckpointing: boolean;
  readonly attentionSlice: number | undefined;
}

/** A diffusers folder of which everything but the weights was read and found to fit together. */
export interface OpenModel extends ConfiguredSchedule {
  readonly tree: FileTree;
  readonly variant: string | undefined;
  readonly unetConfig: UnetConfig;
  readonly tokenizer: ClipTokenizer;
  /** Warns of prompts that are too long and will be cut; of very many it looks at a sample. */
  checkPrompts(prompts: Pick<PromptSource, "length" | "get">): void;
  /** Pixels along one latent element. */
  readonly scale: number;
  /** What the weights of text encoder and VAE take in float32. */
  readonly otherBytes: number;
  makeUnet(name: string, memory?: MemoryOptions): Promise<Unet>;
  makeText(name: string): Promise<TextConditioner & { dispose(): void }>;
  makeVae(name: string): Promise<Vae>;
}

/** Of more prompts that are cut only the number is told. */
const shownCuts = 3;

/** Opens `--model` or `--hub`; throws naming what is missing or does not fit, before any weight is read. */
export async function openModel({ model, hub, variant }: ModelPlace): Promise<OpenModel> {
  const tree = treeOf(model, hub);
  const unetConfig = parseUnetConfig(await configOf(tree, "unet", variant));
  const textConfig = parseClipTextConfig(await configOf(tree, "text_encoder", variant));
  const vaeConfig = parseVaeConfig(await configOf(tree, "vae", variant));
  const scheduled = scheduleFromConfig((await openComponent(tree, "scheduler")).config);
  let cut = 0;
  const tokenizer = await tokenizerOf(tree, textConfig.maxLength, (warning) => {
    if (cut++ < shownCuts) console.warn(warning);
  });
  const fits: readonly [string, number, string, number][] = [
    [
      "the U-Net's cross_attention_dim",
      unetConfig.crossAttentionDim,
      "the text encoder's hidden_size",
      textConfig.width,
    ],
    ["the U-Net's in_channels", unetConfig.inChannels, "the VAE's latent_channels", vaeConfig.latentChannels],
    ["the U-Net's out_channels", unetConfig.outChannels, "the VAE's latent_channels", vaeConfig.latentChannels],
    ["the VAE's out_channels", vaeConfig.outChannels, "the channels of a picture", 3],
  ];
  for (const [one, a, other, b] of fits)
    if (a !== b) throw new Error(`${tree.name}: ${one} must be ${other}, got ${a} and ${b}.`);
  if (tokenizer.vocabularySize > textConfig.vocabularySize || tokenizer.maxLength > textConfig.maxLength)
    throw new Error(
      `${tree.name}: the tokenizer makes ${tokenizer.maxLength} of ${tokenizer.vocabularySize} tokens, ` +
        `the text encoder takes ${textConfig.maxLength} of ${textConfig.vocabularySize}.`,
    );
  const parameters = (name: string, part: ComponentName, specs: readonly ParameterSpec[]) =>
    load(tree, variant, name, part, specs);
  const [textSpecs, vaeSpecs] = [clipTextParameterSpecs(textConfig), vaeParameterSpecs(vaeConfig)];
  return {
    ...scheduled,
    ...{ tree, variant, unetConfig, tokenizer, scale: 2 ** (vaeConfig.channels.length - 1) },
    otherBytes: bytesOf(textSpecs) + bytesOf(vaeSpecs),
    checkPrompts(prompts) {
      const told = tellCuts(prompts, (prompt) => {
        const before = cut;
        tokenizer([prompt]);
        return cut > before;
      });
      if (told !== undefined && cut > shownCuts) console.warn(told);
    },
    async makeUnet(name, memory) {
      const weights = await parameters(name, "unet", unetParameterSpecs(unetConfig));
      const { schedule, predicts } = scheduled;
      return unet(unetConfig, { name, schedule, predicts, weights, ...memory });
    },
    async makeText(name) {
      const weights = await parameters(name, "text_encoder", textSpecs);
      const encoder = clipTextEncoder(textConfig, { name, weights });
      return { ...textConditioner({ tokenizer, encoder }), dispose: encoder.dispose };
    },
    async makeVae(name) {
      return vae(vaeConfig, { name, weights: await parameters(name, "vae", vaeSpecs) });
    },
  };
}

function bytesOf(specs: readonly ParameterSpec[]): number {
  return specs.reduce((sum, { shape }) => sum + 4 * shape.reduce((a, b) => a * b, 1), 0);
}

function treeOf(model: string | undefined, hub: string | undefined): FileTree {
  if ((model === undefined) === (hub === undefined))
    throw new Error("The model: wanted one of --model DIR and --hub OWNER/NAME.");
  if (hub !== undefined) {
    const [name = "", revision] = hub.split("@");
    return hubFolder(name, revision === undefined ? {} : { revision });
  }
  if (!existsSync(model as string)) throw new Error(`--model: there is no folder ${model}.`);
  return diskFolder(model as string);
}

/** A part's configuration; its weights are looked up as well, so that a missing file is found now. */
async function configOf(tree: FileTree, part: ComponentName, variant: string | undefined) {
  const { config, weights } = await openComponent(tree, part, variant === undefined ? {} : { variant });
  await weights.close();
  return config;
}

async function tokenizerOf(tree: FileTree, maxLength: number, onWarning: (warning: string) => void) {
  const { texts, config } = await openComponent(tree, "tokenizer");
  const files = {
    vocab: texts["vocab.json"],
    merges: texts["merges.txt"],
    tokenizerJson: texts["tokenizer.json"],
    addedTokens: texts["added_tokens.json"],
    specialTokensMap: texts["special_tokens_map.json"],
  };
  return clipTokenizer({ ...files, tokenizerConfig: config }, { maxLength, onWarning });
}

async function load(
  tree: FileTree,
  variant: string | undefined,
  name: string,
  part: ComponentName,
  specs: readonly ParameterSpec[],
): Promise<NetworkParameters> {
  const { weights } = await openComponent(tree, part, variant === undefined ? {} : { variant });
  try {
    return await loadParameters(name, specs, finite(weights, `${tree.name}: ${part}`));
  } finally {
    await weights.close();
  }
}

/** The same weights; reading one that is not finite throws. */
function finite(source: WeightSource, where: string): WeightSource {
  return {
    ...source,
    async read(name) {
      const tensor = await source.read(name);
      if (tensor.data instanceof Float32Array && !tensor.data.every(Number.isFinite))
        throw new SidError("not-finite", `${where}: weight "${name}" holds NaN or infinities.`);
      return tensor;
    },
  };
}
