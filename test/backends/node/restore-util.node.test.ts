import util from "node:util";
import { engine, KernelBackend, registerBackend, removeBackend } from "@tensorflow/tfjs-core";
import { afterEach, expect, test, vi } from "vitest";
import { useBackend } from "../../../src/backends";

const names = { node: "@tensorflow/tfjs-node", "node-gpu": "@tensorflow/tfjs-node-gpu" } as const;
const functions = util as unknown as Record<string, ((value: unknown) => boolean) | undefined>;
const called = ["isArray", "isNullOrUndefined"];
const original = called.map((name) => [name, Object.getOwnPropertyDescriptor(util, name)] as const);

afterEach(() => {
  for (const [name, descriptor] of original) if (descriptor) Object.defineProperty(util, name, descriptor);
  for (const name of Object.values(names)) vi.doUnmock(name);
  if ("tensorflow" in engine().registryFactory) removeBackend("tensorflow");
});

test.each(["node", "node-gpu"] as const)("%s finds what Node has taken away, before it loads", async (name) => {
  for (const gone of called) Reflect.deleteProperty(util, gone);
  const printed = vi.spyOn(process, "emitWarning");
  let found: unknown[] = [];
  vi.doMock(names[name], () => {
    const values = [undefined, null, 0, "", [], { length: 0 }];
    found = called.map((each) => values.map((value) => functions[each]?.(value)));
    throw new Error("seen enough");
  });
  await expect(useBackend(name)).rejects.toThrow(names[name]);
  expect(found).toEqual([
    [false, false, false, false, true, false],
    [true, true, false, false, false, false],
  ]);
  expect(printed).not.toHaveBeenCalled();
});

test("what Node 22 warns of is silent once the package uses it, also where a program imported the package itself", async () => {
  const warn = vi.fn(() => false);
  for (const name of called) Object.defineProperty(util, name, { configurable: true, value: warn });
  registerBackend(
    "tensorflow",
    () =>
      new (class extends KernelBackend {
        readonly isUsingGpuDevice = true;
        override dispose() {}
      })(),
  );
  await expect(useBackend("node")).rejects.toThrow(/beside/);
  expect([functions["isArray"]?.([]), functions["isNullOrUndefined"]?.(null)]).toEqual([true, true]);
  expect(warn).not.toHaveBeenCalled();
});
