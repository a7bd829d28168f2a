import { checkFunction, checkObject, checkText, type KeysOf } from "../../core/checks";
import { SidError } from "../../core/errors";
import type { HostTensor } from "../../core/host-tensor";
import type { FileTree } from "../../io/file-tree";
import { openPart } from "../../io/open-component";
import { type ClipTextEncoder, clipTextEncoder, clipTextParameterSpecs } from "../text/clip-text-encoder";
import { textConditioner } from "../text/conditioner";
import type { TextConditioner } from "../types";
import { type UnetMemoryOptions, unetMemoryKeys } from "../unet/network";
import { type Unet, unet, unetParameterSpecs } from "../unet/unet";
import { loadParameters } from "../weights/load-parameters";
import { checkParameterOptions } from "../weights/parameters";
import type { NetworkParameters, ParameterOptions, ParameterSpec } from "../weights/types";
import { bytesOnBackend, watched } from "../weights/watch-source";
import {
  checkParts,
  folders,
  type OpenStableDiffusion,
  type OpenStableDiffusionOptions,
  openingKeys,
  openStableDiffusion,
  type StableDiffusionConfigs,
  type StableDiffusionPart,
} from "./open-folder";
import { type Vae, vae, vaeParameterSpecs } from "./vae";

/** How far loading is. */
export interface LoadProgress {
  /** The part whose weights are being read. */
  readonly part: StableDiffusionPart;
  /** Bytes of the weights that were read, of all parts, as float32 has them. */
  readonly loaded: number;
  /** How many there will be. */
  readonly total: number;
}

/** Options of {@link loadStableDiffusion}. */
export interface LoadStableDiffusionOptions<P extends StableDiffusionPart = StableDiffusionPart>
  extends OpenStableDiffusionOptions<P> {
  /** Prefixes of the networks' variables; no two live networks may share one. @defaultValue the names of the parts */
  readonly names?: Readonly<Partial<Record<StableDiffusionPart, string | undefined>>> | undefined;
  /** What trades memory for time in the U-Net. @defaultValue nothing */
  readonly unet?: UnetMemoryOptions | undefined;
  /**
   * How weights are stored: `"f16"` halves the memory of networks that stay as they are, on the backend `webgpu`. What is
   * trained stays float32: load it in a call of its own.
   * @defaultValue `"f32"`
   */
  readonly weights?: "f32" | "f16" | undefined;
  /** Is told after each tensor. @defaultValue nobody */
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
}

/** A text encoder with its tokenizer. */
export interface StableDiffusionText extends TextConditioner {
  /** The encoder itself, which takes token ids. */
  readonly encoder: ClipTextEncoder;
}

/** The networks of a Stable Diffusion. */
export interface StableDiffusionNetworks {
  /** Predicts on latents, given the text. */
  readonly unet: Unet;
  /** Prompts to what the U-Net attends to. */
  readonly text: StableDiffusionText;
  /** Pictures to latents and back. */
  readonly vae: Vae;
}

/** A Stable Diffusion with its weights. */
export type StableDiffusion<P extends StableDiffusionPart = StableDiffusionPart> = OpenStableDiffusion<P> &
  Pick<StableDiffusionNetworks, P> & {
    /** Frees all its networks. */
    dispose(): void;
  };

/**
 * Makes the networks of a Stable Diffusion from a diffusers folder: scheduler, tokenizer, text encoder, U-Net and
 * autoencoder in one call. Weights are read one tensor at a time, so that host memory holds one of them; before the first,
 * everything is checked to fit together. A weight that is NaN or infinite is refused by name.
 *
 * @param source - a path, any {@link FileTree}, or what {@link openStableDiffusion} made of one: then each call makes new
 *   networks, which need names of their own.
 * @param options - parts, names, variant, memory, progress. `variant` is the opened model's where that is given.
 * @returns the model; the caller disposes of it as one.
 * @throws SidError as {@link openStableDiffusion} does; as `createParameters` does where `weights` is `"f16"`; `missing-weight`, `surplus-weight`, `shape-mismatch` or `not-finite`
 *   naming the weight; `invalid-argument` for a name that is taken. No variable is left behind.
 *
 * @example
 * ```ts no-run
 * import { useBackend } from "sid-lsg/backends";
 * import { ddimSample, randomStream } from "sid-lsg";
 * import { loadStableDiffusion } from "sid-lsg/models/sd";
 *
 * await useBackend("auto");
 * const { unet, text, vae, sampling, dispose } = await loadStableDiffusion("stable-diffusion-v1-5", {
 *   onProgress: ({ loaded, total }) => console.log(`${Math.round((100 * loaded) / total)} %`),
 * });
 * const [cond, uncond] = [text.encode(["a red fox"]), text.encode([""])];
 * const noise = randomStream(0).normal([1, 64, 64, 4]);
 * const latents = ddimSample(unet, { ...sampling, noise, cond, uncond, guidanceScale: 7.5 });
 * console.log(vae.decode(latents).shape); // [1, 512, 512, 3]
 * dispose();
 * ```
 *
 * @example
 * ```ts no-run
 * import { loadStableDiffusion, openStableDiffusion } from "sid-lsg/models/sd";
 *
 * // A teacher and a copy of it, without text encoder and autoencoder.
 * const model = await openStableDiffusion("stable-diffusion-v1-5", { parts: ["unet"] });
 * const load = (name: string) =>
 *   loadStableDiffusion(model, { parts: ["unet"], names: { unet: name }, unet: { gradientCheckpointing: true } });
 * const [teacher, fakeScore] = [await load("teacher"), await load("fake-score")];
 * console.log(teacher.unet.variables.length, fakeScore.unet.name); // 686 "fake-score"
 * ```
 */
