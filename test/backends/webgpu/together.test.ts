import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { useBackend } from "../../../src/backends";
import { vjp } from "../../../src/core";
import { areBetterTogether, linear, linears } from "../../../src/models/nn/linear";
import { layerNorm } from "../../../src/models/nn/norms";
import { expectSame, filled, type HostInput } from "../../support/two-backends";

beforeAll(async () => {
  await useBackend("cpu");
  await tf.setBackend("webgpu");
});
beforeEach(() => tf.env().set("WEBGPU_CPU_FORWARD", false));
afterEach(async () => {
  tf.env().set("WEBGPU_CPU_FORWARD", true);
  await tf.setBackend("webgpu");
});

const same = (inputs: readonly HostInput[], run: (...tensors: tf.Tensor[]) => tf.Tensor[]) =>
  expectSame(inputs, run, "webgpu", 1e-5);

describe.each([2, 3])("%i products of one input", (count) => {
  const weights = Array.from({ length: count }, (_, i) => filled([12, 20], i + 2));
  const cotangents = Array.from({ length: count }, (_, i) => filled([2, 7, 20], i + 9));
  /** Σ of the products times their cotangents, by one product and by each. */
  const ways = (dys: readonly tf.Tensor[]) => {
    const weighted = (ys: readonly tf.Tensor[]) => tf.addN(ys.map((y, i) => tf.mul(y, dys[i] as tf.Tensor)));
    return [
      (x: tf.Tensor, ...ws: tf.Tensor[]) => weighted(linears(x, ws)),
      (x: tf.Tensor, ...ws: tf.Tensor[]) => weighted(ws.map((w) => linear(x, w))),
    ] as const;
  };

  test("are those of each, with the gradients of input and weights", () =>
    same([filled([2, 7, 12]), ...weights, ...cotangents], (x, ...rest) => {
      const [ws, dys] = [rest.slice(0, count), rest.slice(count)];
      const [one, each] = ways(dys);
      const way = tf.getBackend() === "cpu" ? each : one;
      const grads = vjp(way, [x, ...ws], tf.ones([2, 7, 20]));
      return [...(tf.getBackend() === "cpu" ? ws.map((w) => linear(x, w)) : linears(x, ws)), ...grads];
    }));

  test("are those of each where only the input, or only the weights, are differentiated", () =>
    same([filled([2, 7, 12]), ...weights, ...cotangents], (x, ...rest) => {
      const [ws, dys] = [rest.slice(0, count), rest.slice(count)];
      const [one, each] = ways(dys);
      const way = tf.getBackend() === "cpu" ? each : one;
      const dy = tf.ones([2, 7, 20]);
      return [...vjp((x) => way(x, ...ws), [x], dy), ...vjp((...ws) => way(x, ...ws), ws, dy)];
    }));
});

test("small weights of one shape are taken together on a GPU, and only there", async () => {
  const [a, b, c, large] = [tf.ones([4, 4]), tf.ones([4, 4]), tf.ones([4, 5]), tf.ones([512, 512])];
  const verdicts = () => [[a, b], [a, c], [a], [], [large, large]].map(areBetterTogether);
  expect(verdicts()).toEqual([true, false, false, false, false]);
  await tf.setBackend("cpu");
  expect(verdicts()).toEqual([false, false, false, false, false]);
  await tf.setBackend("webgpu");
  tf.dispose([a, b, c, large]);
});

test("a norm with frozen scale and shift gives its input's gradient alone, and all of them where they are wanted", () =>
  same([filled([5, 7, 16]), filled([16], 2), filled([16], 3), filled([5, 7, 16], 4)], (x, scale, shift, dy) => [
    ...vjp((x) => layerNorm(x, scale, shift, 1e-5), [x], dy),
    ...vjp((x, scale, shift) => layerNorm(x, scale as tf.Tensor, shift as tf.Tensor, 1e-5), [x, scale, shift], dy),
  ]));
