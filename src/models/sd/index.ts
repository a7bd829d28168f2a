export { type Lora, type LoraOptions, lora, mergeLora } from "./lora";
export { type LoraFile, type LoraWeights, loraFile, parseLora } from "./lora-file";
