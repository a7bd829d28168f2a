/**
 * Chooses the backend that computes, and adds what each lacks for training.
 *
 * @module sid-lsg/backends
 */
export { type Arithmetic, arithmetic } from "../core/arithmetic";
export { type BackendName, backendNames, type UseBackendOptions, useBackend } from "./use-backend";
