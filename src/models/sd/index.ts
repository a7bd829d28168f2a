export { type Vae, type VaeOptions, vae, vaeParameters } from "./vae";
export { parseVaeConfig, type VaeConfig } from "./vae-config";
