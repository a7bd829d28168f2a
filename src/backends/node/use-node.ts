import { importNative, start } from "../start";
import { registerNodeKernels } from "./register";

/** Starts TensorFlow's C library, on the processor or on a GPU with CUDA. */
export async function useNode(name: "node" | "node-gpu", options: { threads?: number } = {}): Promise<void> {
  process.env["TF_CPP_MIN_LOG_LEVEL"] ??= "2";
  if (options.threads !== undefined) {
    process.env["TF_NUM_INTRAOP_THREADS"] ??= String(options.threads);
    process.env["TF_NUM_INTEROP_THREADS"] ??= "1";
  }
  await importNative(name === "node" ? "@tensorflow/tfjs-node" : "@tensorflow/tfjs-node-gpu");
  await start("tensorflow");
  registerNodeKernels();
}
