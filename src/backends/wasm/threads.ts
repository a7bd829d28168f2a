import type { BackendWasm } from "@tensorflow/tfjs-backend-wasm";
import { engine, env, registerBackend, removeBackend } from "@tensorflow/tfjs-core";
import type { WasmModule } from "./module";

/** What starting needs of the backend's package. */
export interface WasmPackage {
  readonly BackendWasm: new (wasm: never) => BackendWasm;
  setThreadsCount(threads: number): void;
  getThreadsCount(): number;
}

/** Emscripten's entry: makes a module. */
type Factory = (config: { locateFile(file: string, folder: string): string | URL }) => Promise<ThreadedModule>;

interface ThreadedModule extends WasmModule {
  cwrap(name: string, result: "number" | null, parameters: readonly "number"[]): (...numbers: number[]) => number;
  readonly PThread: { terminateAllThreads(): void; readonly runningWorkers: readonly { unref(): void }[] };
}

const folder = "@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm-threaded-simd";

/** The binary's own limit. */
export const mostThreads = 8;

/** That of the package's own registration. */
const priority = 2;

/** Longer than this no start takes; then it hangs. */
const patience = 20_000;

/**
 * Has the backend start with that many threads, unless it has started already. In a browser the package itself
 * takes the threaded binary where the page is cross-origin isolated. A failure costs speed, not the run.
 */
export async function chooseThreads(tfjs: WasmPackage, threads: number): Promise<void> {
  if ("wasm" in engine().registry) return;
  const inNode = env().getBool("IS_NODE");
  if (threads === 1) return inNode ? undefined : env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
  try {
    if (inNode) {
      const backend = await startThreadsInNode(tfjs, threads);
      removeBackend("wasm");
      registerBackend("wasm", () => backend, priority);
    } else if (await env().getAsync("WASM_HAS_MULTITHREAD_SUPPORT")) tfjs.setThreadsCount(threads);
    else throw new Error("the page is not cross-origin isolated");
  } catch (cause) {
    console.warn(`sid-lsg: the wasm backend runs on one thread instead of ${threads}: ${(cause as Error).message}`);
  }
}

/**
 * The threaded backend in Node, where the package itself does not offer it: it switches threads off there, and
 * hands `worker_threads` an address that they do not take. The package has the parts, though: Emscripten's
 * script, which this imports, and the worker's text, which goes to the workers as a `data:` URL.
 *
 * Everything global that the script touches is as before when this returns.
 *
 * @throws Error where the machine, the version of Node or of the package does not play along.
 */
async function startThreadsInNode(tfjs: WasmPackage, threads: number): Promise<BackendWasm> {
  const factory = await load<Factory>(`${folder}.js`);
  const { wasmWorkerContents } = await load<{ wasmWorkerContents: string }>(`${folder}.worker.js`);
  await tryWorker(wasmWorkerContents);
  const worker = workerUrl(wasmWorkerContents);
  return untouched(threads, async () => {
    const locateFile = (file: string, folder: string) => (file.endsWith(".worker.js") ? worker : folder + file);
    const wasm = await within(patience, factory({ locateFile }));
    Object.assign(wasm, { tfjs: bridge(wasm) });
    tfjs.setThreadsCount(threads);
    const backend = new tfjs.BackendWasm(wasm as never);
    // Threads that wait for work must not keep the process alive.
    for (const worker of wasm.PThread.runningWorkers) worker.unref();
    if (tfjs.getThreadsCount() === threads) return backend;
    wasm.PThread.terminateAllThreads();
    throw new Error(`wanted ${threads} threads, the binary started ${tfjs.getThreadsCount()}`);
  });
}

/** Imports what there is in Node only, under a name that a bundler for browsers does not follow. */
async function load<T>(path: string): Promise<T> {
  return ((await import(/* webpackIgnore: true */ /* @vite-ignore */ path)) as { default: T }).default;
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

/** The worker's text as a module. It is made for CommonJS, and a line break in one of its strings is a real one. */
function workerUrl(text: string): URL {
  const commonjs =
    'import { createRequire } from "node:module"; const require = createRequire("file:///"), __filename = "/";';
  return new URL(`data:text/javascript,${encodeURIComponent(commonjs + text.replaceAll("\n", "\\n"))}`);
}

/** Rejects unless a worker runs that text to its end: inside the module, one that fails ends the process. */
async function tryWorker(text: string): Promise<void> {
  const { Worker } = await load<typeof import("node:worker_threads")>("node:worker_threads");
  const worker = new Worker(workerUrl(`${text};parentPort.postMessage("ready");`));
  const ready = new Promise<void>((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
  await within(patience, ready).finally(() => worker.terminate());
}

/**
 * Runs `start` and undoes what it did to the process: listeners for uncaught errors (which print a script of
 * 50 KB with every one), a global Worker. Meanwhile the machine seems to have twice as many processors as there
 * shall be threads, since the binary uses half of them.
 */
async function untouched<T>(threads: number, start: () => Promise<T>): Promise<T> {
  const os = await load<typeof import("node:os")>("node:os");
  const events = ["uncaughtException", "unhandledRejection"] as const;
  const before = events.map((event) => process.rawListeners(event));
  const { cpus } = os;
  const hadWorker = Object.getOwnPropertyDescriptor(globalThis, "Worker");
  os.cpus = () => Array<ReturnType<typeof cpus>[number]>(2 * threads).fill(cpus()[0] as never);
  try {
    return await start();
  } finally {
    os.cpus = cpus;
    if (hadWorker) Object.defineProperty(globalThis, "Worker", hadWorker);
    else Reflect.deleteProperty(globalThis, "Worker");
    events.forEach((event, i) => {
      for (const listener of process.rawListeners(event))
        if (!before[i]?.includes(listener)) process.removeListener(event, listener as never);
    });
  }
}

async function within<T>(milliseconds: number, promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${milliseconds / 1000} s`)), milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
