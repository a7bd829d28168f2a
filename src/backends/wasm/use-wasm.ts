import { backend, engine, env } from "@tensorflow/tfjs-core";
import { checkInteger, checkObject, checkText } from "../../core/checks";
import { SidError } from "../../core/errors";
import { notInstalled, start } from "../start";
import type { UseBackendOptions } from "../use-backend";
import { withoutListeners } from "./listeners";
import { guardMemory } from "./memory";
import type { WasmBackend } from "./module";
import { registerWasmKernels } from "./register";
import { mostThreads, shareMemory, startThreads, withoutOwnThreads } from "./threads";

/** Options of `useBackend` that concern WASM. */
export interface WasmOptions extends Pick<UseBackendOptions, "wasmPath" | "threads"> {}

/**
 * What `useBackend("wasm")` of `sid-lsg/backends` does, alone: the processor, with this library's own kernels and threads.
 *
 * @param options - where the binaries are, and on how many threads to compute.
 * @throws SidError `unsupported` without WebAssembly SIMD, `missing-backend` where the package
 *   `@tensorflow/tfjs-backend-wasm` is not installed or its binaries are not where they should be, `out-of-range` or
 *   `invalid-argument` for options that it cannot take.
 *
 * @example
 * ```ts
 * import { useBackend } from "sid-lsg/backends/wasm";
 * import { getBackend } from "@tensorflow/tfjs-core";
 *
 * await useBackend({ threads: 1 });
 * console.log(getBackend()); // "wasm"
 * ```
 */
export async function useWasm(options: WasmOptions = {}): Promise<void> {
  const { wasmPath, threads } = checkObject("useBackend", "options", options, { wasmPath: 1, threads: 1 });
  if (threads !== undefined) checkInteger("useBackend", "threads", threads, 1, mostThreads);
  if (wasmPath !== undefined) checkText("useBackend", "wasmPath", wasmPath);
  const tfjs = await importWasm();
  if (wasmPath !== undefined) tfjs.setWasmPaths(wasmPath);
  if (!(await env().getAsync("WASM_HAS_SIMD_SUPPORT")))
    throw new SidError(
      "unsupported",
      'useBackend: "wasm" wants WebAssembly SIMD (Chrome 91, Firefox 89, Safari 16.4, Node 16.4 or newer), which is missing here; "cpu" works, slowly.',
    );
  const running = "wasm" in engine().registry;
  registerWasmKernels();
  const startIt = () => start("wasm", "; are its .wasm files where wasmPath says?");
  const toStart = await withoutListeners(async () => {
    const count = running ? 1 : await shareMemory(tfjs, { threads, wasmPath });
    await (count > 1 ? withoutOwnThreads(startIt) : startIt());
    return count;
  });
  const { wasm } = backend() as unknown as WasmBackend;
  guardMemory(wasm);
  await startThreads(wasm, toStart);
}

// The import stands in a try block of its own: only then do bundlers accept that the package is not installed.
async function importWasm() {
  try {
    return await import("@tensorflow/tfjs-backend-wasm");
  } catch (cause) {
    throw notInstalled("@tensorflow/tfjs-backend-wasm", cause);
  }
}
