/**
 * Bytes of Stable Diffusion 1.5's U-Net on WebGPU where it is frozen, in float32 and in two bytes a number: those in use
 * when it is there, and the most that the pool of buffers held while it was made.
 *
 *     npx tsup --no-dts --silent && npx tsx --tsconfig tsconfig.base.json bench/gpu/frozen.ts
 */
import { backend } from "@tensorflow/tfjs-core";
import { useBackend } from "sid-lsg/backends";
import { createParameters, parseUnetConfig, unetParameterSpecs } from "sid-lsg/models";
import { cheapWeights, plans } from "./networks";

await useBackend("webgpu");
const { bufferManager: pool } = backend() as unknown as {
  bufferManager: { numBytesUsed: number; numBytesAllocated: number; acquireBuffer: (...args: unknown[]) => unknown };
};
const acquire = pool.acquireBuffer;
let most = 0;
pool.acquireBuffer = (...args) => {
  const buffer = acquire.apply(pool, args);
  most = Math.max(most, pool.numBytesAllocated);
  return buffer;
};
const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(2)} GB`;
const config = parseUnetConfig(plans["sd15-lora"].json);
const specs = unetParameterSpecs(config);
for (const weights of ["f16", "f32"] as const) {
  most = 0;
  const parameters = createParameters(weights, specs, cheapWeights(config), { weights });
  // A read of a matrix, which is on the GPU alone, submits all that was recorded before it.
  await parameters.list.find(({ rank }) => rank === 2)?.data();
  console.log(`${weights}: ${gigabytes(pool.numBytesUsed)} in use, the pool held at most ${gigabytes(most)}`);
  parameters.dispose();
}
process.exit(0);
