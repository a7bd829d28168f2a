import { fc, test } from "@fast-check/vitest";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect } from "vitest";
import { randomStream, vjp } from "../../../src/core";
import { gegluGate, gelu, quickGelu, silu } from "../../../src/models/nn/activations";
import { attention, slicedAttention } from "../../../src/models/nn/attention";
import { addToPositions, upsample2x, upsampleTo } from "../../../src/models/nn/images";
import { type Layer, sequence } from "../../../src/models/nn/layers";
import { conv2d, linear } from "../../../src/models/nn/linear";
import { groupNorm, layerNorm } from "../../../src/models/nn/norms";
import { timeEmbedding } from "../../../src/models/nn/time-embedding";
import { expectClose, numbers } from "../../support/matchers";

type F = (...inputs: tf.Tensor[]) => tf.Tensor;
type Normalise = (x: tf.Tensor, scale: tf.Tensor, shift: tf.Tensor) => tf.Tensor;

/**
 * Compares value and gradients, all at once and one input at a time, with tfjs's own autodiff. One norm over all the
 * gradients scales the error: the sum that makes a bias of one channel may cancel, and its own norm then scales nothing.
 */
function expectSame(actual: F, reference: F, inputs: tf.Tensor[], tolerance = 2e-5): void {
  tf.tidy(() => {
    const expected = reference(...inputs);
    expectClose(actual(...inputs), expected, tolerance);
    const cotangent = randomStream(99).normal(expected.shape);
    const wanted = vjp(reference, inputs, cotangent);
    const flat = (gradients: readonly tf.Tensor[]) => tf.concat(gradients.map((g) => tf.reshape(g, [-1])));
    const together = vjp(actual, inputs, cotangent);
    const alone = inputs.map((x, i) => {
      const only: F = (x) => actual(...inputs.map((other, j) => (j === i ? (x as tf.Tensor) : other)));
      return vjp(only, [x], cotangent)[0] as tf.Tensor;
    });
    for (const gradients of [together, alone]) {
      expect(gradients.map((g) => g.shape)).toEqual(inputs.map((x) => x.shape));
      expectClose(flat(gradients), flat(wanted), tolerance);
    }
  });
}

function draw(seed: number, ...shapes: number[][]): tf.Tensor[] {
  const stream = randomStream(seed);
  return shapes.map((shape) => stream.normal(shape));
}

const noWeights = () => {
  throw new Error("no weight is needed");
};

type Size = "batch" | "n" | "m" | "heads" | "width";

const seed = fc.integer({ min: 0, max: 1e6 });
const size = fc.integer({ min: 1, max: 5 });
/** Few cases each: the shapes matter, not the numbers. */
const runs = { numRuns: 8 };

const moments =
  (groups: number, eps: number): Normalise =>
  (x, scale, shift) => {
    const [batch, channels] = [x.shape[0] as number, x.shape[x.rank - 1] as number];
    const split = tf.reshape(x, [batch, -1, groups, channels / groups]);
    const { mean, variance } = tf.moments(split, [1, 3], true);
    const unit = tf.div(tf.sub(split, mean), tf.sqrt(tf.add(variance, eps)));
    return tf.add(tf.mul(tf.reshape(unit, x.shape), scale), shift);
  };

describe("normalisations", () => {
  test.prop(
    { seed, batch: size, h: size, w: fc.integer({ min: 2, max: 5 }), groups: size, width: size, gated: fc.boolean() },
    { numRuns: 16 },
  )(
    "groupNorm and its gradients are those of the definition, with SiLU and without",
    ({ seed, batch, h, w, groups, width, gated }) =>
      tf.tidy(() => {
        const channels = groups * width;
        const inputs = draw(seed, [batch, h, w, channels], [channels], [channels]);
        const definition = moments(groups, 0.1) as F;
        const reference: F = (...all) => {
          const y = definition(...all);
          return gated ? tf.mul(y, tf.sigmoid(y)) : y;
        };
        expectSame(
          (x, s, b) =>
            groupNorm(x as tf.Tensor, s as tf.Tensor, b as tf.Tensor, groups, 0.1, gated ? "silu" : undefined),
          reference,
          inputs,
        );
      }),
  );

  test("groupNorm survives a large mean and a constant group", () =>
    tf.tidy(() => {
      const [x, s, b] = draw(3, [2, 4, 4, 6], [6], [6]) as [tf.Tensor, tf.Tensor, tf.Tensor];
      expectClose(groupNorm(tf.add(x, 300), s, b, 3, 1e-5), groupNorm(x, s, b, 3, 1e-5), 1e-4);
      const flat = tf.ones([1, 2, 2, 4]);
      expect(numbers(groupNorm(flat, tf.ones([4]), tf.zeros([4]), 2, 1e-5))).toEqual(Array(16).fill(0));
    }));

  test.prop({ seed, batch: size, tokens: size, channels: fc.integer({ min: 2, max: 9 }) }, runs)(
    "layerNorm and its gradients are those of the definition",
    ({ seed, batch, tokens, channels }) =>
      tf.tidy(() => {
        const inputs = draw(seed, [batch, tokens, channels], [channels], [channels]);
        const reference: F = (...all) => {
          const [x, s, b] = all as [tf.Tensor, tf.Tensor, tf.Tensor];
          const rows = tf.reshape(x, [batch * tokens, 1, channels]);
          return tf.reshape(moments(1, 0.1)(rows, s, b), x.shape);
        };
        expectSame((x, s, b) => layerNorm(x as tf.Tensor, s as tf.Tensor, b as tf.Tensor, 0.1), reference, inputs);
      }),
  );
});

