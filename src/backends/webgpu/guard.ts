import { SidError, type SidErrorCode } from "../../core/errors";
import { sharedState } from "../../core/shared-state";
import type { BufferManager, Device, StartedDevice, WebgpuBackend } from "./types";

/** What went wrong on a GPU. */
interface Failure {
  readonly code: SidErrorCode;
  readonly message: string;
}

/** What a guard wraps, and reads, of a backend. */
export interface Guardable
  extends Pick<WebgpuBackend, "tensorMap" | "read" | "readSync" | "runWebGPUProgram" | "dispose"> {
  readonly device: StartedDevice;
  readonly bufferManager: Pick<BufferManager, "acquireBuffer">;
}

/** What is known of a guarded backend. */
interface State {
  failure?: Failure;
  /** Verdicts of the GPU that have not come yet; reads wait for them. */
  readonly pending: Set<Promise<void>>;
}

const guarded = /* @__PURE__ */ sharedState("guarded webgpu backends", () => new WeakMap<object, State>());

/** True for a backend whose tensors are lost. */
export function hasFailed(backend: object): boolean {
  return guarded.get(backend)?.failure !== undefined;
}

/** Throws for a backend whose tensors are lost. */
export function checkAlive(backend: object): void {
  const failure = guarded.get(backend)?.failure;
  if (failure) throw new SidError(failure.code, failure.message);
}

/**
 * Runs commands whose failure makes all that follows worthless: a read that follows waits for the GPU's verdict, which comes
 * beside the program.
 *
 * @param what - what fails, in words.
 */
export function mustSucceed<T>(backend: { readonly device: Device }, what: string, commands: () => T): T {
  const state = guarded.get(backend);
  const errors = errorsOf(backend.device, commands);
  if (!state) return errors.result;
  const verdict = errors.first.then((error) => {
    state.pending.delete(verdict);
    if (error)
      state.failure ??= {
        code: "unsupported",
        message: `webgpu backend: ${what}: ${error.message}. useBackend("wasm") computes without it.`,
      };
  });
  state.pending.add(verdict);
  return errors.result;
}

/** What the GPU objects to in these commands: a driver's own failure is an "internal" error. */
export function errorsOf<T>(device: Device, commands: () => T) {
  const filters = ["validation", "internal"] as const;
  for (const filter of filters) device.pushErrorScope(filter);
  let pops: Promise<{ readonly message: string } | null>[] = [];
  let result: T;
  try {
    result = commands();
  } finally {
    pops = filters.map(() => device.popErrorScope().catch(() => null));
  }
  return { result, first: Promise.all(pops).then((errors) => errors.find((error) => error !== null)) };
}

/**
 * Lets a backend throw where its GPU has failed. WebGPU itself reports an error beside the program, which goes on
 * and reads whatever was in the buffers.
 *
 * - A lost device, an error of a kernel, a program that its driver does not compile, or a GPU out of memory: each later
 *   kernel and each read throws.
 * - A tensor larger than the GPU takes: the call throws, and nothing else is lost.
 * - A synchronous read where only a canvas could do it and there is none, as in Node: it throws.
 */
export function guardDevice(backend: Guardable): void {
  if (guarded.has(backend)) return;
  const state: State = { pending: new Set() };
  guarded.set(backend, state);
  const { device } = backend;
  watch(device, (code, what) => {
    state.failure ??= {
      code,
      // Dawn's later lines name its own calls.
      message: `webgpu backend: ${what.replace(/\.?\s*(\n.*)?$/s, "")}. What was on the GPU is lost; useBackend("webgpu") starts anew.`,
    };
  });
  const check = () => checkAlive(backend);
  guardMemory(backend);

  const { read, readSync, runWebGPUProgram, dispose } = backend;
  Object.assign(backend, {
    runWebGPUProgram(...args: unknown[]) {
      check();
      return runWebGPUProgram.apply(backend, args);
    },
    async read(dataId: object) {
      check();
      try {
        const values = await read.call(backend, dataId);
        await Promise.all(state.pending);
        check();
        return values;
      } catch (cause) {
        // A read that the device breaks off may be told so before the reason is.
        await new Promise((later) => setTimeout(later));
        check();
        if (!(cause instanceof DOMException)) throw cause;
        throw new SidError("device-lost", `webgpu backend: the GPU broke off a read: ${cause.message}`, { cause });
      }
    },
    readSync(dataId: object) {
      check();
      const { values, resource } = backend.tensorMap.get(dataId);
      if (values == null && resource != null && !("OffscreenCanvas" in globalThis))
        throw new SidError(
          "unsupported",
          'webgpu backend: dataSync() and arraySync() cannot wait for the GPU here; use "await tensor.data()".',
        );
      return readSync.call(backend, dataId);
    },
    dispose() {
      dispose.call(backend);
      device.destroy();
    },
  });
}

/** Calls `fail` when the device is lost or an error of its reaches nobody else. */
function watch(device: StartedDevice, fail: (code: SidErrorCode, what: string) => void): void {
  void device.lost.then(({ message }) => fail("device-lost", `the GPU is lost: ${message}`));
  device.addEventListener("uncapturederror", (event) => {
    // It is thrown; the console need not have it as well.
    event.preventDefault();
    const { error } = event as Event & { readonly error: { readonly message: string } };
    if (typeof GPUOutOfMemoryError !== "undefined" && error instanceof GPUOutOfMemoryError)
      fail("out-of-memory", `the GPU's memory is full: ${error.message}`);
    else fail("device-lost", `the GPU refused a command: ${error.message}`);
  });
}

/** Bit of a buffer's usage: kernels read and write it. */
const storage = 0x80;

/** Lets the pool of buffers throw for one that cannot be had. */
function guardMemory({ bufferManager, device }: Guardable): void {
  const { acquireBuffer } = bufferManager;
  const { maxBufferSize, maxStorageBufferBindingSize } = device.limits;
  const refusal = (size: number, reason: string, cause?: unknown) =>
    new SidError(
      "out-of-memory",
      `webgpu backend: a tensor of ${Math.ceil(size / 2 ** 20)} MiB does not fit, ${reason}; a batch in more accumulationRounds takes less.`,
      { cause },
    );
  Object.assign(bufferManager, {
    acquireBuffer(size: number, usage: number, ...rest: [boolean?, boolean?]) {
      const most = usage & storage ? Math.min(maxBufferSize, maxStorageBufferBindingSize) : maxBufferSize;
      if (size > most) throw refusal(size, `the GPU takes at most ${Math.floor(most / 2 ** 20)} MiB`);
      try {
        return acquireBuffer.call(bufferManager, size, usage, ...rest);
      } catch (cause) {
        throw refusal(size, (cause as Error).message, cause);
      }
    },
  });
}
