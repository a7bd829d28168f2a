import type { BackendWasm } from "@tensorflow/tfjs-backend-wasm";
import { env, registerBackend, removeBackend } from "@tensorflow/tfjs-core";
import { hasSharedMemory } from "./assembly";
import type { WasmModule } from "./module";
import { startWorkers, within } from "./workers";

/** What starting needs of the backend's package. */
export interface WasmPackage {
  readonly BackendWasm: new (wasm: never) => BackendWasm;
  setThreadsCount(threads: number): void;
}

/** Emscripten's entry: makes a module. */
type Factory = (config: { locateFile(file: string, folder: string): string | URL }) => Promise<ThreadedModule>;

interface ThreadedModule extends WasmModule {
  cwrap(name: string, result: "number" | null, parameters: readonly "number"[]): (...numbers: number[]) => number;
  readonly PThread: { terminateAllThreads(): void };
}

/** More threads than this wait for memory more than they compute. */
export const mostThreads = 16;

/** That of the package's own registration. */
const priority = 2;

/** Longer than this no start takes; then it hangs. */
const patience = 20_000;

/**
 * Has a backend that has not started yet start in memory that threads can share: the package's threaded binary. Its
 * own threads stay idle, since its slow kernels do not use them; ours work for ours. In a browser the package takes
 * that binary by itself where the page is cross-origin isolated.
 */
export async function shareMemory(tfjs: WasmPackage, threads: number): Promise<void> {
  const inNode = env().getBool("IS_NODE");
  tfjs.setThreadsCount(1);
  if (threads === 1) return inNode ? undefined : env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
  try {
    if (inNode) {
      const backend = await startSharedInNode(tfjs);
      removeBackend("wasm");
      registerBackend("wasm", () => backend, priority);
    } else if (!(await env().getAsync("WASM_HAS_MULTITHREAD_SUPPORT")))
      throw new Error("the page is not cross-origin isolated");
  } catch (cause) {
    warn(threads, cause);
  }
}

/** Starts the threads for a backend that has just started. A failure costs speed, not the run. */
export async function startThreads(wasm: WasmModule, threads: number): Promise<void> {
  if (threads === 1 || !hasSharedMemory(wasm)) return;
  wasm.PThread?.terminateAllThreads();
  try {
    await startWorkers(wasm, threads - 1);
  } catch (cause) {
    warn(threads, cause);
  }
}

function warn(threads: number, cause: unknown): void {
  console.warn(`sid-lsg: the wasm backend runs on one thread instead of ${threads}: ${(cause as Error).message}`);
}

/**
 * The threaded binary in Node, where the package itself does not offer it. Emscripten's script is there, though; it
 * wants workers to begin with, and gets some that only say that they are ready.
 *
 * Everything global that the script touches is as before when this returns.
 *
 * @throws Error where the version of Node or of the package does not play along.
 */
async function startSharedInNode(tfjs: WasmPackage): Promise<BackendWasm> {
  const script = "@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm-threaded-simd.js";
  const { default: factory } = (await import(/* webpackIgnore: true */ /* @vite-ignore */ script)) as {
    default: Factory;
  };
  const text = 'import { parentPort } from "node:worker_threads"; parentPort.postMessage({ cmd: "loaded" });';
  const idle = new URL(`data:text/javascript,${encodeURIComponent(text)}`);
  return untouched(async () => {
    const locateFile = (file: string, folder: string) => (file.endsWith(".worker.js") ? idle : folder + file);
    const wasm = await within(patience, factory({ locateFile }));
    wasm.PThread.terminateAllThreads();
    Object.assign(wasm, { tfjs: bridge(wasm) });
    return new tfjs.BackendWasm(wasm as never);
  });
}

/** The functions that the package's own start-up adds to the module. */
function bridge(wasm: ThreadedModule) {
  return {
    init: wasm.cwrap("init", null, []),
    initWithThreadsCount: wasm.cwrap("init_with_threads_count", null, ["number"]),
    getThreadsCount: wasm.cwrap("get_threads_count", "number", []),
    registerTensor: wasm.cwrap("register_tensor", null, ["number", "number", "number"]),
    disposeData: wasm.cwrap("dispose_data", null, ["number"]),
    dispose: wasm.cwrap("dispose", null, []),
  };
}

/**
 * Runs `start` and undoes what it did to the process: listeners for uncaught errors (which print a script of
 * 50 KB with every one), a global Worker.
 */
async function untouched<T>(start: () => Promise<T>): Promise<T> {
  const events = ["uncaughtException", "unhandledRejection"] as const;
  const before = events.map((event) => process.rawListeners(event));
  const hadWorker = Object.getOwnPropertyDescriptor(globalThis, "Worker");
  try {
    return await start();
  } finally {
    if (hadWorker) Object.defineProperty(globalThis, "Worker", hadWorker);
    else Reflect.deleteProperty(globalThis, "Worker");
    events.forEach((event, i) => {
      for (const listener of process.rawListeners(event))
        if (!before[i]?.includes(listener)) process.removeListener(event, listener as never);
    });
  }
}
