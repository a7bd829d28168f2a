import { importNative, start } from "./start";

/** Starts TensorFlow's C library, on the processor or on a GPU with CUDA. */
export async function useNode(name: "node" | "node-gpu"): Promise<void> {
  await importNative(name === "node" ? "@tensorflow/tfjs-node" : "@tensorflow/tfjs-node-gpu");
  await start("tensorflow");
}
