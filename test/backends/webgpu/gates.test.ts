import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { useBackend } from "../../../src/backends";
import { setCapabilities } from "../../../src/backends/webgpu/program";
import type { WebgpuBackend } from "../../../src/backends/webgpu/types";
import { silu } from "../../../src/models/nn/activations";
import { expectSame, filled } from "../../support/two-backends";

beforeAll(async () => {
  await useBackend("cpu");
  await tf.setBackend("webgpu");
});
afterEach(() => tf.setBackend("webgpu"));

describe.each([true, false])("subgroups %s", (subgroups) => {
  beforeAll(() => setCapabilities(tf.backend() as unknown as WebgpuBackend, { subgroups }));
  test.each([[[1]], [[3, 5]], [[4, 7, 9]], [[17, 1000]]])("silu and its gradient of %j", async (shape) => {
    await expectSame([filled(shape), filled(shape, 2)], (x, dy) => [silu(x), tf.grad(silu)(x, dy)], "webgpu");
    expect(tf.getKernel("SidSigmoidGate", "webgpu")).toBeDefined();
  });
});
