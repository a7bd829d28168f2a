export { type BackendName, type UseBackendOptions, useBackend } from "./use-backend";
