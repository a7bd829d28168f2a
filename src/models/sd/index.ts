/**
 * The parts of Stable Diffusion that the root leaves out: diffusers' autoencoder and low-rank adapters.
 *
 * @module sid-lsg/models/sd
 */
export { type Lora, type LoraOptions, lora, mergeLora } from "./lora";
export { type LoraFile, type LoraWeights, loraFile, parseLora } from "./lora-file";
export { type Vae, type VaeOptions, vae, vaeParameterSpecs } from "./vae";
export { parseVaeConfig, type VaeConfig } from "./vae-config";
