import {
  engine,
  env,
  findBackendFactory,
  type KernelBackend,
  registerBackend,
  removeBackend,
} from "@tensorflow/tfjs-core";
import { checkObject, checkOneOf, checkText, type KeysOf } from "../../core/checks";
import { SidError } from "../../core/errors";
import { sharedState } from "../../core/shared-state";
import { notInstalled, start } from "../start";
import type { UseBackendOptions } from "../use-backend";
import { adapterName, findAdapter, isSoftware, requestDevice } from "./adapter";
import { findCapabilities } from "./capabilities";
import { dawnGpu, withNavigatorGpu } from "./dawn";
import { guardDevice, hasFailed } from "./guard";
import { spreadForOthers } from "./half";
import { boundPool, reuseAtOnce } from "./pool";
import { registerWebgpuKernels } from "./register";
import { submitAfter } from "./submit";
import type { AdapterInfo, Gpu, WebgpuBackend } from "./types";

/** Options of `useBackend` that concern WebGPU. */
export interface WebgpuOptions extends Pick<UseBackendOptions, "powerPreference" | "adapter"> {
  /**
   * False refuses a processor that plays a GPU, as `auto` does.
   * @defaultValue `true`
   */
  readonly softwareAdapter?: boolean | undefined;
}

const known: KeysOf<WebgpuOptions> = { powerPreference: 1, adapter: 1, softwareAdapter: 1 };

let previous: Promise<unknown> = Promise.resolve();

/**
 * What `useBackend("webgpu")` of `sid-lsg/backends` does, alone: any GPU, by the browser's own WebGPU, in Node by that of
 * the package `webgpu`. Calls wait for each other.
 *
 * @param options - which GPU.
 * @throws SidError `missing-backend` where the package `@tensorflow/tfjs-backend-webgpu` is not installed or there is no
 *   GPU, `unsupported` for a GPU of too little or one that `softwareAdapter` refuses, `invalid-argument` for options that
 *   it cannot take.
 *
 * @example
 * ```ts no-run
 * import { useBackend } from "sid-lsg/backends/webgpu";
 *
 * await useBackend({ powerPreference: "low-power" });
 * ```
 */
export function useWebgpu(options: WebgpuOptions = {}): Promise<void> {
  const result = previous.then(() => startWebgpu(checkObject("useBackend", "options", options, known)));
  previous = result.catch(() => undefined);
  return result;
}

async function startWebgpu(options: WebgpuOptions): Promise<void> {
  const { powerPreference = "high-performance", adapter: wanted, softwareAdapter = true } = options;
  checkOneOf("useBackend", "powerPreference", powerPreference, ["high-performance", "low-power"]);
  if (wanted !== undefined) checkText("useBackend", "adapter", wanted);
  const { WebGPUBackend } = await importWebgpu();
  const refuseSoftware = (info: AdapterInfo | undefined) => {
    if (!softwareAdapter && isSoftware(info))
      throw new SidError("unsupported", `useBackend: ${adapterName(info)} is a processor that plays a GPU.`);
  };
  const running = engine().registry["webgpu"] as unknown as WebgpuBackend | undefined;
  if (running && !hasFailed(running)) {
    refuseSoftware(running.device.adapterInfo);
    await prepare(running);
    return await start("webgpu");
  }

  const inNode = env().getBool("IS_NODE");
  const given = (globalThis as { navigator?: { gpu?: Gpu } }).navigator?.gpu;
  const gpu = given ?? (inNode ? await dawnGpu() : undefined);
  if (!gpu)
    throw new SidError(
      "missing-backend",
      'useBackend: "webgpu" is missing in this browser; Chrome and Edge 113, Safari 26, Firefox 141 have it, in pages served by https or from localhost.',
    );
  const named = async (name: string) => (await dawnGpu(name)).requestAdapter({ powerPreference });
  const choice = { powerPreference, adapter: wanted };
  const adapter = await findAdapter(gpu, choice, inNode && !given ? named : undefined);
  refuseSoftware(adapter.info);
  const device = await requestDevice(adapter);
  const backend = withNavigatorGpu(gpu, () => new WebGPUBackend(device as never, adapter.info as never));
  await prepare(backend as unknown as WebgpuBackend);
  // In a browser the package registers itself: with a device of less, and no word where there is none.
  if (findBackendFactory("webgpu")) removeBackend("webgpu");
  registerBackend("webgpu", () => backend as unknown as KernelBackend);
  await start("webgpu");
}

const prepared = /* @__PURE__ */ sharedState("prepared webgpu backends", () => new WeakSet<object>());

/** Once for each backend, this library's or one that TensorFlow.js started by itself: errors that throw, its pool, our kernels. */
async function prepare(backend: WebgpuBackend): Promise<void> {
  if (prepared.has(backend)) return;
  prepared.add(backend);
  guardDevice(backend);
  boundPool(backend);
  reuseAtOnce(backend);
  spreadForOthers(backend);
  env().set("WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE", submitAfter);
  try {
    await findCapabilities(backend, console.warn);
  } catch (error) {
    backend.dispose();
    throw error;
  }
  registerWebgpuKernels();
}

// The import stands in a try block of its own: only then do bundlers accept that the package is not installed.
async function importWebgpu() {
  try {
    return await import("@tensorflow/tfjs-backend-webgpu");
  } catch (cause) {
    throw notInstalled("@tensorflow/tfjs-backend-webgpu", cause);
  }
}
