import { fill, getBackend, memory, ones, tidy } from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { guardMemory } from "../../../src/backends/wasm/memory";
import { expectSidError } from "../../support/errors";

test("a tensor larger than WASM can address is refused in words, and the backend goes on", () => {
  expect(getBackend()).toBe("wasm");
  const before = memory().numTensors;
  // 2^30 + 1 floats: 4 bytes over 4 GiB, which 32 bits cut down to 4.
  expectSidError("out-of-memory", () => tidy(() => void fill([2 ** 30 + 1], 0)), /4097 MiB more do not fit/);
  expect(memory().numTensors).toBe(before);
  tidy(() => {
    expect([...ones([3]).dataSync()]).toEqual([1, 1, 1]);
  });
});

test("an allocation that fails is refused; one of nothing is not", () => {
  const wasm = { HEAPU8: new Uint8Array(2 ** 20), _malloc: (bytes: number) => (bytes === 8 ? 64 : 0) };
  guardMemory(wasm);
  guardMemory(wasm);
  expect(wasm._malloc(8)).toBe(64);
  expect(wasm._malloc(0)).toBe(0);
  expectSidError("out-of-memory", () => wasm._malloc(16), /1 MiB more do not fit beside its heap of 1 MiB/);
});
