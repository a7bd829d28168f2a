import { env } from "@tensorflow/tfjs-core";
import { type Assembly, assembly, assemblyModule, memoryOf } from "./assembly";
import type { WasmModule } from "./module";

/** How a worker is told to work, in memory that all share: words, then the numbers to call with. */
interface Slot {
  /** Jobs given, jobs done, the function's index (-1 after a failure), how many numbers. */
  readonly words: Int32Array;
  readonly numbers: Float64Array;
}

interface Worker {
  terminate(): unknown;
}

interface Workers {
  readonly names: readonly string[];
  readonly slots: readonly Slot[];
  readonly workers: readonly Worker[];
}

const wordBytes = 16;
const numberCount = 40;
const all = new WeakMap<WasmModule, Workers>();
const none: Workers = { names: [], slots: [], workers: [] };

/**
 * A worker: makes functions of its own from the same module and memory, then waits for jobs; awake for a moment
 * after each, asleep after that.
 */
const source = `
const work = ({ module, memory, names, slot }, ready) => {
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  const words = new Int32Array(memory.buffer, slot, 4);
  const numbers = new Float64Array(memory.buffer, slot + ${wordBytes}, ${numberCount});
  ready("ready");
  for (let seen = 0; ; ) {
    for (let i = 0; i < 5000 && Atomics.load(words, 0) === seen; i++);
    Atomics.wait(words, 0, seen);
    if (Atomics.load(words, 0) === seen) continue;
    seen = Atomics.load(words, 0);
    try {
      exports[names[words[2]]](...numbers.subarray(0, words[3]));
    } catch {
      words[2] = -1;
    }
    Atomics.store(words, 1, seen);
  }
};`;

/** Starts `count` workers for a module whose memory can be shared. */
export async function startWorkers(wasm: WasmModule, count: number): Promise<void> {
  const module = assemblyModule(wasm);
  const memory = memoryOf(wasm);
  const names = Object.keys(assembly(wasm));
  const workers: Worker[] = [];
  const slots: Slot[] = [];
  try {
    for (let i = 0; i < count; i++) {
      const slot = wasm._malloc(wordBytes + 8 * numberCount) >>> 0;
      const words = new Int32Array(memory.buffer, slot, wordBytes / 4);
      words.fill(0);
      slots.push({ words, numbers: new Float64Array(memory.buffer, slot + wordBytes, numberCount) });
      workers.push(await startWorker({ module, memory, names, slot }));
    }
  } catch (cause) {
    for (const worker of workers) worker.terminate();
    throw cause;
  }
  all.set(wasm, { names, slots, workers });
}

/** A worker that has made its functions; it does not keep the process alive. */
async function startWorker(data: object): Promise<Worker> {
  if (env().getBool("IS_NODE")) {
    const threads = (await import(/* webpackIgnore: true */ /* @vite-ignore */ nodeThreads)) as NodeThreads;
    const text = `const { parentPort, workerData } = require("${nodeThreads}");
      work(workerData, (message) => parentPort.postMessage(message));`;
    const worker = new threads.default.Worker(source + text, { eval: true, workerData: data });
    await within(
      patience,
      new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject)),
    ).catch((cause) => {
      void worker.terminate();
      throw cause;
    });
    worker.unref();
    return worker;
  }
  const text = new Blob([source, "onmessage = ({ data }) => work(data, postMessage);"], { type: "text/javascript" });
  const url = URL.createObjectURL(text);
  const worker = new Worker(url);
  worker.postMessage(data);
  await within(
    patience,
    new Promise((resolve, reject) => {
      worker.onmessage = resolve;
      worker.onerror = () => reject(new Error("the page permits no worker"));
    }),
  ).finally(() => URL.revokeObjectURL(url));
  return worker;
}

type NodeThreads = { readonly default: typeof import("node:worker_threads") };

/** In Node only, under a name that a bundler for browsers does not follow. */
const nodeThreads = "node:worker_threads";

/** Longer than this no start takes; then it hangs. */
const patience = 20_000;

/** The promise, or an error when it takes too long. */
export async function within<T>(milliseconds: number, promise: Promise<T>): Promise<T> {
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

/** Stops the workers. */
export function stopWorkers(wasm: WasmModule): void {
  for (const worker of all.get(wasm)?.workers ?? []) worker.terminate();
  all.delete(wasm);
}

/** How many threads shall share `work`, if each is to have at least `enough`: telling one takes some microseconds. */
export function threadsFor(wasm: WasmModule, work: number, enough: number): number {
  return Math.max(1, Math.min(threadsOf(wasm), Math.floor(work / enough)));
}

/** Threads that work for a module, this one included. */
export function threadsOf(wasm: WasmModule): number {
  return 1 + (all.get(wasm)?.slots.length ?? 0);
}

/** Calls a function of the assembly once per list of numbers: at the same time, on as many threads as there are. */
export function callTogether(wasm: WasmModule, job: keyof Assembly, calls: readonly (readonly number[])[]): void {
  const [own = [], ...others] = calls;
  const run = assembly(wasm)[job] as (...numbers: readonly number[]) => void;
  const { names, slots } = all.get(wasm) ?? none;
  const given = others.map((numbers, i) => {
    const slot = slots[i] as Slot;
    slot.numbers.set(numbers);
    slot.words[2] = names.indexOf(job);
    slot.words[3] = numbers.length;
    Atomics.add(slot.words, 0, 1);
    Atomics.notify(slot.words, 0);
    return slot.words;
  });
  run(...own);
  // A page must not sleep, and it is a matter of microseconds.
  for (const words of given) while (Atomics.load(words, 1) !== words[0]);
  if (given.some((words) => words[2] === -1)) throw new Error(`wasm kernels: ${job} failed in a worker.`);
}

/** `total` in up to `parts` ranges of about the same length, all but the last a multiple of `unit`. */
export function ranges(total: number, parts: number, unit = 1): [from: number, to: number][] {
  const length = unit * Math.ceil(total / parts / unit);
  return Array.from({ length: Math.ceil(total / length) }, (_, i) => [i * length, Math.min(total, (i + 1) * length)]);
}
