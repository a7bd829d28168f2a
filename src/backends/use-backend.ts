import { env } from "@tensorflow/tfjs-core";
import { checkObject, describe, type KeysOf } from "../core/checks";
import { SidError } from "../core/errors";
import { tryOut } from "./try-out";

/**
 * Backends that can train.
 *
 * - `cpu`: plain JavaScript, the reference.
 * - `wasm`: the fast one without a GPU and without anything native, with this library's own kernels.
 * - `webgl`: a browser's GPU where there is no WebGPU.
 * - `webgpu`: any GPU, in a browser and in Node.
 * - `node`: TensorFlow's C library on the processor, in Node.
 * - `node-gpu`: the same on a GPU of NVIDIA through CUDA.
 */
export type BackendName = (typeof backendNames)[number];

/** Every {@link BackendName}. */
export const backendNames = ["cpu", "wasm", "webgl", "webgpu", "node", "node-gpu"] as const;

/** Options of {@link useBackend}. */
export interface UseBackendOptions {
  /**
   * Folder with the three `.wasm` files of `@tensorflow/tfjs-backend-wasm`, as a URL or path that ends
   * in `/`. For browsers; only the call that starts the backend reads it.
   * @defaultValue next to the backend's own script; in Node that is always right
   */
  readonly wasmPath?: string | undefined;
  /**
   * Threads that the `wasm` backend computes on, from 1 to 16, or `node`; only the call that starts the backend reads it.
   * On `wasm` their number changes no bit of a result. Where they do not start (another version of the package, a page
   * that is not cross-origin isolated), one line on the console says so and one thread does the work.
   * @defaultValue `node`: all processors, or what the environment's TF_NUM_INTRAOP_THREADS says. `wasm`:
   *   as many as pay: all of up to 4 processors, half of more, at most 8; 1 in a page that is not
   *   cross-origin isolated
   */
  readonly threads?: number | undefined;
  /**
   * Whether `wasm` computes with fused multiply-adds, which round once where others round twice, and take less time.
   * `true` demands them; `false` gives the same bits on every machine, engine and browser. Other backends do not know of
   * it: under `auto` one that is better than `wasm` runs as ever, and where `true` cannot be had `wasm` is passed over, as
   * the line of `log` says. `arithmetic()` tells what runs; a run is the same bit for bit within either, and a checkpoint of the other is refused. A later call with it
   * changes it, one without leaves it.
   * @defaultValue `true` where the engine has relaxed SIMD and the processor fuses: Node 22 and Chrome 114 or newer
   */
  readonly fma?: boolean | undefined;
  /**
   * Which GPU of several `webgpu` asks for; only the call that starts the backend reads it.
   * @defaultValue `"high-performance"`
   */
  readonly powerPreference?: "high-performance" | "low-power" | undefined;
  /**
   * Part of the name of the GPU that `webgpu` shall take, such as `"NVIDIA"`; the error for a wrong one lists them.
   * Only the call that starts the backend reads it.
   */
  readonly adapter?: string | undefined;
  /**
   * Whether `node` runs each U-Net and text encoder, and its backward pass, as one graph of TensorFlow instead of operation
   * by operation: about twice as fast. The first call with new shapes is slow, seconds for a small network, 30 to 40 in
   * all for one of 50 million weights; graphs are freed with the last network of their plan. What TensorFlow
   * refuses as a graph runs operation by operation, and a line on the console says why. Results differ from those without
   * by rounding; there are no gradients of gradients. A later call of `useBackend` without it ends it.
   * @defaultValue `false`
   */
  readonly compile?: boolean | undefined;
  /**
   * Takes the one line in which `auto` says what it chose and why.
   * @defaultValue `console.info`
   */
  readonly log?: ((line: string) => void) | undefined;
}

