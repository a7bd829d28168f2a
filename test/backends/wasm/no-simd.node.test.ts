import "@tensorflow/tfjs-backend-wasm";
import { env, getBackend } from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { useBackend } from "../../../src/backends";
import { SidError } from "../../../src/core";

test("without SIMD the wasm backend is refused in words", async () => {
  env().set("WASM_HAS_SIMD_SUPPORT", false);
  const error = await useBackend("wasm").catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(SidError);
  expect((error as SidError).code).toBe("unsupported");
  expect((error as SidError).message).toContain("SIMD");
  await useBackend("cpu");
  expect(getBackend()).toBe("cpu");
});
