/**
 * Chooses the backend that computes, and adds what each lacks for training.
 *
 * @module sid-lsg/backends
 */
export { type BackendName, backendNames, type UseBackendOptions, useBackend } from "./use-backend";
