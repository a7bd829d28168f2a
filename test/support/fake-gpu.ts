import type { Adapter, AdapterInfo, Gpu, Limit, StartedDevice } from "../../src/backends/webgpu/types";

/** Limits of a GPU like those of 2020. */
export const limits: Readonly<Record<Limit, number>> = {
  maxBufferSize: 2 ** 32,
  maxStorageBufferBindingSize: 2 ** 31,
  maxStorageBuffersPerShaderStage: 16,
  maxComputeWorkgroupStorageSize: 49152,
  maxComputeInvocationsPerWorkgroup: 1024,
  maxComputeWorkgroupSizeX: 1024,
  maxComputeWorkgroupSizeY: 1024,
  maxComputeWorkgroupSizeZ: 64,
  maxComputeWorkgroupsPerDimension: 65535,
};

/** A GPU that starts and computes nothing. */
export class FakeDevice extends EventTarget implements StartedDevice {
  readonly features = new Set<string>();
  readonly queue = {};
  readonly limits: Readonly<Record<Limit, number>>;
  readonly lost: StartedDevice["lost"];
  /** Ends the device, as a driver does. */
  lose!: (message: string) => void;

  constructor(
    readonly wanted: Parameters<Adapter["requestDevice"]>[0],
    readonly adapterInfo: AdapterInfo = {},
  ) {
    super();
    this.limits = { ...limits, ...wanted.requiredLimits };
    this.lost = new Promise((fulfil) => {
      this.lose = (message) => fulfil({ message });
    });
  }

  /** What a command does that the GPU refuses. */
  report(error: { readonly message: string }): Event {
    const event = Object.assign(new Event("uncapturederror", { cancelable: true }), { error });
    this.dispatchEvent(event);
    return event;
  }

  destroy(): void {
    this.lose("destroyed");
  }
}

/** A GPU with a name, and other limits or features. */
export function fakeAdapter(info: AdapterInfo, changes: Partial<Adapter> = {}): Adapter & { devices: FakeDevice[] } {
  const devices: FakeDevice[] = [];
  return {
    info,
    limits,
    features: new Set(),
    devices,
    async requestDevice(wanted) {
      const device = new FakeDevice(wanted, info);
      devices.push(device);
      return device;
    },
    ...changes,
  };
}

/** Entry to GPUs by power preference; null where there is none. */
export function fakeGpu(high: Adapter | null, low: Adapter | null = high): Gpu {
  return { requestAdapter: async (options) => (options?.powerPreference === "low-power" ? low : high) };
}
