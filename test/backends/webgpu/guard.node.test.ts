import { describe, expect, test, vi } from "vitest";
import { type Guardable, guardDevice, hasFailed } from "../../../src/backends/webgpu/guard";
import { expectSidError } from "../../support/errors";
import { FakeDevice, limits } from "../../support/fake-gpu";

/** A guarded backend on a GPU that computes nothing; tensors are keyed by objects. */
function guarded(changes: Partial<Guardable> = {}) {
  const device = new FakeDevice({ requiredFeatures: [], requiredLimits: {} });
  const [onGpu, onHost] = [{}, {}];
  const backend: Guardable = {
    device,
    bufferManager: { acquireBuffer: (size) => ({ size, destroy() {} }) },
    tensorMap: { get: (id) => ({ shape: [], ...(id === onHost ? { values: [1] } : { values: null, resource: {} }) }) },
    read: async () => [7],
    readSync: () => [8],
    runWebGPUProgram: (...args) => args,
    dispose: vi.fn(),
    ...changes,
  };
  guardDevice(backend);
  return { backend, device, onGpu, onHost };
}

const later = () => new Promise((fulfil) => setTimeout(fulfil));

describe("a guarded GPU", () => {
  test("computes and reads as before while nothing fails", async () => {
    const { backend, onHost } = guarded();
    expect(backend.runWebGPUProgram(1, 2, 3)).toEqual([1, 2, 3]);
    expect(await backend.read({})).toEqual([7]);
    expect(backend.readSync(onHost)).toEqual([8]);
    expect(hasFailed(backend)).toBe(false);
    const { runWebGPUProgram } = backend;
    guardDevice(backend);
    expect(backend.runWebGPUProgram, "wrapped once").toBe(runWebGPUProgram);
  });

  test("that is lost throws in kernels and reads, with the driver's reason", async () => {
    const { backend, device, onHost } = guarded();
    device.lose("the driver was reset");
    await later();
    expect(hasFailed(backend)).toBe(true);
    const wanted = /the GPU is lost: the driver was reset\. .*useBackend\("webgpu"\) starts anew/;
    expectSidError("device-lost", () => backend.runWebGPUProgram(), wanted);
    expectSidError("device-lost", () => backend.readSync(onHost), wanted);
    await expect(backend.read(onHost)).rejects.toMatchObject({
      code: "device-lost",
      message: expect.stringMatching(wanted),
    });
  });

  test("does not hand out what a read brought after a command was refused", async () => {
    const { backend, device } = guarded({
      read: async () => {
        device.report({ message: "Buffer is invalid.\n - While calling [Queue].Submit" });
        return [0];
      },
    });
    await expect(backend.read({})).rejects.toMatchObject({
      code: "device-lost",
      message: expect.stringContaining("the GPU refused a command: Buffer is invalid. What"),
    });
  });

  test("keeps the first reason, and the error off the console", () => {
    const { backend, device } = guarded();
    const event = device.report({ message: "first" });
    device.report({ message: "second" });
    expect(event.defaultPrevented).toBe(true);
    expectSidError("device-lost", () => backend.runWebGPUProgram(), /first/);
  });

  test("tells memory that is full from other errors", () => {
    class GPUOutOfMemoryError {
      constructor(readonly message: string) {}
    }
    vi.stubGlobal("GPUOutOfMemoryError", GPUOutOfMemoryError);
    const { backend, device } = guarded();
    device.report(new GPUOutOfMemoryError("Failed to allocate"));
    vi.unstubAllGlobals();
    expectSidError("out-of-memory", () => backend.runWebGPUProgram(), /memory is full: Failed to allocate/);
  });

  test("a read that is broken off waits for the reason; an error of another kind stays what it is", async () => {
    const broken = () => Promise.reject(new DOMException("mapping failed", "AbortError"));
    const { backend, device } = guarded({ read: broken });
    const reading = backend.read({});
    setTimeout(() => device.lose("unplugged"));
    await expect(reading).rejects.toMatchObject({ code: "device-lost" });
    await expect(guarded({ read: broken }).backend.read({})).rejects.toMatchObject({
      code: "device-lost",
      message: expect.stringContaining("broke off a read: mapping failed"),
    });
    const bug = new TypeError("no such tensor");
    await expect(guarded({ read: () => Promise.reject(bug) }).backend.read({})).rejects.toBe(bug);
  });

  test("a tensor larger than the GPU takes is refused before it is made, and nothing else is lost", () => {
    const { backend } = guarded();
    const [storage, uniform] = [0x80, 0x40];
    const { acquireBuffer } = backend.bufferManager;
    const most = limits.maxStorageBufferBindingSize;
    expect(acquireBuffer.call(backend.bufferManager, most, storage)).toMatchObject({ size: most });
    expect(acquireBuffer.call(backend.bufferManager, most + 4, uniform)).toMatchObject({ size: most + 4 });
    for (const [size, usage] of [
      [most + 4, storage],
      [limits.maxBufferSize + 4, uniform],
    ] as const)
      expectSidError("out-of-memory", () => backend.bufferManager.acquireBuffer(size, usage), /MiB does not fit/);
    expect(hasFailed(backend)).toBe(false);
    const full = guarded({
      bufferManager: {
        acquireBuffer() {
          throw new RangeError("createBuffer failed");
        },
      },
    });
    expectSidError("out-of-memory", () => full.backend.bufferManager.acquireBuffer(4, storage), /createBuffer failed/);
  });

  test("reads at once what the host has, and nothing from the GPU unless there is a canvas", () => {
    const { backend, onGpu, onHost } = guarded();
    expect(backend.readSync(onHost)).toEqual([8]);
    expectSidError("unsupported", () => backend.readSync(onGpu), /await tensor\.data\(\)/);
    vi.stubGlobal("OffscreenCanvas", class {});
    expect(backend.readSync(onGpu)).toEqual([8]);
    vi.unstubAllGlobals();
  });

  test("is given back with its backend", async () => {
    const dispose = vi.fn();
    const { backend, device } = guarded({ dispose });
    const destroy = vi.spyOn(device, "destroy");
    backend.dispose();
    expect([dispose.mock.calls.length, destroy.mock.calls.length]).toEqual([1, 1]);
  });
});
