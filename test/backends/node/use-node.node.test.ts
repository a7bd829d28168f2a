import { engine, KernelBackend, registerBackend, removeBackend } from "@tensorflow/tfjs-core";
import { afterEach, expect, test, vi } from "vitest";
import { useBackend } from "../../../src/backends";
import { SidError } from "../../../src/core";

const names = { node: "@tensorflow/tfjs-node", "node-gpu": "@tensorflow/tfjs-node-gpu" } as const;
type Name = keyof typeof names;
const both = Object.keys(names) as Name[];

afterEach(() => {
  for (const name of both) vi.doUnmock(names[name]);
  if ("tensorflow" in engine().registryFactory) removeBackend("tensorflow");
});

async function failure(name: Name, threads?: number): Promise<SidError> {
  const error = await useBackend(name, threads === undefined ? {} : { threads }).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(SidError);
  return error as SidError;
}

/** Importing the package ends like this. */
function loading(name: Name, error: Error): void {
  vi.doMock(names[name], () => {
    throw error;
  });
}

/** The package of the name, on a machine with a GPU or without. */
function installed(name: Name, isUsingGpuDevice: boolean, seen: (settings: NodeJS.ProcessEnv) => void = () => {}) {
  class Backend extends KernelBackend {
    readonly isUsingGpuDevice = isUsingGpuDevice;
    override dispose() {}
  }
  vi.doMock(names[name], () => {
    seen({ ...process.env });
    registerBackend("tensorflow", () => new Backend());
    return {};
  });
}

test.each(both)("%s: a missing package is named with its install line", async (name) => {
  loading(name, new Error(`Cannot find package '${names[name]}'`));
  const error = await failure(name);
  expect(error.code).toBe("missing-backend");
  expect(error.message).toMatch(new RegExp(`npm install ${names[name]}$`));
});

test.each(both)("%s: a package without its binary says how to build it", async (name) => {
  loading(
    name,
    new Error("The Node.js native addon module (tfjs_binding.node) can not be found at path: /x. \nPlease"),
  );
  const error = await failure(name);
  expect(error.code).toBe("missing-backend");
  expect(error.message).toContain(`npm rebuild ${names[name]} --build-addon-from-source`);
  expect(error.message).toMatch(/install script/);
  expect(/CUDA toolkit 11\.2 and cuDNN 8\.1/.test(error.message)).toBe(name === "node-gpu");
});

test.each(both)("%s: a binary that does not load says why", async (name) => {
  const cause = new Error("libcudart.so.11.0: cannot open shared object file\nat somewhere");
  loading(name, Object.assign(cause, { code: "ERR_DLOPEN_FAILED" }));
  const error = await failure(name);
  expect(error.code).toBe("missing-backend");
  expect(error.message).toMatch(/does not load \(libcudart\.so\.11\.0: cannot open shared object file\);/);
});

test("node-gpu without a GPU is refused, and the backend before it goes on", async () => {
  await useBackend("cpu");
  installed("node-gpu", false);
  const error = await failure("node-gpu");
  expect(error.code).toBe("missing-backend");
  expect(error.message).toMatch(/finds no GPU.*driver.*CUDA toolkit 11\.2 and cuDNN 8\.1/);
  expect(engine().backendName).toBe("cpu");
});

test("node beside node-gpu is refused", async () => {
  installed("node", true);
  expect((await failure("node")).code).toBe("unsupported");
});

test("TensorFlow starts quietly and on as many threads as asked for; the environment is as before", async () => {
  const before = { ...process.env };
  let seen: NodeJS.ProcessEnv = {};
  installed("node-gpu", false, (settings) => {
    seen = settings;
  });
  await failure("node-gpu", 3);
  expect(seen["TF_CPP_MIN_LOG_LEVEL"]).toBe("2");
  expect(seen["TF_NUM_INTRAOP_THREADS"]).toBe("3");
  expect({ ...process.env }).toEqual(before);
});

test.each(["TF_CPP_MIN_LOG_LEVEL", "TF_NUM_INTRAOP_THREADS"])("what the user has set in %s stays", async (key) => {
  vi.stubEnv(key, "1");
  let seen: NodeJS.ProcessEnv = {};
  installed("node-gpu", false, (settings) => {
    seen = settings;
  });
  await failure("node-gpu", 3);
  expect(seen[key]).toBe("1");
  expect(process.env[key]).toBe("1");
  vi.unstubAllEnvs();
});

test.each([0, 1.5, "2", 1e4])("threads %j are refused", async (threads) => {
  expect(["out-of-range", "invalid-argument"]).toContain((await failure("node", threads as number)).code);
});
