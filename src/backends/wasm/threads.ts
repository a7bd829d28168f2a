import type { BackendWasm } from "@tensorflow/tfjs-backend-wasm";
import { env, registerBackend, removeBackend } from "@tensorflow/tfjs-core";
import type { WasmModule } from "./module";
import { inTime, startWorkers, stopWorkers } from "./workers";

/** What starting needs of the backend's package. */
export interface WasmPackage {
  readonly BackendWasm: new (wasm: never) => BackendWasm;
  setThreadsCount(threads: number): void;
}

/** Emscripten's entry: makes a module. */
type Factory = (config: { locateFile(file: string, folder: string): string }) => Promise<ThreadedModule>;

interface ThreadedModule extends WasmModule {
  cwrap(name: string, result: "number" | null, parameters: readonly "number"[]): (...numbers: number[]) => number;
  readonly PThread: { terminateAllThreads(): void };
}

/** More threads than this wait for memory more than they compute. */
export const mostThreads = 16;

/** That of the package's own registration. */
const priority = 2;

/**
 * Has a backend that has not started yet start in memory that threads can share: the package's threaded binary. Its
 * own threads stay idle, since its slow kernels do not use them; ours work for ours. In a browser the package takes
 * that binary by itself where the page is cross-origin isolated; start it with {@link withoutOwnThreads}.
 *
 * @param options - for how many threads (nothing: as many as pay), and where the binaries are.
 * @returns how many threads to start: 1 where memory cannot be shared, which costs speed, not the run.
 */
export async function shareMemory(
  tfjs: WasmPackage,
  { threads: asked, wasmPath }: { readonly threads?: number | undefined; readonly wasmPath?: string | undefined },
): Promise<number> {
  const inNode = env().getBool("IS_NODE");
  const threads = asked ?? (await whatPays(inNode));
  tfjs.setThreadsCount(1);
  if (threads === 1) {
    if (!inNode) env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
    return 1;
  }
  try {
    if (inNode) {
      const backend = await startSharedInNode(tfjs, wasmPath);
      removeBackend("wasm");
      registerBackend("wasm", () => backend, priority);
    } else if (!(await env().getAsync("WASM_HAS_MULTITHREAD_SUPPORT"))) {
      if (asked === undefined) return 1;
      throw new Error("the page is not cross-origin isolated");
    }
    return threads;
  } catch (cause) {
    warn(threads, cause);
    return 1;
  }
}

/** Up to four processors all of them; half of more, since two that share a core compute no faster than one. */
async function whatPays(inNode: boolean): Promise<number> {
  const os = "node:os";
  const processors = inNode
    ? (
        (await import(/* webpackIgnore: true */ /* @vite-ignore */ os)) as typeof import("node:os")
      ).availableParallelism()
    : navigator.hardwareConcurrency;
  return Math.min(8, processors <= 4 ? processors : Math.max(4, Math.floor(processors / 2)));
}

/** Starts the threads for a backend that has just started. A failure costs speed, not the run. */
export async function startThreads(wasm: WasmModule, threads: number): Promise<void> {
  if (threads === 1) return;
  wasm.PThread?.terminateAllThreads();
  try {
    await startWorkers(wasm, threads - 1);
    // The backend calls this when it is disposed of.
    Object.assign(wasm.PThread ?? {}, { terminateAllThreads: () => stopWorkers(wasm) });
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
 * @throws Error where the version of Node or of the package does not play along.
 */
async function startSharedInNode(tfjs: WasmPackage, wasmPath: string | undefined): Promise<BackendWasm> {
  const script = "@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm-threaded-simd.js";
  const { default: factory } = (await import(/* webpackIgnore: true */ /* @vite-ignore */ script)) as {
    default: Factory;
  };
  const restoreWorker = replaceWorker();
  try {
    const wasm = await inTime(factory({ locateFile: (file, folder) => (wasmPath ?? folder) + file }));
    wasm.PThread.terminateAllThreads();
    Object.assign(wasm, { tfjs: bridge(wasm) });
    return new tfjs.BackendWasm(wasm as never);
  } finally {
    restoreWorker();
  }
}

/**
 * Starts the package's threaded binary in a browser without its own eight workers. They would cost time, and in a
 * minified bundle they break: the package hands them the text of a function, without the names that it closes over.
 *
 * Their place is taken until the next task only, since a page may start workers of its own at any time. That is long
 * enough: whatever the package waits for before it makes its workers is known when `start` is called.
 */
export function withoutOwnThreads(start: () => Promise<void>): Promise<void> {
  if (!env().getBool("IS_NODE")) setTimeout(replaceWorker());
  return start();
}

/** What the script takes for a worker, of a browser or of Node. */
class IdleWorker {
  onmessage: (event: { readonly data: object }) => void = () => {};

  postMessage({ cmd }: { readonly cmd: string }): void {
    if (cmd === "load") queueMicrotask(() => this.onmessage({ data: { cmd: "loaded" } }));
  }
  on(): void {}
  ref(): void {}
  unref(): void {}
  terminate(): void {}
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

/** Makes the global Worker an {@link IdleWorker}; what is returned undoes it. */
function replaceWorker(): () => void {
  const before = Object.getOwnPropertyDescriptor(globalThis, "Worker");
  Object.defineProperty(globalThis, "Worker", { configurable: true, get: () => IdleWorker, set: () => {} });
  return () => {
    if (before) Object.defineProperty(globalThis, "Worker", before);
    else Reflect.deleteProperty(globalThis, "Worker");
  };
}
