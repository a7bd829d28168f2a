import { backend, engine, env } from "@tensorflow/tfjs-core";
import { wasmArithmetic } from "../../core/arithmetic";
import { checkBoolean, checkInteger, checkObject, checkText } from "../../core/checks";
import { SidError } from "../../core/errors";
import { hasOwnKernels } from "../../core/fused-kernels";
import { notInstalled, start } from "../start";
import type { UseBackendOptions } from "../use-backend";
import { chooseArithmetic } from "./assembly";
import { fuses } from "./fuses";
import { withoutListeners } from "./listeners";
import { guardMemory } from "./memory";
import type { WasmBackend, WasmModule } from "./module";
import { registerWasmKernels } from "./register";
import { mostThreads, shareMemory, startThreads, withoutOwnThreads } from "./threads";
import { stopWorkers, threadsOf } from "./workers";

/** Options of `useBackend` that concern WASM. */
export interface WasmOptions extends Pick<UseBackendOptions, "wasmPath" | "threads" | "fma"> {}

/**
 * What `useBackend("wasm")` of `sid-lsg/backends` does, alone: the processor, with this library's own kernels and threads.
 *
 * @param options - where the binaries are, on how many threads to compute, and how.
 * @throws SidError `unsupported` without WebAssembly SIMD, or for `fma: true` where nothing fuses, `missing-backend` where the package
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
  const known = { wasmPath: 1, threads: 1, fma: 1 } as const;
  const { wasmPath, threads, fma } = checkObject("useBackend", "options", options, known);
  if (threads !== undefined) checkInteger("useBackend", "threads", threads, 1, mostThreads);
  if (wasmPath !== undefined) checkText("useBackend", "wasmPath", wasmPath);
  if (fma !== undefined) checkBoolean("useBackend", "fma", fma);
  const tfjs = await importWasm();
  if (wasmPath !== undefined) tfjs.setWasmPaths(wasmPath);
  if (!(await env().getAsync("WASM_HAS_SIMD_SUPPORT")))
    throw new SidError(
      "unsupported",
      'useBackend: "wasm" wants WebAssembly SIMD (Chrome 91, Firefox 89, Safari 16.4, Node 16.4 or newer), which is missing here; "cpu" works, slowly.',
    );
  if (fma && !fuses())
    throw new SidError(
      "unsupported",
      "useBackend: fma wants an engine whose relaxed SIMD fuses multiply-adds (Node 22 or Chrome 114 or newer, on a processor that can), which is missing here; leave fma out to compute without.",
    );
  const running = "wasm" in engine().registry;
  const chosen = running && hasOwnKernels("wasm");
  registerWasmKernels();
  const startIt = () => start("wasm", "; are its .wasm files where wasmPath says?");
  const toStart = await withoutListeners(async () => {
    const count = running ? 1 : await shareMemory(tfjs, { threads, wasmPath });
    await (count > 1 ? withoutOwnThreads(startIt) : startIt());
    return count;
  });
  const { wasm } = backend() as unknown as WasmBackend;
  guardMemory(wasm);
  await compute(wasm, fma ?? (chosen ? undefined : fuses()));
  await startThreads(wasm, toStart);
}

/** Has the backend fuse, or not; nothing stays as it is. Threads that run have functions of the other kind, and begin anew. */
async function compute(wasm: WasmModule, fused: boolean | undefined): Promise<void> {
  const kind = fused ? "fma" : "plain";
  if (fused === undefined || kind === wasmArithmetic()) return;
  await chooseArithmetic(kind);
  const threads = threadsOf(wasm);
  stopWorkers(wasm);
  await startThreads(wasm, threads);
}

// The import stands in a try block of its own: only then do bundlers accept that the package is not installed.
async function importWasm() {
  try {
    return await import("@tensorflow/tfjs-backend-wasm");
  } catch (cause) {
    throw notInstalled("@tensorflow/tfjs-backend-wasm", cause);
  }
}
