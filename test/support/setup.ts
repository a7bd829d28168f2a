import { memory } from "@tensorflow/tfjs-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect } from "vitest";
import { startTestBackend } from "./backend";

let before = 0;

beforeAll(async () => {
  await startTestBackend();
});
beforeEach(() => {
  before = memory().numTensors;
});
afterEach(() => {
  expect(memory().numTensors, "leaked tensors").toBe(before);
});
afterAll(() => {
  expect(memory().numTensors, "tensors left by the whole file").toBe(0);
});
