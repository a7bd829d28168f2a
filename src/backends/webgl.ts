import { env } from "@tensorflow/tfjs-core";
import { SidError } from "../core/errors";
import { notInstalled, start } from "./start";

/** Starts WebGL 2, which must be able to write float32: with 16 bits training diverges without a word. */
export async function useWebgl(): Promise<void> {
  try {
    await import("@tensorflow/tfjs-backend-webgl");
  } catch (cause) {
    throw notInstalled("@tensorflow/tfjs-backend-webgl", cause);
  }
  await start("webgl", "; is there WebGL in this browser?");
  if (!env().getBool("WEBGL_RENDER_FLOAT32_ENABLED"))
    throw new SidError(
      "unsupported",
      'useBackend: "webgl" wants float32 textures, this device renders to 16 bits only; "wasm" works.',
    );
}
