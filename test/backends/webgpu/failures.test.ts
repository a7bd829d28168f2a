import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, test } from "vitest";
import { useBackend } from "../../../src/backends";
import { isHalf } from "../../../src/backends/webgpu/half";
import { kernelFunc } from "../../../src/backends/webgpu/kernel";
import type { WebgpuBackend } from "../../../src/backends/webgpu/types";
import { runIfThere } from "../../../src/core/fused-kernels";

beforeAll(() => useBackend("webgpu"));

const gpu = () => tf.backend() as unknown as WebgpuBackend & tf.KernelBackend;

describe("what goes wrong", () => {
  test("a kernel that throws leaves nothing of its results behind", () => {
    const x = tf.ones([4]);
    const before = [gpu().numDataIds(), gpu().refCount(x.dataId)];
    const fails = kernelFunc(({ output, scratch, share, inputs: [x] }) => {
      output([8]);
      scratch([8]);
      share(x);
      throw new Error("no room");
    });
    expect(() => fails({ inputs: { x }, attrs: {}, backend: gpu() })).toThrow("no room");
    expect([gpu().numDataIds(), gpu().refCount(x.dataId)]).toEqual(before);
    x.dispose();
  });

  test("halves that went to another backend and back are float32", async () => {
    await useBackend("cpu");
    await tf.setBackend("webgpu");
    const x = tf.tensor1d([1, 2, 3]);
    const [y] = runIfThere("SidHalf", [x]) as [tf.Tensor];
    expect(isHalf(y)).toBe(true);
    // As the engine moves a tensor, which reads synchronously where the host can.
    const values = await y.data();
    gpu().disposeData(y.dataId);
    gpu().move(y.dataId, values, [3], "float32", 1);
    expect(isHalf(y)).toBe(false);
    const sum = tf.add(y, 1);
    expect(Array.from(await sum.data())).toEqual([2, 3, 4]);
    tf.dispose([x, y, sum]);
  });

  test("a texture waits for the commands that read it; a buffer is used again at once", () => {
    const owned = (gpu() as unknown as { commandQueueOwnedIds: WeakSet<object> }).commandQueueOwnedIds;
    const [picture, x] = [gpu().makeTensorInfo([1], "float32"), gpu().makeTensorInfo([1], "float32")];
    gpu().tensorMap.get(picture.dataId).resource = {};
    gpu().uploadToGPU(x.dataId);
    expect([owned.has(picture.dataId), owned.has(x.dataId)]).toEqual([true, false]);
    gpu().tensorMap.get(picture.dataId).resource = null;
    for (const { dataId } of [picture, x]) gpu().disposeData(dataId);
  });

  test("tensors of no elements are stored as they are", async () => {
    const x = tf.zeros([0, 3]);
    const [y] = runIfThere("SidHalf", [x]) as [tf.Tensor];
    expect(await y.data()).toHaveLength(0);
    tf.dispose([x, y]);
  });

  test("sigmoids keep NaN and do not overflow", async () => {
    const x = tf.tensor1d([Number.NaN, -1e30, 1e30, -100, 0]);
    const [y] = runIfThere("SidSigmoidGate", [x], { k: 1 }) as [tf.Tensor];
    const [nan, ...rest] = Array.from(await y.data());
    expect(nan).toBeNaN();
    expect(rest.map((v) => Math.fround(v))).toEqual([
      expect.closeTo(0, 3),
      Math.fround(1e30),
      expect.closeTo(0, 20),
      0,
    ]);
    tf.dispose([x, y]);
  });
});
