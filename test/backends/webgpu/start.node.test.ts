/** How WebGPU starts and fails to, on GPUs that compute nothing; use-webgpu.node.test.ts is about one that does. */
import { backend, engine, findBackendFactory, getBackend, registerBackend, removeBackend } from "@tensorflow/tfjs-core";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { BackendName, UseBackendOptions, useBackend } from "../../../src/backends";
import type { Gpu } from "../../../src/backends/webgpu/types";
import type { SidError } from "../../../src/core";
import { type FakeDevice, fakeAdapter, fakeGpu, limits } from "../../support/fake-gpu";

/** What `create` of the package `webgpu` gives for its flags. */
let dawn: (flags: readonly string[]) => Gpu;
const created = vi.fn((flags: readonly string[]) => dawn(flags));

let installed = true;

beforeEach(() => {
  installed = true;
  // Whether or not it is: `auto` would take it.
  vi.doMock("@tensorflow/tfjs-node", () => {
    throw new Error("Cannot find package");
  });
  vi.doMock("webgpu", () => {
    if (!installed) throw new Error("Cannot find package");
    return { create: created, globals: { GPUFakeConstants: { ONE: 1 } } };
  });
});
afterEach(() => {
  if (findBackendFactory("webgpu")) removeBackend("webgpu");
  vi.doUnmock("webgpu");
  vi.doUnmock("@tensorflow/tfjs-node");
  vi.unstubAllGlobals();
  vi.resetModules();
  created.mockClear();
});

/** Starts WebGPU with none of Dawn's GPUs known yet. */
async function startFresh(name: BackendName | "auto", options?: UseBackendOptions): Promise<BackendName> {
  const fresh = (await import("../../../src/backends")) as { useBackend: typeof useBackend };
  return await fresh.useBackend(name, options);
}

async function failure(promise: Promise<unknown>): Promise<{ code: string; message: string }> {
  const error = (await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )) as SidError;
  // Modules were loaded anew, and the class with them.
  expect(error?.name).toBe("SidError");
  return error;
}

const device = () => (backend() as unknown as { device: FakeDevice }).device;
const geforce = { vendor: "nvidia", architecture: "turing", description: "NVIDIA: 535.1" };
const swiftshader = { vendor: "google", architecture: "swiftshader", isFallbackAdapter: true };

describe("in Node", () => {
  test("starts Dawn, and leaves no navigator.gpu behind", async () => {
    dawn = () => fakeGpu(fakeAdapter(geforce));
    const before = (globalThis as { navigator?: object }).navigator;
    expect(await startFresh("webgpu")).toBe("webgpu");
    expect(getBackend()).toBe("webgpu");
    expect(globalThis).toHaveProperty("GPUFakeConstants", { ONE: 1 });
    expect((globalThis as { navigator?: object }).navigator).toBe(before);
    expect((before as { gpu?: unknown } | undefined)?.gpu).toBeUndefined();
    Reflect.deleteProperty(globalThis, "GPUFakeConstants");
  });

  test("asks for all that the GPU grants, and for features by their names", async () => {
    const adapter = fakeAdapter(geforce, {
      features: new Set(["shader-f16", "bgra8unorm-storage", "timestamp-query"]),
    });
    dawn = () => fakeGpu(adapter);
    await startFresh("webgpu");
    expect(device().wanted).toEqual({
      requiredLimits: limits,
      requiredFeatures: ["timestamp-query", "bgra8unorm-storage"],
    });
  });

  test("says how to install what is missing", async () => {
    installed = false;
    const error = await failure(startFresh("webgpu"));
    expect(error).toMatchObject({ code: "missing-backend", message: expect.stringMatching(/npm install webgpu$/) });
  });

  test("says how to install the backend itself", async () => {
    vi.doMock("@tensorflow/tfjs-backend-webgpu", () => {
      throw new Error("Cannot find package");
    });
    const { message } = await failure(startFresh("webgpu"));
    vi.doUnmock("@tensorflow/tfjs-backend-webgpu");
    expect(message).toMatch(/npm install @tensorflow\/tfjs-backend-webgpu$/);
  });

  test("without a GPU it names the loader and the driver", async () => {
    dawn = () => fakeGpu(null);
    expect(await failure(startFresh("webgpu"))).toMatchObject({
      code: "missing-backend",
      message: expect.stringMatching(/finds no GPU; on Linux .*libvulkan1.*Vulkan driver/),
    });
  });

  test("a GPU of too little is refused with the limit, what is wanted and what came", async () => {
    const small = { ...limits, maxStorageBufferBindingSize: 2 ** 26 };
    dawn = () => fakeGpu(fakeAdapter(geforce, { limits: small }));
    const error = await failure(startFresh("webgpu"));
    expect(error.code).toBe("unsupported");
    expect(error.message).toBe(
      'useBackend: "webgpu" wants maxStorageBufferBindingSize of at least 134217728, nvidia turing NVIDIA: 535.1 has 67108864.',
    );
    expect(findBackendFactory("webgpu")).toBeNull();
  });

  test("a device that is refused says why", async () => {
    const requestDevice = async () => {
      throw new Error("out of handles");
    };
    dawn = () => fakeGpu(fakeAdapter(geforce, { requestDevice }));
    expect(await failure(startFresh("webgpu"))).toMatchObject({
      code: "missing-backend",
      message: "useBackend: nvidia turing NVIDIA: 535.1 does not start: out of handles",
    });
  });

  test("takes the GPU of a name, by its own words or by its driver's", async () => {
    const [strong, weak, third] = [geforce, { vendor: "intel", architecture: "" }, { vendor: "amd" }].map((info) =>
      fakeAdapter(info),
    );
    dawn = ([flag]) => {
      if (flag === undefined) return fakeGpu(strong as never, weak as never);
      if (flag === "adapter=Radeon") return fakeGpu(third as never);
      const requestAdapter = async () => {
        throw new Error("no suitable backends found\nAvailable adapters:\n * backend: 'vulkan', name: 'Radeon RX'\n");
      };
      return { requestAdapter };
    };
    for (const [adapter, taken] of [
      ["NVidia", strong],
      ["Intel", weak],
      ["Radeon", third],
    ] as const) {
      await startFresh("webgpu", { adapter });
      expect(device()).toBe(taken?.devices.at(-1));
      removeBackend("webgpu");
    }
    const error = await failure(startFresh("webgpu", { adapter: "Voodoo" }));
    expect(error).toMatchObject({
      code: "missing-backend",
      message: 'useBackend: no GPU is named "Voodoo"; there is "nvidia turing NVIDIA: 535.1", "intel", "Radeon RX".',
    });
  });

  test("takes the GPU of the power preference, and refuses another word", async () => {
    const [strong, weak] = [fakeAdapter(geforce), fakeAdapter({ vendor: "intel", architecture: "" })];
    dawn = () => fakeGpu(strong, weak);
    await startFresh("webgpu", { powerPreference: "low-power" });
    expect(device()).toBe(weak.devices[0]);
    removeBackend("webgpu");
    await startFresh("webgpu");
    expect(device()).toBe(strong.devices[0]);
    expect((await failure(startFresh("webgpu", { powerPreference: "most" as never }))).code).toBe("invalid-argument");
    expect((await failure(startFresh("webgpu", { adapter: 3 as never }))).code).toBe("invalid-argument");
  });
});