/**
 * Loads a tfjs backend, makes it the current one, and gives it what it needs in order to train.
 *
 * - `"wasm"` (package `@tensorflow/tfjs-backend-wasm`): our kernels take the place of stock ones that are
 *   missing or slow in training: convolution gradients, matMul with transposes or batches, and others; with fused
 *   multiply-adds where the engine has them, see `fma`.
 *   A program that never calls this function sees the stock kernels.
 * - `"webgpu"` (package `@tensorflow/tfjs-backend-webgpu`, in Node `webgpu` as well): with all the memory and threads
 *   that the GPU grants, and with our kernels for products, convolutions, attention, norms and Adam. In Node tensors are read with `await tensor.data()` only. Where the GPU is lost, or reports an
 *   error, each later operation and read throws; the next call starts it anew, and tensors from before are gone.
 * - `"cpu"` (package `@tensorflow/tfjs-backend-cpu`): the reference, 15 to 100 times slower.
 * - `"node"` (package `@tensorflow/tfjs-node`) and `"node-gpu"` (package `@tensorflow/tfjs-node-gpu`): TensorFlow's own
 *   operations, with convolution gradients at any padding, and few of them for norms, gates, attention and Adam.
 *   A process has one of the two, for good.
 * - `"auto"`: the best that starts and computes here; never a GPU that a processor plays.
 *
 * The backends are optional peers of this package: install the one you use. Calling again is harmless.
 *
 * @param name - the backend.
 * @param options - where the binaries are, how, on how many threads or which GPU to compute.
 * @returns the backend that runs: `name`, or what `auto` chose.
 * @throws SidError `unsupported` without WebAssembly SIMD, for `fma: true` where nothing fuses or for a GPU of too little,
 *   `missing-backend` where the package is not installed (the message has the `npm install` line) or does not start,
 *   `invalid-argument` for an unknown name, `out-of-range` or `invalid-argument` for a number of threads that is no integer
 *   from 1 to 16.
 *   A compiled network throws `io` where the folder for temporary files cannot be written.
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
export async function useBackend(name: BackendName | "auto", options: UseBackendOptions = {}): Promise<BackendName> {
  checkObject("useBackend", "options", options, known);
  if (name === "auto") return await useBest(options);
  if (!backendNames.includes(name))
    throw new SidError(
      "invalid-argument",
      `useBackend: wanted "auto" or one of ${backendNames.map((known) => `"${known}"`).join(", ")}, got ${describe(name)}.`,
    );
  await starters[name](options);
  return name;
}

const known: KeysOf<UseBackendOptions> = {
  ...{ wasmPath: 1, threads: 1, fma: 1, powerPreference: 1, adapter: 1, compile: 1, log: 1 },
};

type Options = UseBackendOptions & { readonly softwareAdapter?: boolean };

/** Each is loaded when it is asked for: a page carries the one that it uses. */
const starters: Readonly<Record<BackendName, (options: Options) => Promise<void>>> = {
  cpu: async () => (await import("./cpu")).useBackend(),
  wasm: async ({ wasmPath, threads, fma }) => (await import("./wasm")).useBackend({ wasmPath, threads, fma }),
  webgl: async () => (await import("./webgl")).useBackend(),
  webgpu: async ({ powerPreference, adapter, softwareAdapter }) =>
    (await import("./webgpu")).useBackend({ powerPreference, adapter, softwareAdapter }),
  node: async (options) => (await import("./node/use-node")).useNode("node", options),
  "node-gpu": async (options) => (await import("./node/use-node")).useNode("node-gpu", options),
};

/** Best first. WebGL comes after WASM: where it is all there is, it is often a processor that plays a GPU. */
const preferences = {
  node: ["node-gpu", "webgpu", "node", "wasm", "cpu"],
  browser: ["webgpu", "wasm", "webgl", "cpu"],
} as const;

/** The first of the preferences that starts and computes; the line says which, and why none before it. */
async function useBest(options: UseBackendOptions): Promise<BackendName> {
  const refused: string[] = [];
  for (const name of preferences[env().getBool("IS_NODE") ? "node" : "browser"]) {
    try {
      await starters[name]({ ...options, softwareAdapter: false });
      await tryOut();
    } catch (error) {
      if (!(error instanceof SidError) || !["missing-backend", "unsupported"].includes(error.code)) throw error;
      refused.push(`${name}: ${error.message.replace(/^useBackend: |\.$/g, "")}`);
      continue;
    }
    (options.log ?? console.info)(`sid-lsg: backend ${name}${refused.length ? ` (${refused.join("; ")})` : ""}`);
    return name;
  }
  throw new SidError("missing-backend", `useBackend: no backend starts here: ${refused.join("; ")}`);
}
