import "@tensorflow/tfjs-backend-wasm";
import { backend, env, getBackend, matMul, memory, tensor2d, tidy } from "@tensorflow/tfjs-core";
import { afterEach, expect, test, vi } from "vitest";
import { arithmetic, type UseBackendOptions, useBackend } from "../../../src/backends";
import { fuses } from "../../../src/backends/wasm/fuses";
import type { WasmBackend } from "../../../src/backends/wasm/module";
import { threadsOf } from "../../../src/backends/wasm/workers";
import { allowRelaxedSimd } from "../../support/relaxed-simd";

afterEach(() => vi.restoreAllMocks());

/** `x² − 1 − 2⁻¹¹` of x = 1 + 2⁻¹²: 2⁻²⁴, which a rounded square has lost. */
function residue(): number {
  const x = 1 + 2 ** -12;
  return tidy(() => matMul(tensor2d([[-1 - 2 ** -11, x]]), tensor2d([[1], [x]])).dataSync()[0] as number);
}

const refusal = (options: UseBackendOptions) => useBackend("wasm", options).catch((reason: unknown) => reason);
const threads = () => threadsOf((backend() as unknown as WasmBackend).wasm);
const without = { code: "unsupported", message: expect.stringMatching(/fma.*Node 22.*leave fma out/) };

// One process has one backend: each test finds it as the one before left it.
test("an engine without relaxed SIMD, and one that has it and does not fuse, compute as before and refuse fma", async () => {
  await useBackend("cpu");
  expect(arithmetic()).toBeUndefined();
  // TensorFlow.js looks once whether the engine has SIMD.
  await env().getAsync("WASM_HAS_SIMD_SUPPORT");
  const compiled = vi.spyOn(WebAssembly, "Module");
  vi.spyOn(WebAssembly, "validate").mockReturnValue(false);
  expect(await refusal({ fma: true })).toMatchObject(without);
  expect(compiled, "nothing that the engine does not know").not.toHaveBeenCalled();
  vi.restoreAllMocks();

  vi.spyOn(WebAssembly, "validate").mockReturnValue(true);
  const rounded = (x: number, y: number, z: number) => Math.fround(Math.fround(x * y) + z);
  vi.spyOn(WebAssembly, "Module").mockImplementation(class {} as never);
  vi.spyOn(WebAssembly, "Instance").mockImplementation(
    class {
      exports = { f: rounded };
    } as never,
  );
  expect(fuses()).toBe(false);
  expect(await refusal({ fma: true })).toMatchObject(without);
  vi.restoreAllMocks();

  expect(await refusal({ fma: 1 as never })).toMatchObject({
    code: "invalid-argument",
    message: expect.stringContaining("fma"),
  });
  expect(getBackend()).toBe("cpu");
});

test("unasked it fuses where the engine does; asked, it changes, threads and all; a call that does not ask changes nothing", async () => {
  const here = fuses();
  await useBackend("wasm", { threads: 2 });
  expect([arithmetic(), residue()]).toEqual(here ? ["fma", 2 ** -24] : ["plain", 0]);

  allowRelaxedSimd();
  if (!fuses()) return expect(await refusal({ fma: true })).toMatchObject(without);
  await useBackend("wasm");
  expect(arithmetic()).toBe(here ? "fma" : "plain");
  for (const fma of [true, false, true]) {
    await useBackend("wasm", { fma });
    await useBackend("wasm");
    expect([arithmetic(), residue(), threads()]).toEqual([fma ? "fma" : "plain", fma ? 2 ** -24 : 0, 2]);
  }
  await useBackend("cpu");
  expect(arithmetic()).toBeUndefined();
  await useBackend("wasm");
  expect(arithmetic()).toBe("fma");
  expect(memory().numTensors).toBe(0);
});
