/**
 * Stable Diffusion from a folder in one call, and the parts that the root leaves out: diffusers' autoencoder and low-rank
 * adapters.
 *
 * @module sid-lsg/models/sd
 */
export {
  type LoadProgress,
  type LoadStableDiffusionOptions,
  loadStableDiffusion,
  type StableDiffusion,
  type StableDiffusionNetworks,
  type StableDiffusionText,
} from "./load";
export { type Lora, type LoraLayer, type LoraLayerOptions, type LoraOptions, lora } from "./lora";
export { type LoraFile, loraFile } from "./lora-file";
export { mergeLora } from "./lora-merge";
export { type LoraWeights, type ParseLoraOptions, parseLora } from "./lora-parse";
export {
  type OpenStableDiffusion,
  type OpenStableDiffusionOptions,
  openStableDiffusion,
  type StableDiffusionConfigs,
  type StableDiffusionPart,
} from "./open-folder";
export { type Vae, type VaeOptions, vae, vaeParameterSpecs } from "./vae";
export { parseVaeConfig, type VaeConfig } from "./vae-config";
