import { backend, engine, env, ready, setBackend } from "@tensorflow/tfjs-core";
import { checkInteger, checkObject, checkText, describe } from "../core/checks";
import { SidError } from "../core/errors";
import { guardMemory } from "./wasm/memory";
import type { WasmBackend } from "./wasm/module";
import { registerWasmKernels } from "./wasm/register";
import { mostThreads, shareMemory, startThreads } from "./wasm/threads";

/** Backends that can train: `wasm` is the fast one without a GPU, `cpu` plain JavaScript. */
export type BackendName = "cpu" | "wasm";

/** Options of {@link useBackend}. */
export interface UseBackendOptions {
  /**
   * Folder with the three `.wasm` files of `@tensorflow/tfjs-backend-wasm`, as a URL or path that ends
   * in `/`. For browsers; only the call that starts the backend reads it.
   * @defaultValue next to the backend's own script; in Node that is always right
   */
  readonly wasmPath?: string;
  /**
   * Threads that the `wasm` backend computes on, from 1 to 16; only the call that starts the backend reads it.
   * How many there are changes no bit of a result. Where they do not start (another version of the package, a page
   * that is not cross-origin isolated), one line on the console says so and one thread does the work.
   * @defaultValue as many as pay: all of up to 4 processors, half of more, at most 8; 1 in a page that is not
   *   cross-origin isolated
   */
  readonly threads?: number;
}

/**
 * Loads a tfjs backend, makes it the current one, and gives it what it needs in order to train.
 *
 * - `"wasm"` (package `@tensorflow/tfjs-backend-wasm`): our kernels take the place of stock ones that are
 *   missing or slow in training: convolution gradients, matMul with transposes or batches, and others.
 *   A program that never calls this function sees the stock kernels.
 * - `"cpu"` (package `@tensorflow/tfjs-backend-cpu`): the reference, 15 to 100 times slower.
 *
 * The backends are optional peers of this package: install the one you use. Calling again is harmless.
 *
 * @param name - the backend.
 * @param options - where the binaries are, and on how many threads to compute.
 * @throws SidError `unsupported` without WebAssembly SIMD, `missing-backend` where the package is not installed (the message has the `npm install`
 *   line) or does not start, `invalid-argument` for an unknown name, `out-of-range` or `invalid-argument`
 *   for a number of threads that is no integer from 1 to 16.
 *
 * @example
 * ```ts
 * import { useBackend } from "sid-lsg/backends";
 * import { getBackend } from "@tensorflow/tfjs-core";
 *
 * await useBackend("wasm");
 * console.log(getBackend()); // "wasm"
 * ```
 */
export async function useBackend(name: BackendName, options: UseBackendOptions = {}): Promise<void> {
  checkObject("useBackend", "options", options);
  if (name === "wasm") await useWasm(options);
  else if (name === "cpu") await useCpu();
  else throw new SidError("invalid-argument", `useBackend: wanted "cpu" or "wasm", got ${describe(name)}.`);
}

async function useCpu(): Promise<void> {
  await importCpu();
  await start("cpu");
  // It prints an advertisement for tfjs-node on its first write; this is its own switch.
  (backend() as { firstUse?: boolean }).firstUse = false;
}

async function useWasm({ wasmPath, threads }: UseBackendOptions): Promise<void> {
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
  const toStart = running ? 1 : await shareMemory(tfjs, { threads, wasmPath });
  await start("wasm", "; are its .wasm files where wasmPath says?");
  const { wasm } = backend() as unknown as WasmBackend;
  guardMemory(wasm);
  await startThreads(wasm, toStart);
}

// Each import stands in a try block of its own: only then do bundlers accept that the package is not installed.
async function importCpu() {
  try {
    return await import("@tensorflow/tfjs-backend-cpu");
  } catch (cause) {
    throw notInstalled("@tensorflow/tfjs-backend-cpu", cause);
  }
}

async function importWasm() {
  try {
    return await import("@tensorflow/tfjs-backend-wasm");
  } catch (cause) {
    throw notInstalled("@tensorflow/tfjs-backend-wasm", cause);
  }
}

function notInstalled(packageName: string, cause: unknown): SidError {
  return new SidError(
    "missing-backend",
    `useBackend: cannot load ${packageName}; install it with: npm install ${packageName}`,
    { cause },
  );
}

/** Makes the backend the current one. */
async function start(name: BackendName, question = ""): Promise<void> {
  let cause: unknown;
  try {
    if (await setBackend(name)) return await ready();
  } catch (reason) {
    cause = reason;
  }
  throw new SidError(
    "missing-backend",
    `useBackend: the ${name} backend is installed but did not start${question || "."}`,
    { cause },
  );
}
