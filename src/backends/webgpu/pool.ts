import type { WebgpuBackend } from "./types";

/**
 * Bounds tfjs's pool of GPU buffers, which by itself keeps every buffer that was ever freed for the next one of just
 * its size: no more lies free than was in use at the peak. Where a new buffer would exceed that, those go that were
 * not asked for longest. A loop whose iterations are alike comes to use the same buffers again and frees none.
 */
export function boundPool(backend: WebgpuBackend): void {
  const pool = backend.bufferManager;
  const { acquireBuffer, freeBuffers } = pool;
  let peak = 0;
  const surplus = () => pool.numBytesAllocated - pool.numBytesUsed - peak;
  const trim = () => {
    if (surplus() <= 0) return;
    // A command that was recorded and not submitted may still name a buffer; one that was submitted keeps it.
    backend.endComputePassEncoder();
    if (backend.commandEncoder) backend.submitQueue();
    for (const buffers of freeBuffers.values())
      while (surplus() > 0) {
        const buffer = buffers.pop();
        if (!buffer) break;
        buffer.destroy();
        pool.numFreeBuffers--;
        pool.numBytesAllocated -= buffer.size;
      }
  };
  Object.assign(pool, {
    acquireBuffer(size: number, usage: number, ...rest: [boolean?, boolean?]) {
      const key = `${size}_${usage}`;
      const free = freeBuffers.get(key);
      // The map goes by age: this size is now its youngest.
      if (free && freeBuffers.delete(key)) freeBuffers.set(key, free);
      if (!free?.length) trim();
      const buffer = acquireBuffer.call(pool, size, usage, ...rest);
      peak = Math.max(peak, pool.numBytesUsed);
      return buffer;
    },
  });
}
