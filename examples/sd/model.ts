import { type FileTree, hubFolder } from "sid-lsg/io";
import { clipTextParameterSpecs, type ParameterSpec } from "sid-lsg/models";
import {
  type LoadProgress,
  loadStableDiffusion,
  type OpenStableDiffusion,
  openStableDiffusion,
  type StableDiffusionPart,
  vaeParameterSpecs,
} from "sid-lsg/models/sd";
import type { PromptSource } from "sid-lsg/train";
import { startProgress } from "../common/progress";
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
export interface OpenModel extends OpenStableDiffusion {
  /** Warns of prompts that are too long and will be cut; of very many it looks at a sample. */
  checkPrompts(prompts: Pick<PromptSource, "length" | "get">): void;
  /** Pixels along one latent element. */
  readonly scale: number;
  /** What the weights of text encoder and VAE take, stored so. */
  readonly otherBytes: (weights: "f32" | "f16") => number;
}

/** Of more prompts that are cut only the number is told. */
const shownCuts = 3;

/** Loading fewer bytes than this is no long job. */
const longLoad = 2 ** 28;

/** Opens `--model` or `--hub`; throws naming what is missing or does not fit, before any weight is read. */
export async function openModel({ model, hub, variant }: ModelPlace): Promise<OpenModel> {
  let cut = 0;
  const onCutPrompt = (warning: string) => {
    if (cut++ < shownCuts) console.warn(warning);
  };
  const opened = await openStableDiffusion(placeOf(model, hub), { variant, onCutPrompt });
  const { configs, tokenizer } = opened;
  return {
    ...opened,
    scale: 2 ** (configs.vae.channels.length - 1),
    otherBytes: (weights) =>
      bytesOf(clipTextParameterSpecs(configs.text), weights) + bytesOf(vaeParameterSpecs(configs.vae), weights),
    checkPrompts(prompts) {
      const told = tellCuts(prompts, (prompt) => {
        const before = cut;
        tokenizer([prompt]);
        return cut > before;
      });
      if (told !== undefined) console.warn(told);
    },
  };
}

/** How parts are loaded. */
export interface LoadingParts {
  readonly memory?: MemoryOptions | undefined;
  readonly unetName?: string | undefined;
  /** Of two bytes where nothing of the parts is trained. */
  readonly weights?: "f32" | "f16" | undefined;
}

/** Makes parts of a model, with a progress line where it takes long. */
export async function loadParts<P extends StableDiffusionPart>(
  model: OpenModel,
  parts: readonly P[],
  { memory, unetName = "unet", weights }: LoadingParts = {},
) {
  let progress: ReturnType<typeof startProgress> | undefined;
  const onProgress = ({ loaded, total }: LoadProgress) => {
    if (total < longLoad) return;
    progress ??= startProgress("loading weights (%)", 100);
    progress.update(Math.round((100 * loaded) / total));
  };
  const names = { unet: unetName };
  return loadStableDiffusion(model, { parts, names, unet: memory, weights, onProgress }).finally(() =>
    progress?.finish(),
  );
}

function bytesOf(specs: readonly ParameterSpec[], weights: "f32" | "f16"): number {
  const each = ({ layout }: ParameterSpec) => (weights === "f16" && layout !== "as-is" ? 2 : 4);
  return specs.reduce((sum, spec) => sum + each(spec) * spec.shape.reduce((a, b) => a * b, 1), 0);
}

function placeOf(model: string | undefined, hub: string | undefined): string | FileTree {
  if ((model === undefined) === (hub === undefined))
    throw new Error("The model: wanted one of --model DIR and --hub OWNER/NAME.");
  if (hub === undefined) return model as string;
  const [name = "", revision] = hub.split("@");
  return hubFolder(name, revision === undefined ? {} : { revision });
}
