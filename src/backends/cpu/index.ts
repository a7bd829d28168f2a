/**
 * The backend `cpu` alone, for bundles of one file.
 *
 * @module sid-lsg/backends/cpu
 */
export { useCpu as useBackend } from "./use-cpu";
