import { notInstalled, start } from "./start";

/** Starts WebGPU: the browser's own, in Node that of the package `webgpu`. */
export async function useWebgpu(): Promise<void> {
  try {
    await import("@tensorflow/tfjs-backend-webgpu");
  } catch (cause) {
    throw notInstalled("@tensorflow/tfjs-backend-webgpu", cause);
  }
  await start("webgpu");
}
