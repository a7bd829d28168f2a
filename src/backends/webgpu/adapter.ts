import { SidError } from "../../core/errors";
import type { Adapter, AdapterInfo, Gpu, Limit, PowerPreference, StartedDevice } from "./types";

/** What every GPU with WebGPU has by the standard, and tfjs's kernels are written for. */
const least: Readonly<Record<Limit, number>> = {
  maxBufferSize: 2 ** 28,
  maxStorageBufferBindingSize: 2 ** 27,
  maxStorageBuffersPerShaderStage: 8,
  maxComputeWorkgroupStorageSize: 2 ** 14,
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupSizeX: 256,
  maxComputeWorkgroupSizeY: 256,
  maxComputeWorkgroupSizeZ: 64,
  maxComputeWorkgroupsPerDimension: 65535,
};

/** Used where there is it: by tfjs the time of a kernel and drawing to a canvas, by our kernels sums within a subgroup. */
const wantedFeatures = ["timestamp-query", "bgra8unorm-storage", "subgroups"];

/** The words of a GPU about itself. */
export function adapterName({ vendor, architecture, device, description }: AdapterInfo = {}): string {
  return [vendor, architecture, device, description].filter(Boolean).join(" ") || "a GPU without a name";
}

/** True for a processor that plays a GPU: right, and slower than the wasm backend. */
export function isSoftware(info: AdapterInfo = {}): boolean {
  return Boolean(info.isFallbackAdapter) || /swiftshader|llvmpipe|softpipe|basic render/i.test(adapterName(info));
}

/** Which GPU; see `UseBackendOptions`. */
interface AdapterChoice {
  readonly powerPreference: PowerPreference;
  readonly adapter?: string | undefined;
}

/**
 * The GPU that fits, or an error that says what there is.
 *
 * @param gpu - entry to WebGPU.
 * @param choice - which GPU.
 * @param named - looks for a GPU by the name that its driver gives it, and throws where there is none; in Node only.
 */
export async function findAdapter(
  gpu: Gpu,
  { powerPreference, adapter: wanted }: AdapterChoice,
  named?: (name: string) => Promise<Adapter | null>,
): Promise<Adapter> {
  const first = await gpu.requestAdapter({ powerPreference });
  if (!first) throw noAdapter(named !== undefined);
  if (wanted === undefined) return first;
  const other = powerPreference === "low-power" ? "high-performance" : "low-power";
  const found = [first, await gpu.requestAdapter({ powerPreference: other })].filter((one) => one !== null);
  const fits = ({ info }: Adapter) => adapterName(info).toLowerCase().includes(wanted.toLowerCase());
  const listed = new Set(found.map(({ info }) => adapterName(info)));
  const fitting = found.find(fits);
  if (fitting) return fitting;
  try {
    const byName = await named?.(wanted);
    if (byName) return byName;
  } catch (cause) {
    // Dawn's own message lists every GPU by the name of its driver.
    for (const [, name] of String((cause as Error).message).matchAll(/name: '([^']*)'/g)) listed.add(name as string);
  }
  throw new SidError(
    "missing-backend",
    `useBackend: no GPU is named ${JSON.stringify(wanted)}; there is ${[...listed].map((name) => JSON.stringify(name)).join(", ")}.`,
  );
}

function noAdapter(inNode: boolean): SidError {
  const cure = inNode
    ? "on Linux it wants the Vulkan loader (package libvulkan1) and the GPU's Vulkan driver; on Windows and macOS a current driver"
    : "the browser has WebGPU, but none that it trusts with this device and driver";
  return new SidError("missing-backend", `useBackend: "webgpu" finds no GPU; ${cure}.`);
}

/** A device with all that the GPU has to give, not with the little that WebGPU grants unasked. */
export async function requestDevice(adapter: Adapter): Promise<StartedDevice> {
  for (const [name, wanted] of Object.entries(least)) {
    const given = adapter.limits[name as Limit];
    if (given !== undefined && given < wanted)
      throw new SidError(
        "unsupported",
        `useBackend: "webgpu" wants ${name} of at least ${wanted}, ${adapterName(adapter.info)} has ${given}.`,
      );
  }
  const limits = Object.keys(least).flatMap((name) => {
    const given = adapter.limits[name as Limit];
    return given === undefined ? [] : [[name, given]];
  });
  try {
    return await adapter.requestDevice({
      requiredFeatures: wantedFeatures.filter((name) => adapter.features.has(name)),
      requiredLimits: Object.fromEntries(limits),
    });
  } catch (cause) {
    throw new SidError(
      "missing-backend",
      `useBackend: ${adapterName(adapter.info)} does not start: ${(cause as Error).message}`,
      { cause },
    );
  }
}