describe("activations", () => {
  const cases: [string, F, F][] = [
    ["silu", silu as F, (x) => tf.mul(x as tf.Tensor, tf.sigmoid(x as tf.Tensor))],
    ["quickGelu", quickGelu as F, (x) => tf.mul(x as tf.Tensor, tf.sigmoid(tf.mul(x as tf.Tensor, 1.702)))],
    [
      "gelu",
      gelu as F,
      (x) => tf.mul(tf.mul(x as tf.Tensor, 0.5), tf.add(1, tf.erf(tf.mul(x as tf.Tensor, Math.SQRT1_2)))),
    ],
  ];
  test.each(cases)("%s and its gradient are those of the definition", (_, actual, reference) =>
    tf.tidy(() => {
      for (const shape of [[3, 40], [3], [2, 3, 7]])
        expectSame(actual, reference, [tf.mul(draw(5, shape)[0] as tf.Tensor, 3)]);
    }),
  );

  test("gegluGate and its gradients are those of the definition", () =>
    tf.tidy(() => {
      const reference: F = (h, g) => tf.mul(h as tf.Tensor, gelu(g as tf.Tensor));
      for (const shape of [[3, 40], [3], [2, 3, 7]]) expectSame(gegluGate as F, reference, draw(6, shape, shape));
    }));

  test.each(cases)("%s has its limits: zero on the left, the identity on the right, slopes 0 and 1", (_, f) =>
    tf.tidy(() => {
      const x = tf.tensor1d([-60, 0, 60]);
      expectClose(f(x), [0, 0, 60]);
      expectClose(vjp(f, [x], tf.ones([3]))[0] as tf.Tensor, [0, 0.5, 1]);
    }),
  );

  test("silu's left tail dies out exponentially, number by number", () =>
    tf.tidy(() => {
      const x = [-10, -25, -40, -60, -80];
      numbers(silu(tf.tensor1d(x))).forEach((y, i) => {
        const wanted = (x[i] as number) / (1 + Math.exp(-(x[i] as number)));
        expect(Math.abs(y / wanted - 1)).toBeLessThan(2e-5);
      });
    }));

  test("gelu is PyTorch's", () =>
    tf.tidy(() => {
      // torch.nn.functional.gelu(torch.tensor([-3., -1., -.1, .5, 2.]))
      expectClose(
        gelu(tf.tensor1d([-3, -1, -0.1, 0.5, 2])),
        [-0.00404951, -0.15865526, -0.04601722, 0.34573123, 1.9544998],
      );
    }));
});

