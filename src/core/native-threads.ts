import { getBackend } from "@tensorflow/tfjs-core";
import { sharedState } from "./shared-state";

const known = /* @__PURE__ */ sharedState("native-threads", (): { count: number | undefined } => ({
  count: undefined,
}));

/**
 * Threads among which TensorFlow's C library divides a sum, whose last bits depend on them; undefined on other backends, on
 * a GPU, and where `useBackend` did not start it.
 */
export function nativeThreads(): number | undefined {
  return getBackend() === "tensorflow" ? known.count : undefined;
}

/** Says how many TensorFlow was started with. */
export function setNativeThreads(count: number): void {
  known.count = count;
}
