/**
 * The backend `webgpu` alone, for bundles of one file.
 *
 * @module sid-lsg/backends/webgpu
 */
export { useWebgpu as useBackend, type WebgpuOptions } from "./use-webgpu";
