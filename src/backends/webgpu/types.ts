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
  }): Promise<Device>;
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

/** A GPU in use. */
export interface Device extends EventTarget {
  readonly limits: Readonly<Record<Limit, number>>;
  readonly adapterInfo?: AdapterInfo;
  /** Fulfilled when the device is gone. */
  readonly lost: Promise<{ readonly reason?: string; readonly message: string }>;
  destroy(): void;
}

/** tfjs's backend: an instance of its `WebGPUBackend`. */
export interface WebgpuBackend {
  readonly device: Device;
  readonly bufferManager: BufferManager;
  readonly tensorMap: { get(dataId: object): { readonly values: unknown; readonly resource?: unknown } };
  /** Commands that are recorded and not submitted. */
  readonly commandEncoder: object | null;
  endComputePassEncoder(): void;
  submitQueue(): void;
  read(dataId: object): Promise<unknown>;
  readSync(dataId: object): unknown;
  runWebGPUProgram(...args: unknown[]): unknown;
  dispose(): void;
}

/** A piece of GPU memory. */
interface GpuBuffer {
  readonly size: number;
  destroy(): void;
}

/** tfjs's pool of GPU buffers. */
export interface BufferManager {
  /** Buffers to be used again, by size and usage. */
  readonly freeBuffers: Map<string, GpuBuffer[]>;
  readonly numBytesUsed: number;
  /** In use and free. */
  numBytesAllocated: number;
  numFreeBuffers: number;
  acquireBuffer(size: number, usage: number, mappedAtCreation?: boolean, reuse?: boolean): GpuBuffer;
}