export async function loadStableDiffusion<P extends StableDiffusionPart = StableDiffusionPart>(
  source: string | FileTree,
  options?: LoadStableDiffusionOptions<P>,
): Promise<StableDiffusion<P>>;
/** From a folder that was opened before, with all of its parts or some. */
export async function loadStableDiffusion<O extends StableDiffusionPart, P extends O = O>(
  source: OpenStableDiffusion<O>,
  options?: LoadStableDiffusionOptions<P>,
): Promise<StableDiffusion<P>>;
export async function loadStableDiffusion(
  source: string | FileTree | OpenStableDiffusion,
  options: LoadStableDiffusionOptions = {},
): Promise<StableDiffusion> {
  const keys: KeysOf<LoadStableDiffusionOptions> = { ...openingKeys, names: 1, unet: 1, weights: 1, onProgress: 1 };
  const {
    names = {},
    unet: memory = {},
    weights: storage,
    onProgress = () => {},
    ...opening
  } = checkObject(where, "options", options, keys);
  checkObject(where, "names", names, { unet: 1, text: 1, vae: 1 });
  checkObject(where, "unet", memory, unetMemoryKeys);
  checkFunction(where, "onProgress", onProgress);
  const storing = checkParameterOptions(where, { weights: storage });
  const isOpen = typeof source === "object" && source !== null && "configs" in source;
  const model = isOpen ? source : await openStableDiffusion(source, opening);
  const configs: Partial<StableDiffusionConfigs> = checkObject(where, "the opened model's configs", model.configs);
  const parts = checkParts(where, options.parts ?? Object.keys(configs));
  for (const part of parts)
    if (configs[part] === undefined)
      throw new SidError("invalid-argument", `${where}: the model was opened without its part "${part}".`);
  const specs = specsOf(configs, parts);
  const total = [...specs.values()].flat().reduce((sum, spec) => sum + bytesOnBackend(spec), 0);
  let loaded = 0;
  const made: Partial<StableDiffusionNetworks> = {};
  const dispose = () => {
    for (const network of [made.vae, made.text?.encoder, made.unet]) network?.dispose();
  };
  try {
    for (const [part, wanted] of specs) {
      const name = checkText(where, `the name of ${part}`, names[part] ?? part);
      const weights = await readWeights(model, part, name, wanted, storing, (tensor) => {
        loaded += bytesOnBackend(tensor);
        onProgress({ part, loaded, total });
      });
      Object.assign(made, { [part]: makeNetwork(part, name, model, weights, memory) });
    }
  } catch (error) {
    dispose();
    throw error;
  }
  return { ...model, ...(made as StableDiffusionNetworks), dispose };
}

const where = "loadStableDiffusion";

/** One part from its weights, which are freed where it cannot be made. */
function makeNetwork(
  part: StableDiffusionPart,
  name: string,
  model: OpenStableDiffusion,
  weights: NetworkParameters,
  memory: UnetMemoryOptions,
): StableDiffusionNetworks[StableDiffusionPart] {
  const { configs, schedule, predicts, tokenizer } = model;
  try {
    if (part === "unet") return unet(configs.unet, { ...memory, name, schedule, predicts, weights });
    if (part === "vae") return vae(configs.vae, { name, weights });
    const encoder = clipTextEncoder(configs.text, { name, weights });
    return { ...textConditioner({ tokenizer, encoder }), encoder };
  } catch (error) {
    weights.dispose();
    throw error;
  }
}

function specsOf(configs: Partial<StableDiffusionConfigs>, parts: readonly StableDiffusionPart[]) {
  const { unet, text, vae } = configs as StableDiffusionConfigs;
  const of = {
    unet: () => unetParameterSpecs(unet),
    text: () => clipTextParameterSpecs(text),
    vae: () => vaeParameterSpecs(vae),
  };
  return new Map(parts.map((part) => [part, of[part]()]));
}

/** A part's weights, each told of once it was read. */
async function readWeights(
  { folder, variants }: OpenStableDiffusion,
  part: StableDiffusionPart,
  name: string,
  specs: readonly ParameterSpec[],
  storing: ParameterOptions,
  onRead: (tensor: HostTensor) => void,
): Promise<NetworkParameters> {
  const variant = variants[part];
  const { weights } = await openPart(where, folder, folders[part], variant === undefined ? {} : { variant });
  try {
    const watching = watched(weights, `${where}: ${folder.name}: ${folders[part]}`, onRead);
    return await loadParameters(name, specs, watching, storing);
  } finally {
    await weights.close();
  }
}
