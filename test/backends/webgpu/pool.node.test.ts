import { fc, test } from "@fast-check/vitest";
import { expect, vi } from "vitest";
import { boundPool } from "../../../src/backends/webgpu/pool";
import type { BufferManager, WebgpuBackend } from "../../../src/backends/webgpu/types";

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
  use(50);
  use(100);
  expect(destroyed, "250 for the 200 that were in use at once").toEqual([]);
  use(48);
  expect(destroyed, "of 50 and 100 the 50").toEqual([50]);
  use(120);
  expect(destroyed, "of 100 and 48 one 100 and the other").toEqual([50, 100, 100]);
  expect([pool.numBytesAllocated, pool.numBytesUsed, pool.numFreeBuffers]).toEqual([168, 0, 2]);
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

const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 8 });

test.prop({ rounds: fc.array(sizes, { maxLength: 20 }) })(
  "no more is allocated than the bound; a loop comes to rest",
  async ({ rounds }) => {
    const { pool, destroyed } = await makePool();
    let peak = 0;
    const round = (sizes: readonly number[]) => {
      const buffers = sizes.map((size) => pool.acquireBuffer(4 * size, usage));
      peak = Math.max(peak, pool.numBytesUsed);
      expect(pool.numBytesUsed).toBe(4 * sizes.reduce((a, b) => a + b, 0));
      expect(pool.numBytesAllocated).toBeLessThanOrEqual(1.25 * peak);
      for (const buffer of buffers) pool.releaseBuffer(buffer);
      const free = [...pool.freeBuffers.values()].flat();
      const bytes = free.reduce((sum, { size }) => sum + size, 0);
      expect([pool.numFreeBuffers, pool.numBytesAllocated]).toEqual([free.length, bytes]);
    };
    for (const sizes of rounds) round(sizes);
    const last = rounds.at(-1) ?? [];
    const [before, bytes] = [destroyed.length, pool.numBytesAllocated];
    for (let i = 0; i < 3; i++) round(last);
    expect([destroyed.length, pool.numBytesAllocated]).toEqual([before, bytes]);
  },
);
