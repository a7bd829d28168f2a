import {
  backend,
  conv2d,
  dispose,
  fused,
  grads,
  matMul,
  memory,
  removeBackend,
  reshape,
  setBackend,
  square,
  type Tensor,
  type Tensor3D,
  type Tensor4D,
  tidy,
} from "@tensorflow/tfjs-core";
import { expect, test, vi } from "vitest";
import { useBackend } from "../../../src/backends";
import { fuses } from "../../../src/backends/wasm/fuses";
import type { WasmBackend } from "../../../src/backends/wasm/module";
import { startThreads } from "../../../src/backends/wasm/threads";
import { stopWorkers, threadsOf } from "../../../src/backends/wasm/workers";
import { randomStream, vjp } from "../../../src/core";
import { runIfThere } from "../../../src/core/fused-kernels";
import { gegluGate, silu } from "../../../src/models/nn/activations";
import { attention } from "../../../src/models/nn/attention";
import { linear } from "../../../src/models/nn/linear";
import { groupNorm } from "../../../src/models/nn/norms";
import { allowRelaxedSimd } from "../../support/relaxed-simd";
import { expectSame, positive } from "../../support/two-backends";

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
  const { wasm } = backend() as unknown as WasmBackend;
  const threads = () => threadsOf(wasm);
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
  await expectSame([positive([4, 12, 12, 24]), positive([24]), positive([24])], (x, s, b) =>
    grads((p, q, r) => groupNorm(p as Tensor, q as Tensor, r as Tensor, 4, 1e-5, "silu"))([
      x as Tensor,
      s as Tensor,
      b as Tensor,
    ]),
  );
  await setBackend("wasm");
  expect(memory().numTensors).toBe(0);
  await useBackend("wasm", { threads: 4 });
  expect(threads(), "a backend that runs is left alone").toBe(2);

  // How many threads there are changes no bit: a checkpoint of one machine goes on on another, within one arithmetic.
  allowRelaxedSimd();
  const results: number[][][] = [];
  for (const fma of fuses() ? [true, false] : [false]) {
    await startThreads(wasm, 2);
    await useBackend("wasm", { fma });
    expect(threads()).toBe(2);
    const two = iteration();
    stopWorkers(wasm);
    expect(threads()).toBe(1);
    expect(JSON.stringify(iteration()) === JSON.stringify(two), "the same bits on one thread").toBe(true);
    results.push(two);
  }
  const [once, twice] = results.map((values) => JSON.stringify(values));
  expect(once === twice, "sums that are rounded once").toBe(false);

  await setBackend("cpu");
  await startThreads(wasm, 3);
  expect(threads()).toBe(3);
  removeBackend("wasm");
  expect(threads(), "a backend that is removed stops its threads").toBe(1);
});

/** All gradients of a network with every kind of large operation, and Adam's step down one that threads share. */
function iteration(): number[][] {
  const random = randomStream(7);
  const inputs = [[8, 16, 16, 24], [24], [24], [3, 3, 24, 48], [48, 48], [48, 48]].map((shape) => random.normal(shape));
  const network = (...all: Tensor[]) => {
    const [x, scale, shift, filter, toH, toG] = all as [Tensor, Tensor, Tensor, Tensor4D, Tensor, Tensor];
    const h = conv2d(groupNorm(x as Tensor4D, scale, shift, 4, 1e-5, "silu"), filter, 2, "same");
    const tokens = reshape(h, [8, 64, 48]);
    const mixed = attention(tokens, tokens, tokens, { heads: 6 });
    return gegluGate(linear(mixed, toH), linear(silu(mixed), toG));
  };
  const gradients = tidy(() => vjp(network, inputs, random.normal([8, 64, 48])));
  const [x, g] = [inputs[0], gradients[0]] as [Tensor, Tensor];
  const squared = square(x);
  const stepped = runIfThere("SidAdam", [x, squared, g], { beta2: 0.9, rate: 0.1, epsilon: 1e-8 }) as Tensor[];
  const values = [...gradients, ...stepped].map((g) => Array.from(g.dataSync()));
  dispose([inputs, gradients, squared, stepped]);
  return values;
}
