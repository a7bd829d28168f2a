import { fc, test } from "@fast-check/vitest";
import { expect, vi } from "vitest";
import { boundPool } from "../src/backends/webgpu/pool";
import type { BufferManager, WebgpuBackend } from "../src/backends/webgpu/types";

const usage = 0x80;

/** tfjs's own pool, of buffers that are only counted, behind a bound. */
async function makePool() {
  vi.stubGlobal("navigator", { gpu: {} });
  const { WebGPUBackend } = await import("@tensorflow/tfjs-backend-webgpu");
  const destroyed: number[] = [];
  const createBuffer = ({ size }: { size: number }) => ({ size, usage, destroy: () => void destroyed.push(size) });
  const backend = new WebGPUBackend({ createBuffer, queue: {}, features: new Set() } as never);
  vi.unstubAllGlobals();
  boundPool(backend as unknown as WebgpuBackend);
  const pool = backend.bufferManager as unknown as BufferManager & { releaseBuffer(buffer: object): void };
  return { backend, pool, destroyed };
}

test("the sizes that were asked for last stay, the oldest go", async () => {
  const { pool, destroyed } = await makePool();
  const use = (...sizes: number[]) => {
    for (const buffer of sizes.map((size) => pool.acquireBuffer(size, usage))) pool.releaseBuffer(buffer);
  };
  use(100, 100);
  use(60);
  use(100);
  use(120);
  expect(destroyed, "200 were in use at once, 260 lie free").toEqual([60]);
  use(8);
  expect(destroyed, "now 320").toEqual([60, 100, 100]);
  use(120);
  expect([destroyed.length, pool.numBytesAllocated, pool.numBytesUsed, pool.numFreeBuffers]).toEqual([3, 128, 0, 2]);
});

test("what is recorded is submitted before a buffer goes", async () => {
  const { backend, pool, destroyed } = await makePool();
  const order: string[] = [];
  Object.assign(backend, {
    commandEncoder: {},
    endComputePassEncoder: () => order.push("end"),
    submitQueue: () => order.push(`submit, ${destroyed.length} destroyed`),
  });
  for (const size of [100, 50, 20]) pool.releaseBuffer(pool.acquireBuffer(size, usage));
  expect(order).toEqual(["end", "submit, 0 destroyed"]);
  expect(destroyed).toEqual([100]);
});

test.prop({
  rounds: fc.array(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 8 }), { maxLength: 20 }),
})("no more lies free than was in use at the peak and one buffer; a loop comes to rest", async ({ rounds }) => {
  const { pool, destroyed } = await makePool();
  let peak = 0;
  for (const sizes of rounds) {
    const buffers = sizes.map((size) => pool.acquireBuffer(4 * size, usage));
    peak = Math.max(peak, pool.numBytesUsed);
    expect(pool.numBytesUsed).toBe(4 * sizes.reduce((a, b) => a + b, 0));
    for (const buffer of buffers) pool.releaseBuffer(buffer);
    expect(pool.numBytesAllocated).toBeLessThanOrEqual(2 * peak);
    const free = [...pool.freeBuffers.values()].flat();
    expect([pool.numFreeBuffers, pool.numBytesAllocated]).toEqual([free.length, free.reduce((a, b) => a + b.size, 0)]);
  }
  const sizes = rounds.at(-1) ?? [];
  const [before, alike] = [destroyed.length, pool.numBytesAllocated];
  for (let i = 0; i < 3; i++)
    for (const buffer of sizes.map((size) => pool.acquireBuffer(4 * size, usage))) pool.releaseBuffer(buffer);
  expect([destroyed.length, pool.numBytesAllocated]).toEqual([before, alike]);
});
