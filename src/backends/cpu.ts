import { backend } from "@tensorflow/tfjs-core";
import { notInstalled, start } from "./start";

/** Starts plain JavaScript. */
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
