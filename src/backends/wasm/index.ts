/**
 * The backend `wasm` alone, for bundles of one file.
 *
 * @module sid-lsg/backends/wasm
 */
export { useWasm as useBackend, type WasmOptions } from "./use-wasm";
