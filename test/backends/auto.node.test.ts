import { MathBackendCPU } from "@tensorflow/tfjs-backend-cpu";
import {
  copyRegisteredKernels,
  getBackend,
  getKernel,
  type KernelFunc,
  memory,
  registerBackend,
  registerKernel,
  removeBackend,
  unregisterKernel,
} from "@tensorflow/tfjs-core";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { useBackend } from "../../src/backends";

// What a package is that starts: the cpu backend under TensorFlow's name, with its stock kernels.
vi.mock("../../src/backends/node/register", () => ({ registerNodeKernels() {} }));
for (const missing of ["webgpu", "@tensorflow/tfjs-node-gpu"])
  vi.doMock(missing, () => {
    throw new Error("Cannot find package");
  });
copyRegisteredKernels("cpu", "tensorflow");

const lines: string[] = [];
const auto = () => useBackend("auto", { log: (line) => void lines.push(line) });

/** Reading gives what this makes of the true numbers. */
let read = (values: Float32Array) => values;

beforeEach(() => {
  lines.length = 0;
  read = (values) => values;
  class Backend extends MathBackendCPU {
    readonly isUsingGpuDevice = false;
    override async read(id: object) {
      return read((await super.read(id)) as Float32Array);
    }
  }
  registerBackend("tensorflow", () => Object.assign(new Backend(), { firstUse: false }));
});
afterEach(() => removeBackend("tensorflow"));

/** An operation that fails, as tfjs-node's do where Node lacks what they call; what is returned repairs it. */
function breakKernel(kernelName: string): () => void {
  const stock = getKernel(kernelName, "tensorflow");
  const replace = (kernelFunc: KernelFunc) => {
    unregisterKernel(kernelName, "tensorflow");
    registerKernel({ ...stock, kernelFunc });
  };
  replace(() => {
    throw new TypeError("util_1.isNullOrUndefined is not a function");
  });
  return () => replace(stock.kernelFunc);
}

test("auto takes a backend that computes", async () => {
  const before = memory().numTensors;
  expect(await auto()).toBe("node");
  expect(getBackend()).toBe("tensorflow");
  expect(memory().numTensors).toBe(before);
});

test.each(["Concat", "AddN", "Pack"])("auto passes by a backend that starts and whose %s fails", async (name) => {
  const repair = breakKernel(name);
  const before = memory().numTensors;
  expect(await auto()).toBe("wasm");
  repair();
  expect(getBackend()).toBe("wasm");
  expect(lines).toEqual([expect.stringMatching(/backend wasm .*node: it starts and does not compute: util_1\.isNull/)]);
  expect(memory().numTensors).toBe(before);
});

test("auto passes by a backend that computes other numbers", async () => {
  read = (values) => values.fill(0);
  expect(await auto()).toBe("wasm");
  expect(lines).toEqual([expect.stringContaining("node: it starts and computes [0,0,0,0] for [4,6,3,4]")]);
});
