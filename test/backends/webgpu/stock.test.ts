import { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import * as tf from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { useBackend } from "../../../src/backends";
import { dawnGpu, withNavigatorGpu } from "../../../src/backends/webgpu/dawn";
import { isHalf } from "../../../src/backends/webgpu/half";
import type { WebgpuBackend } from "../../../src/backends/webgpu/types";
import { runIfThere } from "../../../src/core/fused-kernels";

test("a backend that TensorFlow.js started by itself gets what ours have: kernels, halves that others read, its pool", async () => {
  tf.removeBackend("webgpu");
  const gpu = await dawnGpu();
  const adapter = await gpu.requestAdapter();
  const device = await adapter?.requestDevice({ requiredFeatures: [], requiredLimits: {} });
  const stock = withNavigatorGpu(gpu, () => new WebGPUBackend(device as never, adapter?.info as never));
  tf.registerBackend("webgpu", () => stock as unknown as tf.KernelBackend);
  await tf.setBackend("webgpu");

  await useBackend("webgpu");
  expect(tf.backend()).toBe(stock);
  const { runWebGPUProgram } = stock as unknown as WebgpuBackend;
  const x = tf.tensor1d([1, 2, 3.0001]);
  const [y] = runIfThere("SidHalf", [x]) as [tf.Tensor];
  expect(isHalf(y)).toBe(true);
  const z = tf.neg(y);
  expect(Array.from(await z.data())).toEqual([-1, -2, -3]);
  tf.dispose([x, y, z]);
  await useBackend("webgpu");
  expect((stock as unknown as WebgpuBackend).runWebGPUProgram, "wrapped once").toBe(runWebGPUProgram);
});
