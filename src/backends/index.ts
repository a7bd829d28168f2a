export { type BackendName, backendNames, type UseBackendOptions, useBackend } from "./use-backend";
