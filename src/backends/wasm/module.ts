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
  readonly tfjs: {
    registerTensor(id: number, size: number, at: Pointer): void;
    disposeData(id: number): void;
  };
  readonly [binary: `_${string}`]: (...numbers: number[]) => unknown;
}

/** What these kernels use of the backend object. */
export interface WasmBackend {
  readonly wasm: WasmModule;
  readonly dataIdMap: { get(dataId: object): { readonly id: number; readonly memoryOffset: Pointer } };
  makeOutput(shape: number[], dtype: string): TensorInfo;
  disposeData(dataId: object): boolean;
  incRef(dataId: object): void;
}

/** The largest divisor of `of` that is not over `atMost`; at least 1. */
export function largestDivisor(of: number, atMost: number): number {
  let divisor = Math.max(1, Math.floor(Math.min(of, atMost)));
  while (of % divisor !== 0) divisor--;
  return divisor;
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

/** The backend speaks of tensors by id; this is far above the ids that it gives out itself. */
const view = 2 ** 30;
const shapeAreas = new WeakMap<WasmModule, Pointer>();

/** A little memory per module in which shapes are handed over: sixteen 32-bit integers. */
function shapeArea(wasm: WasmModule): Pointer {
  const known = shapeAreas.get(wasm);
  if (known !== undefined) return known;
  const at = wasm._malloc(64) >>> 0;
  shapeAreas.set(wasm, at);
  return at;
}

/** Lets the module see memory as a tensor, under an id, while `use` runs. */
export function withView(wasm: WasmModule, at: Pointer, size: number, use: (id: number) => void): void {
  wasm.tfjs.registerTensor(view, size, at);
  use(view);
  wasm.tfjs.disposeData(view);
}

/** A stock element-by-element function of two float tensors, given by id, with shapes of up to 6 axes. */
export function runBinary(
  wasm: WasmModule,
  name: `_${string}`,
  a: number,
  aShape: readonly number[],
  b: number,
  bShape: readonly number[],
  out: number,
): void {
  const at = shapeArea(wasm);
  wasm.HEAP32.set(aShape, at >>> 2);
  wasm.HEAP32.set(bShape, (at >>> 2) + aShape.length);
  wasm[name]?.(a, at, aShape.length, b, at + 4 * aShape.length, bShape.length, 0, out);
}
