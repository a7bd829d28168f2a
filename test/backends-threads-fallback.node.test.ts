import { getThreadsCount } from "@tensorflow/tfjs-backend-wasm";
import { getBackend, square, tensor1d } from "@tensorflow/tfjs-core";
import { expect, test, vi } from "vitest";
import { useBackend } from "../src/backends";
import { SidError } from "../src/core";

// A file of its own: one process starts the backend once.
test("where no threads start, one line says so and one thread computes", async () => {
  for (const threads of [0, 9, 1.5, Number.NaN]) {
    const error = await useBackend("wasm", { threads }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(SidError);
    expect((error as SidError).message).toContain("threads");
  }
  const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
  vi.doMock("node:worker_threads", () => ({
    Worker: class {
      constructor() {
        throw new Error("workers are not permitted");
      }
    },
  }));
  await useBackend("wasm", { threads: 2 });
  expect(warn.mock.calls).toEqual([[expect.stringMatching(/one thread instead of 2: workers are not permitted$/)]]);
  expect(getBackend()).toBe("wasm");
  expect(getThreadsCount()).toBe(1);
  const x = tensor1d([1, 2]);
  expect(Array.from(square(x).dataSync())).toEqual([1, 4]);
  x.dispose();
});
