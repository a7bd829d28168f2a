import type { DataType, TensorInfo } from "@tensorflow/tfjs-core";

/** What is used of the browser's and of Dawn's WebGPU, and of tfjs's backend for it. */

/** Entry to WebGPU: `navigator.gpu`. */
export interface Gpu {
  requestAdapter(options?: { powerPreference?: PowerPreference }): Promise<Adapter | null>;
}

/** Which GPU of several. */
export type PowerPreference = "high-performance" | "low-power";

/** What a GPU says about itself; browsers leave out much of it. */
export interface AdapterInfo {
  readonly vendor?: string;
  readonly architecture?: string;
  readonly device?: string;
  readonly description?: string;
  /** Least and most invocations of a subgroup. */
  readonly subgroupMinSize?: number;
  readonly subgroupMaxSize?: number;
  /** True for a processor that plays a GPU. */
  readonly isFallbackAdapter?: boolean;
}

/** A GPU. */
export interface Adapter {
  readonly info?: AdapterInfo;
  readonly features: ReadonlySet<string>;
  readonly limits: Readonly<Partial<Record<Limit, number>>>;
  requestDevice(wanted: {
    requiredFeatures: readonly string[];
    requiredLimits: Readonly<Partial<Record<Limit, number>>>;
  }): Promise<StartedDevice>;
}

/** Bounds of a GPU that training comes near to. */
export type Limit =
  | "maxBufferSize"
  | "maxStorageBufferBindingSize"
  | "maxStorageBuffersPerShaderStage"
  | "maxComputeWorkgroupStorageSize"
  | "maxComputeInvocationsPerWorkgroup"
  | "maxComputeWorkgroupSizeX"
  | "maxComputeWorkgroupSizeY"
  | "maxComputeWorkgroupSizeZ"
  | "maxComputeWorkgroupsPerDimension";

/** A GPU that was started. */
export interface StartedDevice extends EventTarget {
  readonly features: ReadonlySet<string>;
  readonly limits: Readonly<Record<Limit, number>>;
  readonly adapterInfo?: AdapterInfo;
  /** Fulfilled when the device is gone. */
  readonly lost: Promise<{ readonly reason?: string; readonly message: string }>;
  destroy(): void;
}

/** A GPU in use. */
export interface Device extends StartedDevice {
  createShaderModule(wanted: { code: string; label?: string }): object;
  createComputePipeline(wanted: {
    compute: { module: object; entryPoint: string };
    layout: "auto";
    label?: string;
  }): Pipeline;
  createBindGroup(wanted: {
    layout: object;
    entries: readonly { binding: number; resource: { buffer: Buffer } }[];
  }): object;
  createBuffer(wanted: { size: number; usage: number; mappedAtCreation?: boolean }): Buffer;
  createQuerySet(wanted: { type: "timestamp"; count: number }): object;
  pushErrorScope(filter: "validation" | "out-of-memory" | "internal"): void;
  popErrorScope(): Promise<{ readonly message: string } | null>;
}

/** A compiled shader. */
export interface Pipeline {
  getBindGroupLayout(index: number): object;
}

/** Commands of one compute pass. */
interface ComputePass {
  setPipeline(pipeline: Pipeline): void;
  setBindGroup(index: number, group: object): void;
  dispatchWorkgroups(x: number, y: number, z: number): void;
}

/** Commands that are recorded. */
interface CommandEncoder {
  beginComputePass(options: object): ComputePass;
  copyBufferToBuffer(source: Buffer, sourceOffset: number, target: Buffer, targetOffset: number, size: number): void;
  clearBuffer(buffer: Buffer): void;
}

/** What tfjs's backend knows of a tensor's data. */
interface TensorData {
  /** On the host; absent where the GPU has them. */
  values?: unknown;
  /** On the GPU. */
  resource?: unknown;
  readonly shape: number[];
}

/** tfjs's backend: an instance of its `WebGPUBackend`. */
export interface WebgpuBackend {
  readonly device: Device;
  readonly bufferManager: BufferManager;
  readonly tensorMap: { get(dataId: object): TensorData };
  /** Commands that are recorded and not submitted. */
  readonly commandEncoder: CommandEncoder | null;
  computePassEncoder: ComputePass | null;
  dispatchCountInPass: number;
  /** Where kernels are timed: what they took. */
  readonly activeTimers?: { name: string; query: Promise<number> }[] | null;
  readonly supportTimestampQuery: boolean;
  querySet?: object | null;
  readonly querySetCount: number;
  ensureCommandEncoderReady(): void;
  endComputePassEncoder(): void;
  submitQueue(): void;
  getQueryTime(): Promise<number>;
  makeTensorInfo(shape: number[], dtype: DataType, values?: unknown): TensorInfo;
  /** Gives a tensor's data a buffer, where it has none. */
  uploadToGPU(dataId: object): void;
  incRef(dataId: object): void;
  disposeData(dataId: object, force?: boolean): boolean;
  /** Whether all inputs are small and on the host, where stock kernels compute them. */
  shouldExecuteOnCPU(inputs: readonly TensorInfo[]): boolean;
  read(dataId: object): Promise<unknown>;
  readToGPU(dataId: object, ...rest: unknown[]): unknown;
  readSync(dataId: object): unknown;
  runWebGPUProgram(...args: unknown[]): unknown;
  dispose(): void;
}

/** A piece of GPU memory in tfjs's pool. */
interface PooledBuffer {
  readonly size: number;
  destroy(): void;
}

/** A piece of GPU memory. */
export interface Buffer extends PooledBuffer {
  getMappedRange(): ArrayBuffer;
  unmap(): void;
}

/** tfjs's pool of GPU buffers. */
export interface BufferManager {
  /** Buffers to be used again, by size and usage. */
  readonly freeBuffers: Map<string, PooledBuffer[]>;
  readonly numBytesUsed: number;
  /** In use and free. */
  numBytesAllocated: number;
  numFreeBuffers: number;
  acquireBuffer(size: number, usage: number, mappedAtCreation?: boolean, reuse?: boolean): PooledBuffer;
}
