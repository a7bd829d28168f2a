/**
 * safetensors, PyTorch's and NumPy's files and diffusers-style model folders: on a disk, behind an address, in a browser, on the
 * Hugging Face Hub.
 *
 * @module sid-lsg/io
 */
export { type ByteSource, blobSource } from "./byte-source";
export type { ComponentName } from "./component-files";
export { fileSource } from "./disk";
export { blobFolder, diskFolder, type FileTree, type JsonObject, readText, urlFolder } from "./file-tree";
export { readSafetensors, writeFileAtomic, writeSafetensors } from "./files";
export { type HubOptions, hubFolder } from "./hub-folder";
export { type ModelComponent, readComponent, type WriteModelOptions, writeModelFolder } from "./model-folder";
export { decodeNpy, encodeNpy } from "./npy";
export { decodeNpz, encodeNpz } from "./npz";
export { readNpy, readNpz, writeNpy, writeNpz } from "./numpy-files";
export {
  type ComponentOptions,
  type ModelIndex,
  type OpenComponent,
  openComponent,
  readModelIndex,
} from "./open-component";
export { openPth, type PthOptions } from "./open-pth";
export { type OpenSafetensors, openSafetensors } from "./open-safetensors";
export { readPth } from "./read-pth";
export { decodeSafetensors, encodeSafetensors, type Safetensors } from "./safetensors";
export { type UrlOptions, urlSource } from "./url-source";
export { type DirectoryHandle, type FileHandle, handleFolder, type WritableFolder } from "./writable-folder";
