import type { WebgpuBackend } from "./types";

/**
 * Programs that go to the GPU together: enough that sending them is cheap, few enough that the GPU has begun long before
 * the last program of an iteration is recorded.
 */
export const submitAfter = 256;

/**
 * Multiplications for which a program counts as one of these. Systems take a GPU for hung that is busy with one submit for
 * some seconds: the 2³⁴ of {@link submitAfter} take a third of one at 100 GFLOP/s, where a small network has no more.
 */
export const workOfOne = 2 ** 26;

/** Sends what is recorded. A command that was not submitted may name a buffer that is about to go; one that was keeps it. */
export function submitRecorded(backend: WebgpuBackend): void {
  backend.endComputePassEncoder();
  if (!backend.commandEncoder) return;
  backend.submitQueue();
  // tfjs's timing of kernels goes on with an encoder where it had one.
  backend.ensureCommandEncoderReady();
}
