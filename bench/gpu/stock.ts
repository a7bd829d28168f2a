import { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import { type KernelBackend, registerBackend, setBackend } from "@tensorflow/tfjs-core";

interface Gpu {
  requestAdapter(options: object): Promise<{
    readonly info: object;
    readonly limits: Record<string, number>;
    requestDevice(wanted: object): Promise<object>;
  } | null>;
}

/** Kept: Dawn ends the process when it is collected. */
let gpu: Gpu | undefined;

/** TensorFlow.js's backend as its package has it: its own kernels, its own pool of buffers. Its limits are the GPU's. */
export async function useStockWebgpu(): Promise<void> {
  const { create, globals } = await import("webgpu");
  Object.assign(globalThis, globals);
  gpu = create([]) as unknown as Gpu;
  Object.defineProperty(globalThis, "navigator", { value: { gpu }, configurable: true });
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) throw new Error("There is no GPU.");
  const names = ["maxBufferSize", "maxStorageBufferBindingSize", "maxComputeWorkgroupStorageSize"];
  const requiredLimits = Object.fromEntries(names.map((name) => [name, adapter.limits[name]]));
  const device = await adapter.requestDevice({ requiredLimits });
  const backend = new WebGPUBackend(device as never, adapter.info as never);
  registerBackend("webgpu", () => backend as unknown as KernelBackend);
  await setBackend("webgpu");
}
