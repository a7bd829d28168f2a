import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeAll, expect, test } from "vitest";
import { useBackend } from "../../../src/backends";
import { kernelFunc } from "../../../src/backends/webgpu/kernel";
import type { Program } from "../../../src/backends/webgpu/program";
import { submitAfter, workOfOne } from "../../../src/backends/webgpu/submit";

const ones: Program<null> = {
  name: "ones",
  shader: () => ({
    reads: {},
    writes: { y: "f32" },
    body: "@compute @workgroup_size(4) fn main(@builtin(local_invocation_index) lane: u32) { y[lane] = 1.0; }",
  }),
};

type Queue = { submit(commands: unknown): void };
let queue: Queue;
let submit: Queue["submit"];

beforeAll(async () => {
  await useBackend("webgpu");
  ({ queue } = (tf.backend() as unknown as { device: { queue: Queue } }).device);
  submit = queue.submit;
});
afterEach(() => {
  queue.submit = submit;
});

/** Submits while so many programs of so much work are recorded. */
async function submitsOf(programs: number, work: number): Promise<number> {
  // Begins with nothing recorded.
  const start = tf.tidy(() => tf.square(tf.tensor1d([1, 2, 3, 4])));
  await start.data();
  let submits = 0;
  queue.submit = (commands) => {
    submits++;
    submit.call(queue, commands);
  };
  const kernel = kernelFunc(({ output, run }) => {
    const y = output([4]);
    for (let i = 0; i < programs; i++) run(ones, null, { reads: {}, writes: { y }, groups: 1, work });
    return y;
  });
  const result = kernel({ inputs: {}, attrs: {}, backend: tf.backend() }) as tf.TensorInfo;
  const counted = submits;
  const y = tf.engine().makeTensorFromTensorInfo(result);
  expect([...(await y.data())]).toEqual([1, 1, 1, 1]);
  tf.dispose([start, y]);
  return counted;
}

test("small programs go to the GPU by their number, large ones by their work", async () => {
  expect(await submitsOf(submitAfter - 1, workOfOne)).toBe(0);
  expect(await submitsOf(submitAfter, 0)).toBe(1);
  expect(await submitsOf(8, (submitAfter / 4) * workOfOne)).toBe(2);
  expect(await submitsOf(3, submitAfter * workOfOne)).toBe(3);
});
