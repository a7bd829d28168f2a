import { backend } from "@tensorflow/tfjs-core";
import { notInstalled, start } from "../start";

/**
 * What `useBackend("cpu")` of `sid-lsg/backends` does, alone: plain JavaScript, the reference.
 *
 * @throws SidError `missing-backend` where the package `@tensorflow/tfjs-backend-cpu` is not installed.
 *
 * @example
 * ```ts
 * import { useBackend } from "sid-lsg/backends/cpu";
 * import { getBackend } from "@tensorflow/tfjs-core";
 *
 * await useBackend();
 * console.log(getBackend()); // "cpu"
 * ```
 */
export async function useCpu(): Promise<void> {
  try {
    await import("@tensorflow/tfjs-backend-cpu");
  } catch (cause) {
    throw notInstalled("@tensorflow/tfjs-backend-cpu", cause);
  }
  await start("cpu");
  // It prints an advertisement for tfjs-node on its first write; this is its own switch.
  (backend() as { firstUse?: boolean }).firstUse = false;
}