describe("layers", () => {
  test.prop({ seed, rows: fc.array(size, { minLength: 1, maxLength: 3 }), inputs: size, outputs: size }, runs)(
    "linear multiplies and adds, on any leading axes",
    ({ seed, rows, inputs, outputs }) =>
      tf.tidy(() => {
        const reference: F = (...all) => {
          const [x, w, b] = all as [tf.Tensor, tf.Tensor, tf.Tensor | undefined];
          const y = tf.matMul(tf.reshape(x, [-1, inputs]), w);
          return tf.reshape(b ? tf.add(y, b) : y, [...rows, outputs]);
        };
        const all = draw(seed, [...rows, inputs], [inputs, outputs], [outputs]);
        expectSame(linear as F, reference, all);
        expectSame(linear as F, reference, all.slice(0, 2));
      }),
  );

  const pad = fc.constantFrom<number | [number, number]>(0, 1, 2, [0, 1]);
  test.prop({ seed, pad, stride: fc.constantFrom(1, 2), h: fc.integer({ min: 3, max: 7 }), inputs: size }, runs)(
    "conv2d pads, strides and rounds down as PyTorch does",
    ({ seed, pad, stride, h, inputs }) =>
      tf.tidy(() => {
        const [before, after] = typeof pad === "number" ? [pad, pad] : pad;
        const reference: F = (...all) => {
          const [x, w, b] = all as [tf.Tensor4D, tf.Tensor4D, tf.Tensor | undefined];
          const padded = tf.pad(x, [
            [0, 0],
            [before, after],
            [before, after],
            [0, 0],
          ]);
          const y = tf.conv2d(padded, w, stride, "valid");
          return b ? tf.add(y, b) : y;
        };
        const all = draw(seed, [2, h, 6, inputs], [3, 3, inputs, 4], [4]);
        const actual: F = (x, w, b) => conv2d(x as tf.Tensor, w as tf.Tensor, b, { pad, stride });
        expectSame(actual, reference, all);
        expectSame(actual, reference, all.slice(0, 2));
      }),
  );

  test("frozen weights cost nothing in the backward pass", async () => {
    const all = draw(1, [2, 4, 4, 3], [3, 3, 3, 3], [3], [3, 2], [2]);
    const [x, filter, bias, weight, offset] = all as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
    const f: F = (x, filter) => linear(conv2d(x as tf.Tensor, filter as tf.Tensor, bias), weight, offset);
    const kernels = async (inputs: tf.Tensor[]) => {
      const profile = await tf.profile(() => tf.tidy(() => void vjp((x, w = filter) => f(x, w), inputs, cotangent)));
      return profile.kernelNames;
    };
    const cotangent = tf.ones([2, 2, 2, 2]);
    expect(await kernels([x, filter])).toContain("Conv2DBackpropFilter");
    expect(await kernels([x])).not.toContain("Conv2DBackpropFilter");
    tf.dispose([cotangent, ...all]);
  });

  test.prop({ seed, batch: size, h: size, w: size, channels: size }, runs)(
    "upsample2x repeats every pixel, and its gradient sums the block",
    ({ seed, batch, h, w, channels }) =>
      tf.tidy(() => {
        const reference: F = (x) => {
          const rows = tf.stack([x as tf.Tensor, x as tf.Tensor], 2);
          const tall = tf.reshape(rows, [batch, 2 * h, w, channels]);
          return tf.reshape(tf.stack([tall, tall], 3), [batch, 2 * h, 2 * w, channels]);
        };
        expectSame(upsample2x as F, reference, draw(seed, [batch, h, w, channels]));
      }),
  );

  const off = fc.integer({ min: -1, max: 1 });
  test.prop({ seed, batch: size, h: size, w: size, channels: size, a: off, b: off }, runs)(
    "upsampleTo takes row ⌊i·n/size⌋, like PyTorch's nearest neighbour, one more or less than doubled too",
    ({ seed, batch, h, w, channels, a, b }) =>
      tf.tidy(() => {
        const to = [2 * h + a, 2 * w + b] as const;
        const nearest = (n: number, length: number) => {
          const row = (i: number) => Array.from({ length: n }, (_, j) => (j === Math.floor((i * n) / length) ? 1 : 0));
          return tf.tensor2d(Array.from({ length }, (_, i) => row(i)));
        };
        const [rows, columns] = [nearest(h, to[0]), nearest(w, to[1])];
        const reference: F = (x) => {
          const tall = tf.matMul(rows, tf.reshape(tf.transpose(x as tf.Tensor, [1, 0, 2, 3]), [h, -1]));
          const wide = tf.transpose(tf.reshape(tall, [to[0], batch, w, channels]), [2, 1, 0, 3]);
          const both = tf.reshape(tf.matMul(columns, tf.reshape(wide, [w, -1])), [to[1], batch, to[0], channels]);
          return tf.transpose(both, [1, 2, 0, 3]);
        };
        expectSame((x) => upsampleTo(x as tf.Tensor4D, to), reference, draw(seed, [batch, h, w, channels]));
      }),
  );

  test.prop({ seed, batch: size, h: size, w: size, channels: size }, runs)(
    "addToPositions broadcasts, and the vector's gradient is the sum over positions",
    ({ seed, batch, h, w, channels }) =>
      tf.tidy(() => {
        const reference: F = (x, v) => tf.add(x as tf.Tensor, tf.reshape(v as tf.Tensor, [batch, 1, 1, channels]));
        expectSame(addToPositions as F, reference, draw(seed, [batch, h, w, channels], [batch, channels]));
      }),
  );
});

