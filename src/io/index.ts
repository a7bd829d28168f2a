export { readSafetensors, writeFileAtomic, writeSafetensors } from "./files";
export {
  type ComponentName,
  type JsonObject,
  type ModelComponent,
  readComponent,
  writeModelFolder,
} from "./model-folder";
export { decodeSafetensors, encodeSafetensors, type Safetensors } from "./safetensors";
