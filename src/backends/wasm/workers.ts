import { env } from "@tensorflow/tfjs-core";
import { sharedState } from "../../core/shared-state";
import { type Assembly, assembly, assemblyModule, memoryOf } from "./assembly";
import type { WasmModule } from "./module";

/**
 * Where a job is written down, in memory that all share. A job is one function with several lists of numbers to call
 * it with, its parts; each thread takes the next part until there is none.
 */
interface Board {
  /** See {@link word}. */
  readonly words: Int32Array;
  /** The parts' numbers, `numberCount` each. */
  readonly numbers: Float64Array;
}

/**
 * Words of the board. The ticket tells in one word how many parts there are and which is next: `parts·2⁸ + next`.
 * Whoever adds 1 to it has taken that part, if there is one, and the board stays as it is until the part is done.
 * The job is a number that changes with each job: what sleeping workers watch.
 */
const word = { job: 0, ticket: 1, done: 2, failed: 3, function: 4, arguments: 5, count: 6 } as const;

interface Worker {
  terminate(): unknown;
}

interface Workers {
  readonly names: readonly string[];
  readonly board: Board;
  readonly workers: readonly Worker[];
}

const numberCount = 40;
/** Parts of a job, at most: one for each thread. */
const mostParts = 16;
const all = /* @__PURE__ */ sharedState("wasm workers", () => new WeakMap<WasmModule, Workers>());

/**
 * A worker: makes functions of its own from the same module and memory, then waits for jobs; awake for a moment
 * after each, asleep after that.
 */
const source = `
const work = ({ module, memory, names, at }, ready) => {
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  const words = new Int32Array(memory.buffer, at, ${word.count});
  const numbers = new Float64Array(memory.buffer, at + ${4 * word.count}, ${numberCount} * ${mostParts});
  ready("ready");
  for (let seen = 0; ; ) {
    for (let i = 0; i < 5000 && Atomics.load(words, ${word.job}) === seen; i++);
    Atomics.wait(words, ${word.job}, seen);
    seen = Atomics.load(words, ${word.job});
    for (;;) {
      const ticket = Atomics.add(words, ${word.ticket}, 1);
      const part = ticket & 255;
      if (part >= ticket >> 8) break;
      try {
        const first = part * ${numberCount};
        exports[names[words[${word.function}]]](...numbers.subarray(first, first + words[${word.arguments}]));
      } catch {
        words[${word.failed}] = 1;
      }
      Atomics.add(words, ${word.done}, 1);
    }
  }
};`;

/** Starts `count` workers for a module whose memory can be shared. */
export async function startWorkers(wasm: WasmModule, count: number): Promise<void> {
  const module = assemblyModule(wasm);
  const memory = memoryOf(wasm);
  const names = Object.keys(assembly(wasm));
  const at = wasm._malloc(4 * word.count + 8 * numberCount * mostParts) >>> 0;
  const board = {
    words: new Int32Array(memory.buffer, at, word.count),
    numbers: new Float64Array(memory.buffer, at + 4 * word.count, numberCount * mostParts),
  };
  board.words.fill(0);
  const workers: Worker[] = [];
  try {
    for (let i = 0; i < count; i++) workers.push(await startWorker({ module, memory, names, at }));
  } catch (cause) {
    for (const worker of workers) worker.terminate();
    throw cause;
  }
  all.set(wasm, { names, board, workers });
}

/** A worker that has made its functions; it does not keep the process alive. */
async function startWorker(data: object): Promise<Worker> {
  if (env().getBool("IS_NODE")) {
    const threads = (await import(/* webpackIgnore: true */ /* @vite-ignore */ nodeThreads)) as NodeThreads;
    const text = `const { parentPort, workerData } = require("${nodeThreads}");
      work(workerData, (message) => parentPort.postMessage(message));`;
    const worker = new threads.default.Worker(source + text, { eval: true, workerData: data });
    const answer = new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
    await inTime(answer).catch((cause) => {
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
  await inTime(
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
export async function inTime<T>(promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${patience / 1000} s`)), patience);
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
  return 1 + (all.get(wasm)?.workers.length ?? 0);
}

/** Calls a function of the assembly once per list of numbers: at the same time, on as many threads as there are. */
export function callTogether(wasm: WasmModule, job: keyof Assembly, calls: readonly (readonly number[])[]): void {
  const run = assembly(wasm)[job] as (...numbers: readonly number[]) => void;
  const workers = all.get(wasm);
  if (!workers || calls.length < 2) {
    for (const numbers of calls) run(...numbers);
    return;
  }
  const { words, numbers } = workers.board;
  calls.forEach((list, part) => {
    numbers.set(list, part * numberCount);
  });
  words[word.function] = workers.names.indexOf(job);
  words[word.arguments] = calls[0]?.length ?? 0;
  words[word.done] = 0;
  Atomics.store(words, word.ticket, calls.length << 8);
  Atomics.add(words, word.job, 1);
  Atomics.notify(words, word.job);
  // This thread takes parts, too: all of them, if the others are busy elsewhere.
  for (;;) {
    const part = Atomics.add(words, word.ticket, 1) & 255;
    const numbers = calls[part];
    if (!numbers) break;
    run(...numbers);
    Atomics.add(words, word.done, 1);
  }
  // A page must not sleep, and it is a matter of microseconds.
  while (Atomics.load(words, word.done) < calls.length);
  if (words[word.failed] !== 0) throw new Error(`wasm kernels: ${job} failed in a worker.`);
}

/** `total` in up to `parts` ranges of about the same length, all but the last a multiple of `unit`. */
export function ranges(total: number, parts: number, unit = 1): [from: number, to: number][] {
  const length = unit * Math.ceil(total / parts / unit);
  return Array.from({ length: Math.ceil(total / length) }, (_, i) => [i * length, Math.min(total, (i + 1) * length)]);
}
