import { ready, setBackend } from "@tensorflow/tfjs-core";
import { useBackend } from "sid-lsg/backends";

/** `tensorflow` is that of @tensorflow/tfjs-node-gpu, for a GPU of NVIDIA. */
export const backends = ["wasm", "cpu", "tensorflow"] as const;
export type BackendChoice = (typeof backends)[number];

/** Starts a backend. */
export async function startBackend(name: BackendChoice): Promise<void> {
  if (name !== "tensorflow") return useBackend(name);
  const packageName = "@tensorflow/tfjs-node-gpu";
  try {
    await import(packageName);
  } catch (cause) {
    throw new Error(`--backend tensorflow: cannot load ${packageName}; install it with: npm install ${packageName}`, {
      cause,
    });
  }
  if (!(await setBackend("tensorflow"))) throw new Error(`--backend tensorflow: ${packageName} did not start.`);
  await ready();
}
