import type { TensorInfo } from "@tensorflow/tfjs-core";

/** An address in the WASM heap, in bytes. */
export type Pointer = number;

/** What these kernels use of the Emscripten module behind the 'wasm' backend. */
export interface WasmModule {
  /** Views of the heap; replaced whenever the heap grows, so read them anew after every allocation. */
  readonly HEAPF32: Float32Array;
  readonly HEAP32: Int32Array;
  readonly HEAPU8: Uint8Array;
  _malloc(bytes: number): number;
  _free(at: Pointer): void;
  /** The threads of the threaded binary. */
  readonly PThread?: { terminateAllThreads(): void };
  /** Where the memory is: its own in the threaded binary, an export otherwise. */
  readonly wasmMemory?: WebAssembly.Memory;
  readonly asm?: { readonly memory: WebAssembly.Memory };
}

/** What these kernels use of the backend object. */
export interface WasmBackend {
  readonly wasm: WasmModule;
  readonly dataIdMap: { get(dataId: object): { readonly memoryOffset: Pointer } };
  makeOutput(shape: number[], dtype: string): TensorInfo;
  disposeData(dataId: object): boolean;
  incRef(dataId: object): void;
}

/** Where a tensor's elements begin. */
export function pointerOf(backend: WasmBackend, tensor: TensorInfo): Pointer {
  return backend.dataIdMap.get(tensor.dataId).memoryOffset;
}

/** Runs `use` with an allocator of floats whose memory is freed afterwards. */
export function withScratch<T>(wasm: WasmModule, use: (floats: (count: number) => Pointer) => T): T {
  const taken: Pointer[] = [];
  try {
    return use((count) => {
      const at = wasm._malloc(4 * count) >>> 0;
      taken.push(at);
      return at;
    });
  } finally {
    for (const at of taken) wasm._free(at);
  }
}
