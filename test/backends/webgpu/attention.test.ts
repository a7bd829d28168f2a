import "../../../src/core/register-gradients";
import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { useBackend } from "../../../src/backends";
import type { WebgpuBackend } from "../../../src/backends/webgpu/types";
import { attention } from "../../../src/models/nn/attention";
import { expectSame, filled, type HostInput } from "../../support/two-backends";

beforeAll(async () => {
  await useBackend("cpu");
  await tf.setBackend("webgpu");
});
afterEach(() => tf.setBackend("webgpu"));

/** dy, queries, keys, values. */
const inputs = (batch: number, queries: number, keys: number, all: number, factor = 1): HostInput[] =>
  [queries, queries, keys, keys].map((tokens, i) => {
    const { shape, values } = filled([batch, tokens, all], i + 1);
    return { shape, values: values.map((value) => factor * value) };
  });

/** The value and the gradient of each input. */
const both =
  (heads: number) =>
  (dy: tf.Tensor, ...xs: tf.Tensor[]) => {
    const f = (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor) => attention(q, k, v, { heads });
    return [f(...(xs as [tf.Tensor, tf.Tensor, tf.Tensor])), ...tf.grads(f as never)(xs, dy)];
  };

// It uses no subgroups.
describe("attention", () => {
  test("our kernels are there", () => {
    for (const name of ["SidAttention", "SidAttentionGradient"]) expect(tf.getKernel(name, "webgpu")).toBeDefined();
  });

  test.each([
    ["one of everything", 1, 1, 1, 1, 1],
    ["the width of SD 1.5's first blocks, across 77 keys", 1, 70, 77, 40, 2],
    ["its second blocks", 1, 33, 33, 80, 2],
    ["its third blocks", 1, 17, 40, 160, 2],
    ["SD 2.1's", 2, 32, 64, 64, 2],
    ["a VAE's", 1, 9, 9, 256, 1],
  ])("%s", async (_, batch, queries, keys, width, heads) => {
    await expectSame(inputs(batch, queries, keys, width * heads, 3), both(heads), "webgpu");
  });

  test("any shape", async () => {
    const sizes = fc.tuple(...[2, 70, 70, 3].map((most) => fc.integer({ min: 1, max: most })));
    // Few, since each eighth of the width and each remainder by 4 is a program to be compiled.
    const widths = fc.constantFrom(1, 3, 7, 8, 12, 21);
    await fc.assert(
      fc.asyncProperty(sizes as fc.Arbitrary<number[]>, widths, async (all, width) => {
        const [batch, queries, keys, heads] = all as [number, number, number, number];
        // One key has all the weight, whatever the scores: their gradients are what cancels.
        fc.pre(keys > 1);
        await expectSame(inputs(batch, queries, keys, width * heads), both(heads), "webgpu");
      }),
      { numRuns: 25, seed: 5 },
    );
  });

  test("large scores", async () => {
    await expectSame(inputs(1, 20, 50, 24, 30), (_, ...xs) => [both(2)(_, ...xs)[0] as tf.Tensor], "webgpu");
  });

  test("what it needs grows with the tokens, not with their square", async () => {
    const { bufferManager } = tf.backend() as unknown as WebgpuBackend;
    /** Bytes at the peak, beyond those of dy, queries, keys and values. */
    const peakOf = async (tokens: number) => {
      const tensors = inputs(1, tokens, tokens, 16).map(({ values, shape }) => tf.tensor(values, [...shape]));
      for (const x of tf.tidy(() => tensors.map((x) => tf.add(x, 0)))) {
        await x.data();
        x.dispose();
      }
      const before = bufferManager.numBytesUsed;
      const { acquireBuffer } = bufferManager;
      let peak = 0;
      bufferManager.acquireBuffer = (...args) => {
        const buffer = acquireBuffer.apply(bufferManager, args);
        peak = Math.max(peak, bufferManager.numBytesUsed - before);
        return buffer;
      };
      tf.dispose(tf.tidy(() => both(2)(...(tensors as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]))));
      bufferManager.acquireBuffer = acquireBuffer;
      tf.dispose(tensors);
      return peak;
    };
    // The result twice (`both` computes it again), three gradients, two numbers of each query and head.
    expect(await peakOf(256)).toBeLessThanOrEqual(256 * 4 * (5 * 16 + 3 * 2));
    expect(await peakOf(512)).toBeLessThanOrEqual(512 * 4 * (5 * 16 + 3 * 2));
  });

  test("NaN and ∞ come out as on cpu", async () => {
    const odd = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (const which of [0, 1, 2])
      for (const value of odd) {
        const kinds: string[][] = [];
        for (const backend of ["cpu", "webgpu"]) {
          await tf.setBackend(backend);
          const y = tf.tidy(() => {
            const [q, k, v] = inputs(1, 3, 40, 4)
              .slice(1)
              .map(({ values, shape }, i) =>
                tf.tensor3d(
                  values.map((old, n) => (i === which && n === 5 ? value : old)),
                  shape as [number, number, number],
                ),
              ) as [tf.Tensor3D, tf.Tensor3D, tf.Tensor3D];
            return attention(q, k, v, { heads: 2 });
          });
          kinds.push(Array.from(await y.data(), (one) => (Number.isFinite(one) ? "finite" : String(one))));
          y.dispose();
        }
        expect(kinds[1], `${value} in ${["q", "k", "v"][which]}`).toEqual(kinds[0]);
      }
  });
});
