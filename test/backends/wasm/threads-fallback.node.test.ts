import { backend, getBackend, square, tensor1d, tidy } from "@tensorflow/tfjs-core";
import { expect, test, vi } from "vitest";
import { useBackend } from "../../../src/backends";
import type { WasmBackend } from "../../../src/backends/wasm/module";
import { threadsOf } from "../../../src/backends/wasm/workers";
import { SidError } from "../../../src/core";

// A file of its own: one process starts the backend once.
test("where no threads start, one line says so and one thread computes", async () => {
  for (const threads of [0, 17, 1.5, Number.NaN]) {
    const error = await useBackend("wasm", { threads }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(SidError);
    expect((error as SidError).message).toContain("threads");
  }
  const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
  class Worker {
    constructor() {
      throw new Error("workers are not permitted");
    }
  }
  vi.doMock("node:worker_threads", () => ({ default: { Worker } }));
  await useBackend("wasm", { threads: 2 });
  expect(warn.mock.calls).toEqual([[expect.stringMatching(/one thread instead of 2: workers are not permitted$/)]]);
  expect(getBackend()).toBe("wasm");
  expect(threadsOf((backend() as unknown as WasmBackend).wasm)).toBe(1);
  tidy(() => {
    expect(Array.from(square(tensor1d([1, 2])).dataSync())).toEqual([1, 4]);
  });
});
