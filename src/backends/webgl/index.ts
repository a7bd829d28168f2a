/**
 * The backend `webgl` alone, for bundles of one file.
 *
 * @module sid-lsg/backends/webgl
 */
export { useWebgl as useBackend } from "./use-webgl";
