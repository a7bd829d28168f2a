import { expect, test, vi } from "vitest";
import { useBackend } from "../../../src/backends";
import { SidError } from "../../../src/core";

// A file of its own: a WASM module that failed to start cannot be started again in the same process.
test("a folder without the binaries is an error, not a hang", async () => {
  for (const method of ["error", "warn", "log"] as const) vi.spyOn(console, method).mockImplementation(() => {});
  const error = await useBackend("wasm", { wasmPath: "/nowhere/" }).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(SidError);
  expect((error as SidError).code).toBe("missing-backend");
  expect((error as SidError).message).toContain("wasmPath");
}, 10_000);
