import {
  backend,
  conv2d,
  fused,
  grads,
  matMul,
  memory,
  setBackend,
  type Tensor,
  type Tensor3D,
  type Tensor4D,
} from "@tensorflow/tfjs-core";
import { expect, test, vi } from "vitest";
import { useBackend } from "../src/backends";
import type { WasmBackend } from "../src/backends/wasm/module";
import { threadsOf } from "../src/backends/wasm/workers";
import { expectSame, positive } from "./support/two-backends";

// A file of its own: one process starts the backend once.
test("two threads start in Node, leave the process as it was, and compute what the cpu backend computes", async () => {
  const found = () => ({
    worker: Object.hasOwn(globalThis, "Worker"),
    uncaught: process.rawListeners("uncaughtException"),
    unhandled: process.rawListeners("unhandledRejection"),
  });
  const before = found();
  const printed = vi.spyOn(console, "warn");
  await useBackend("cpu");
  await useBackend("wasm", { threads: 2 });
  expect(printed).not.toHaveBeenCalled();
  const threads = () => threadsOf((backend() as unknown as WasmBackend).wasm);
  expect(threads()).toBe(2);
  expect(found()).toEqual(before);

  const [a, b] = [positive([1, 130, 140], 1), positive([1, 140, 120], 2)];
  const bias = positive([120], 3);
  // Each of these is large enough for the threads: a tall product, a fused one, a batch, transposed ones.
  await expectSame([a, b], (x, y) => matMul(x, y));
  await expectSame([positive([20, 70, 40]), positive([40, 50])], (x, y) => matMul(x, y));
  await expectSame([a, b, bias], (x, y, z) => fused.matMul({ a: x as Tensor3D, b: y as Tensor3D, bias: z as Tensor }));
  await expectSame([positive([3, 90, 80]), positive([3, 80, 100])], (x, y) => matMul(x, y));
  await expectSame([a, b], (x, y) => grads((p, q) => matMul(p as Tensor, q as Tensor))([x as Tensor, y as Tensor]));
  await expectSame([positive([4, 12, 12, 24]), positive([3, 3, 24, 40])], (x, y) =>
    grads((p, q) => conv2d(p as Tensor4D, q as Tensor4D, 1, "same"))([x as Tensor, y as Tensor]),
  );
  await setBackend("wasm");
  expect(memory().numTensors).toBe(0);
  await useBackend("wasm", { threads: 4 });
  expect(threads(), "a backend that runs is left alone").toBe(2);
});
