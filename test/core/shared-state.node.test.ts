import { mul, tensor1d, variable } from "@tensorflow/tfjs-core";
import { beforeEach, expect, test, vi } from "vitest";

/** Modules as two copies of this package have them. */
async function twice<T>(load: () => Promise<T>): Promise<readonly [T, T]> {
  const first = await load();
  vi.resetModules();
  return [first, await load()];
}

beforeEach(() => vi.resetModules());

test("the value of a name is made once for all copies, and one for each name", async () => {
  const [first, second] = await twice(() => import("../../src/core/shared-state"));
  expect(first.sharedState).not.toBe(second.sharedState);
  const make = vi.fn(() => ({}));
  const value = first.sharedState("test: a", make);
  expect(second.sharedState("test: a", make)).toBe(value);
  expect(make).toHaveBeenCalledTimes(1);
  expect(second.sharedState("test: b", make)).not.toBe(value);
});

test("a backend that one copy compiles for is compiled for in the other", async () => {
  const [first, second] = await twice(() => import("../../src/core/graph-runner"));
  const runner = { run: () => undefined, release: vi.fn() };
  first.setGraphRunner("test", false, () => runner);
  expect(second.graphRunnerOf("test")).toBeUndefined();
  first.setGraphRunner("test", true, () => runner);
  expect(second.graphRunnerOf("test")).toBe(runner);
  second.setGraphRunner("test", false, () => ({ ...runner }));
  expect(first.graphRunnerOf("test")).toBeUndefined();
  second.setGraphRunner("test", true, () => ({ ...runner }));
  expect(first.graphRunnerOf("test")).toBe(runner);
  second.setGraphRunner("test", false, () => runner);
  second.releaseGraphs();
  expect(runner.release).toHaveBeenCalledTimes(1);
});

test("what a tape of one copy differentiates at, the other knows", async () => {
  const { useBackend } = await import("../../src/backends");
  await useBackend("cpu");
  const [first, second] = await twice(() => import("../../src/core/tape"));
  const [trained, frozen] = [variable(tensor1d([1])), variable(tensor1d([2]))];
  let seen: boolean[] = [];
  const { value, grads } = first.runTape(() => {
    seen = [trained, frozen].map(second.isTarget);
    return mul(trained, frozen);
  }, [trained]);
  expect(seen).toEqual([true, false]);
  for (const tensor of [value, ...grads, trained, frozen]) tensor.dispose();
});

test("kernels are registered once, by whichever copy comes first", async () => {
  const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
  const [first, second] = await twice(() => import("../../src/backends"));
  await first.useBackend("wasm", { threads: 1 });
  await second.useBackend("wasm", { threads: 1 });
  const [one, two] = await twice(() => import("../../src/memory/dry-backend"));
  for (const { onDryBackend } of [one, two])
    for (const fused of [true, false]) await onDryBackend(fused, async () => {});
  expect(warn.mock.calls).toEqual([]);
});
