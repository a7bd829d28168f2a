import { useBackend } from "../../src/backends";

/** The backend that this project of the test run is about. */
export const testBackend = (process.env["SID_TEST_BACKEND"] ?? "cpu") as "cpu" | "wasm" | "node" | "webgpu";

export async function startTestBackend(): Promise<void> {
  await useBackend(testBackend, testBackend === "webgpu" ? {} : { threads: 1 });
}

/** What TensorFlow.js calls that backend. */
export const registeredBackend = testBackend === "node" ? "tensorflow" : testBackend;
