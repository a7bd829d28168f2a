/**
 * The parts of Stable Diffusion that the root leaves out: diffusers' autoencoder and low-rank adapters.
 *
 * @module sid-lsg/models/sd
 */
export { type Lora, type LoraLayer, type LoraLayerOptions, type LoraOptions, lora } from "./lora";
export { type LoraFile, loraFile } from "./lora-file";
export { mergeLora } from "./lora-merge";
export { type LoraWeights, type ParseLoraOptions, parseLora } from "./lora-parse";
export { type Vae, type VaeOptions, vae, vaeParameterSpecs } from "./vae";
export { parseVaeConfig, type VaeConfig } from "./vae-config";
