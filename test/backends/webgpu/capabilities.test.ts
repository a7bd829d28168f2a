import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { useBackend } from "../../../src/backends";
import { findCapabilities } from "../../../src/backends/webgpu/capabilities";
import { hasFailed } from "../../../src/backends/webgpu/guard";
import { capabilitiesOf } from "../../../src/backends/webgpu/program";
import type { WebgpuBackend } from "../../../src/backends/webgpu/types";

beforeAll(() => useBackend("webgpu"));

const gpu = () => tf.backend() as unknown as WebgpuBackend & tf.KernelBackend;

/** Looks for capabilities on a GPU whose compiler sees other code where subgroups are used. */
async function found(change: (code: string) => string) {
  const { device } = gpu();
  const { createShaderModule } = device;
  const lines: string[] = [];
  Object.assign(device, {
    createShaderModule: ({ code, label }: { code: string; label?: string }) =>
      createShaderModule.call(device, {
        code: code.includes("subgroupAdd") ? change(code) : code,
        ...(label && { label }),
      }),
  });
  try {
    await findCapabilities(gpu(), (line) => lines.push(line));
  } finally {
    Object.assign(device, { createShaderModule });
  }
  return { ...capabilitiesOf(gpu()), lines };
}

describe("subgroups", () => {
  afterEach(async () => {
    await found((code) => code);
    expect(hasFailed(gpu())).toBe(false);
  });

  test("are used where they compile and compute rightly", async () => {
    expect(await found((code) => code)).toEqual({ subgroups: true, lines: [] });
  });

  test("that do not compile are left, with one line; the GPU goes on", async () => {
    const { subgroups, lines } = await found((code) => `${code} nonsense`);
    expect(subgroups).toBe(false);
    expect(lines).toEqual([
      expect.stringMatching(/^sid-lsg: the GPU says it has subgroups, but does not compile them \(/),
    ]);
    const x = tf.tensor1d([1, 2]);
    const y = tf.square(x);
    expect(Array.from(await y.data())).toEqual([1, 4]);
    tf.dispose([x, y]);
  });

  test("that add up wrongly, or in another order, are left", async () => {
    for (const [from, to] of [
      ["subgroupAdd(1u)", "subgroupAdd(2u)"],
      ["id == lane % size", "id == (lane + 1u) % size"],
    ] as const) {
      const { subgroups, lines } = await found((code) => code.replace(from, to));
      expect({ subgroups, lines }).toEqual({
        subgroups: false,
        lines: [expect.stringContaining("computes other numbers with them; kernels do without")],
      });
    }
  });
});