describe("where navigator.gpu is given", () => {
  test("auto takes a GPU, but none that a processor plays, not even one that runs", async () => {
    const lines: string[] = [];
    const log = (line: string) => void lines.push(line);
    let adapter = fakeAdapter(geforce);
    const gpu: Gpu = { requestAdapter: async () => adapter };
    vi.stubGlobal("navigator", { gpu });
    vi.doMock("../../../src/backends/try-out", () => ({ tryOut: async () => {} }));
    const { useBackend: use } = await import("../../../src/backends");
    vi.doUnmock("../../../src/backends/try-out");
    expect(await use("auto", { log })).toBe("webgpu");
    expect(await use("auto", { log })).toBe("webgpu");
    for (const info of [
      swiftshader,
      { device: "llvmpipe (LLVM 15)" },
      { description: "Microsoft Basic Render Driver" },
    ]) {
      removeBackend("webgpu");
      adapter = fakeAdapter(info);
      expect(await use("auto", { log })).toBe("wasm");
      expect(lines.at(-1)).toMatch(/backend wasm .*webgpu: .* is a processor that plays a GPU;/);
      expect(await use("webgpu")).toBe("webgpu");
      expect(await use("auto", { log })).toBe("wasm");
    }
  });

  test("auto passes by a GPU that starts and does not compute", async () => {
    const lines: string[] = [];
    vi.stubGlobal("navigator", { gpu: fakeGpu(fakeAdapter(geforce)) });
    expect(await startFresh("auto", { log: (line) => void lines.push(line) })).toBe("wasm");
    expect(lines).toEqual([expect.stringMatching(/backend wasm .*webgpu: it starts and does not compute: /)]);
  });

  test("uses it, in place of what the package registered by itself", async () => {
    const adapter = fakeAdapter(geforce);
    vi.stubGlobal("navigator", { gpu: fakeGpu(adapter) });
    const own = vi.fn();
    registerBackend("webgpu", own as never);
    await startFresh("webgpu");
    expect(device()).toBe(adapter.devices[0]);
    expect([created.mock.calls, own.mock.calls]).toEqual([[], []]);
  });

  test("two calls at once start one device; so does a later one, while it lives", async () => {
    const adapter = fakeAdapter(geforce);
    vi.stubGlobal("navigator", { gpu: fakeGpu(adapter) });
    const { useBackend: use } = await import("../../../src/backends");
    await Promise.all([use("webgpu"), use("webgpu")]);
    await use("webgpu");
    expect(adapter.devices.length).toBe(1);
    device().lose("the driver was updated");
    await use("webgpu");
    expect(adapter.devices.length).toBe(2);
    expect(device()).toBe(adapter.devices[1]);
    expect(engine().registry).toHaveProperty("webgpu");
  });

  test("a call that failed does not hinder the next", async () => {
    let first = true;
    const gpu: Gpu = {
      async requestAdapter() {
        if (!first) return fakeAdapter(geforce);
        first = false;
        return null;
      },
    };
    vi.stubGlobal("navigator", { gpu });
    const { useBackend: use } = await import("../../../src/backends");
    const [refused, started] = await Promise.allSettled([use("webgpu"), use("webgpu")]);
    expect([refused.status, started.status]).toEqual(["rejected", "fulfilled"]);
  });
});
