import type { TensorInfo } from "@tensorflow/tfjs-core";
import { transposeTiles } from "./transpose-tiles";

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
  readonly PThread?: object;
  /** Where the memory is: its own in the threaded binary, an export otherwise. */
  readonly wasmMemory?: WebAssembly.Memory;
  readonly asm?: { readonly memory: WebAssembly.Memory };
  readonly tfjs: {
    registerTensor(id: number, size: number, at: Pointer): void;
    disposeData(id: number): void;
  };
  _AvgPool(...numbers: number[]): void;
  _BatchMatMul(...numbers: number[]): void;
  _Conv2D(...numbers: number[]): void;
  _Transpose(...numbers: number[]): void;
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

/** The backend speaks of tensors by id; these are far above the ids that it gives out itself. */
const view = { left: 2 ** 30, right: 2 ** 30 + 1, out: 2 ** 30 + 2 };
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
  wasm.tfjs.registerTensor(view.left, size, at);
  use(view.left);
  wasm.tfjs.disposeData(view.left);
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

/** Below this many multiplications, waking the other threads costs more than they save. */
const worthThreads = 2 ** 18;

/**
 * Whether to say a product as a 1×1 convolution, on whose rows the threads of the threaded binary share the work;
 * its matMul runs on one. Alone, the two are equally fast.
 */
export function sharedByThreads(wasm: WasmModule, multiplications: number): boolean {
  return wasm.PThread !== undefined && multiplications >= worthThreads;
}

/** Multiplies a row-major `[m, k]` matrix at `left` with the packed right one into `out` `[m, n]`. */
export type Multiply = (left: Pointer, m: number, out: Pointer) => void;

/**
 * Packs the row-major `[k, n]` matrix at `right` once, for all the products that `use` asks for.
 * Every product runs on the one fast path of the stock kernel, batch 1 and nothing transposed, or is shared by threads.
 */
export function withRight(
  wasm: WasmModule,
  right: Pointer,
  k: number,
  n: number,
  use: (multiply: Multiply) => void,
): void {
  const at = shapeArea(wasm);
  wasm.tfjs.registerTensor(view.right, k * n, right);
  wasm.HEAP32.set([1, 0, k, 1, k, n], at >>> 2);
  use((left, m, out) => {
    wasm.tfjs.registerTensor(view.left, m * k, left);
    wasm.tfjs.registerTensor(view.out, m * n, out);
    if (sharedByThreads(wasm, m * k * n)) runConvolution(wasm, [1, m, 1], [1, 1], [0, 0, 0, 0], [k, n]);
    else {
      wasm.HEAP32[(at >>> 2) + 1] = m;
      wasm._BatchMatMul(view.left, at, 3, view.right, at + 12, 3, 0, 0, view.out);
    }
    wasm.tfjs.disposeData(view.left);
    wasm.tfjs.disposeData(view.out);
  });
  // Disposing the view also drops the packed copy, which the module keys by tensor id.
  wasm.tfjs.disposeData(view.right);
}

/** A matrix of up to so many floats stays in the cache however it is transposed. */
export const cached = 2 ** 13;

/**
 * Transposes `count` row-major matrices `[rows, columns]` that follow each other. Small ones are said to the module
 * as a rank-3 transpose, which writes in order (its rank-2 loop writes in strides and takes up to 4 times longer);
 * on large ones it takes up to 8 times longer than plain code that goes tile by tile.
 */
export function transposeMatrices(
  wasm: WasmModule,
  from: Pointer,
  to: Pointer,
  count: number,
  rows: number,
  columns: number,
): void {
  const one = rows * columns;
  if (one > cached) {
    for (let i = 0; i < count; i++)
      transposeTiles(wasm.HEAPF32, (from >>> 2) + i * one, (to >>> 2) + i * one, rows, columns);
    return;
  }
  const at = shapeArea(wasm);
  const size = count * one;
  wasm.tfjs.registerTensor(view.left, size, from);
  wasm.tfjs.registerTensor(view.out, size, to);
  wasm.HEAP32.set(count === 1 ? [1, rows, columns, 2, 0, 1] : [count, rows, columns, 0, 2, 1], at >>> 2);
  wasm._Transpose(view.left, at, 3, 0, view.out, at + 12, 3);
  wasm.tfjs.disposeData(view.left);
  wasm.tfjs.disposeData(view.out);
}

/** The sizes of a forward convolution with stride 1. */
export interface Convolution {
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  readonly filterHeight: number;
  readonly filterWidth: number;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
  readonly left: number;
}

/** The stock forward convolution of NHWC `x` with HWIO `filter`, stride 1. */
export function convolve(wasm: WasmModule, x: Pointer, filter: Pointer, out: Pointer, c: Convolution): void {
  const { batch, height, width, filterHeight, filterWidth, inChannels, outChannels, top, right, bottom, left } = c;
  const outHeight = height + top + bottom - filterHeight + 1;
  const outWidth = width + left + right - filterWidth + 1;
  wasm.tfjs.registerTensor(view.left, batch * height * width * inChannels, x);
  wasm.tfjs.registerTensor(view.right, filterHeight * filterWidth * inChannels * outChannels, filter);
  wasm.tfjs.registerTensor(view.out, batch * outHeight * outWidth * outChannels, out);
  runConvolution(
    wasm,
    [batch, height, width],
    [filterHeight, filterWidth],
    [top, right, bottom, left],
    [inChannels, outChannels],
  );
  for (const id of Object.values(view)) wasm.tfjs.disposeData(id);
}

/** The module's convolution of the left view with the right one into the out view: stride 1, no dilation. */
function runConvolution(
  wasm: WasmModule,
  image: readonly [batch: number, height: number, width: number],
  window: readonly [height: number, width: number],
  padding: readonly [top: number, right: number, bottom: number, left: number],
  channels: readonly [inputs: number, outputs: number],
): void {
  const [samePadding, dilation, stride] = [0, 1, 1];
  wasm._Conv2D(
    ...[view.left, ...image, view.right, ...window, ...padding],
    ...[samePadding, dilation, dilation, stride, stride, ...channels, view.out],
  );
}
