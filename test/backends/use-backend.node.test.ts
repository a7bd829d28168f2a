import { getBackend, getKernel, sum, tensor1d } from "@tensorflow/tfjs-core";
import { afterEach, describe, expect, test, vi } from "vitest";
import { type BackendName, useBackend } from "../../src/backends";
import { SidError } from "../../src/core";

afterEach(() => vi.restoreAllMocks());

async function failure(promise: Promise<unknown>): Promise<SidError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(SidError);
  return error as SidError;
}

describe("useBackend", () => {
  test("leaves the stock kernels alone until it is called", async () => {
    await import("@tensorflow/tfjs-backend-wasm");
    expect(getKernel("Conv2DBackpropFilter", "wasm")).toBeUndefined();
    const stock = getKernel("BatchMatMul", "wasm").kernelFunc;
    await useBackend("wasm");
    expect(getBackend()).toBe("wasm");
    const ours = getKernel("BatchMatMul", "wasm").kernelFunc;
    expect(ours).not.toBe(stock);
    expect(getKernel("Conv2DBackpropFilter", "wasm")).toBeDefined();
    await useBackend("wasm");
    expect(getKernel("BatchMatMul", "wasm").kernelFunc, "registered once").toBe(ours);
  });

  test("starts the cpu backend without its advertisement", async () => {
    const printed = [vi.spyOn(console, "warn"), vi.spyOn(console, "log")];
    await useBackend("cpu");
    expect(getBackend()).toBe("cpu");
    const x = tensor1d([1, 2]);
    expect(sum(x).dataSync()[0]).toBe(3);
    x.dispose();
    for (const spy of printed) expect(spy).not.toHaveBeenCalled();
  });

  test("names what is missing and how to install it", async () => {
    for (const name of ["wasm", "cpu"] as const) {
      const packageName = `@tensorflow/tfjs-backend-${name}`;
      vi.doMock(packageName, () => {
        throw new Error("Cannot find package");
      });
      const error = await failure(useBackend(name));
      expect(error.code).toBe("missing-backend");
      expect(error.message).toContain(`npm install ${packageName}`);
      expect(error.cause).toBeInstanceOf(Error);
      vi.doUnmock(packageName);
    }
  });

  test("refuses a backend that it does not know", async () => {
    for (const name of ["tensorflow", "", undefined, 3]) {
      const error = await failure(useBackend(name as BackendName));
      expect(error.code).toBe("invalid-argument");
      expect(error.message).toMatch(/"auto" or one of "cpu", "wasm"/);
    }
  });
});