describe("attention", () => {
  const sizes = { batch: size, n: size, m: size, heads: size, width: size };

  function expectAttention({ seed, masked, ...sizes }: { seed: number; masked: boolean } & Record<Size, number>) {
    const { batch, n, m, heads, width } = sizes;
    tf.tidy(() => {
      const keys = [batch, m, heads * width];
      const all = draw(seed, [batch, n, heads * width], keys, keys, ...(masked ? [[n, m]] : []));
      const reference: F = (...all) => {
        const [q, k, v, mask] = all;
        const head = (x: tf.Tensor | undefined, i: number) =>
          tf.slice(x as tf.Tensor, [0, 0, i * width], [-1, -1, width]);
        const one = (i: number) => {
          const scores = tf.div(tf.matMul(head(q, i), head(k, i), false, true), Math.sqrt(width));
          return tf.matMul(tf.softmax(mask ? tf.add(scores, mask) : scores), head(v, i));
        };
        return tf.concat(
          Array.from({ length: heads }, (_, i) => one(i)),
          2,
        );
      };
      const actual: F = (...all) => {
        const [q, k, v, mask] = all as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor | undefined];
        return attention(q, k, v, { heads, mask });
      };
      expectSame(actual, reference, all);
    });
  }

  test.prop({ seed, ...sizes, masked: fc.boolean() }, { numRuns: 16 })(
    "each head is softmax(QKᵀ/√d)V of its own slice",
    expectAttention,
  );

  test("so it is when there are many queries and keys", () =>
    expectAttention({ seed: 1, masked: false, batch: 1, n: 301, m: 150, heads: 2, width: 5 }));

  test("without a mask every key counts", () =>
    tf.tidy(() => {
      const [q, k, v] = draw(2, [1, 3, 4], [1, 5, 4], [1, 5, 4]) as [tf.Tensor, tf.Tensor, tf.Tensor];
      expectClose(attention(q, k, v, { heads: 2 }), attention(q, k, v, { heads: 2, mask: tf.zeros([3, 5]) }), 1e-6);
      expectClose(attention(tf.zerosLike(q), k, v, { heads: 1 }), tf.tile(tf.mean(v, 1, true), [1, 3, 1]), 1e-6);
    }));

  test.prop({ seed, batch: size, n: size, m: size, heads: size, width: size, slice: size }, runs)(
    "in slices it has the same value and gradients",
    ({ seed, batch, n, m, heads, width, slice }) =>
      tf.tidy(() => {
        const all = draw(seed, [batch, n, heads * width], [batch, m, heads * width], [batch, m, heads * width]);
        const whole: F = (...all) => {
          const [q, k, v] = all as [tf.Tensor, tf.Tensor, tf.Tensor];
          return attention(q, k, v, { heads, mask: tf.zeros([n, m]) });
        };
        const sliced: F = (...all) => {
          const [q, k, v] = all as [tf.Tensor, tf.Tensor, tf.Tensor];
          return slicedAttention(q, k, v, heads, slice);
        };
        expectSame(sliced, whole, all, 1e-5);
      }),
  );
});

describe("sequence", () => {
  test("runs one layer after another and keeps two activations", () => {
    const x = tf.tensor1d([1, 2]);
    const before = tf.memory().numTensors;
    const alive: number[] = [];
    const layer: Layer = (_, y) => {
      const z = tf.add(tf.mul(y, 2), 1);
      alive.push(tf.memory().numTensors - before);
      return z;
    };
    const run = sequence(Array.from({ length: 5 }, () => layer));
    const y = run(noWeights, x);
    expect(numbers(y)).toEqual([63, 95]);
    // Input, product, two constants, sum.
    expect(Math.max(...alive)).toBeLessThanOrEqual(5);
    expect(tf.memory().numTensors).toBe(before + 1);
    expect(numbers(x)).toEqual([1, 2]);
    const gradient = vjp((x) => run(noWeights, x), [x], y)[0] as tf.Tensor;
    expect(numbers(gradient)).toEqual([63 * 32, 95 * 32]);
    tf.dispose([x, y, gradient]);
  });
});

describe("time features", () => {
  test.prop({ t: fc.double({ min: 0, max: 999, noNaN: true }), half: size, flip: fc.boolean() }, runs)(
    "are sines and cosines of t·10000^(−i/(half − shift)), in either order, with a zero for an odd width",
    ({ t, half, flip }) =>
      tf.tidy(() => {
        const shift = half > 1 ? 1 : 0;
        const angles = Array.from({ length: half }, (_, i) => t * 10000 ** (-i / (half - shift)));
        const sines = angles.map(Math.sin);
        const cosines = angles.map(Math.cos);
        const expected = [...(flip ? [...cosines, ...sines] : [...sines, ...cosines]), 0];
        const options = { dim: 2 * half + 1, flipSinToCos: flip, freqShift: shift };
        const features = numbers(timeEmbedding([t], options));
        features.forEach((value, i) => {
          expect(Math.abs(value - (expected[i] as number))).toBeLessThan(2e-4);
        });
      }),
  );

  test("one row per sample", () =>
    tf.tidy(() => {
      const both = timeEmbedding([3, 700], { dim: 8 });
      expect(numbers(tf.slice(both, [1, 0], [1, 8]))).toEqual(numbers(timeEmbedding([700], { dim: 8 })));
    }));
});
