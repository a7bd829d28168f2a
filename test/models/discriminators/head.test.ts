import { test } from "@fast-check/vitest";
import { add, fill, memory, type Tensor, tensor, tidy } from "@tensorflow/tfjs-core";
import { describe, expect } from "vitest";
import { randomStream, SidError } from "../../../src/core";
import { type HeadDiscriminatorOptions, headDiscriminator, readWeights } from "../../../src/models";
import { discriminatorContract } from "../../contracts/discriminator-contract";
import { expectSidError } from "../../support/errors";
import { expectClose, numbers } from "../../support/matchers";
import { using } from "../../support/using";

const t = [20, 400, 979] as const;

const head = (options: Partial<HeadDiscriminatorOptions> = {}) =>
  headDiscriminator({ name: "head", reads: "fakeScore", channels: 6, hidden: 8, weights: randomStream(1), ...options });
const at = (name: string, seed: number) => ({ name, weights: randomStream(seed) });

discriminatorContract("headDiscriminator, one logit per sample", {
  ...{ make: (name, seed) => head(at(name, seed)), inputShape: [3, 4, 6], logitShape: [], t },
});
discriminatorContract("headDiscriminator, a map of logits", {
  make: (name, seed) => head({ ...at(name, seed), logits: "map", reads: "teacher" }),
  ...{ inputShape: [3, 2, 6], logitShape: [3, 2], t },
});
discriminatorContract("headDiscriminator of a single place", {
  ...{ make: (name, seed) => head({ ...at(name, seed), logits: "map" }), inputShape: [1, 1, 6], logitShape: [1, 1], t },
});
discriminatorContract("headDiscriminator on vectors", {
  ...{ make: (name, seed) => head({ ...at(name, seed), features: "vector" }), inputShape: [6], logitShape: [], t },
});

describe("headDiscriminator", () => {
  const silu = (x: number) => x / (1 + Math.exp(-x));

  test("on vectors it is the formula", () =>
    using(head({ features: "vector" }), async (discriminator) => {
      const weights = await readWeights(discriminator);
      expect([...weights].map(([name, { shape }]) => [name, shape])).toEqual([
        ["linear.weight", [8, 6]],
        ["linear.bias", [8]],
        ["out.weight", [1, 8]],
        ["out.bias", [1]],
      ]);
      const data = (name: string) => weights.get(name)?.data as Float32Array;
      const x = randomStream(2).normals(12);
      const wanted = [0, 6].map((from) =>
        data("linear.bias").reduce((total, bias, i) => {
          const w = data("linear.weight").subarray(6 * i, 6 * i + 6);
          const h = w.reduce((sum, value, j) => sum + value * (x[from + j] as number), bias);
          return total + (data("out.weight")[i] as number) * silu(h);
        }, data("out.bias")[0] as number),
      );
      tidy(() => expectClose(discriminator.logit(tensor(x, [2, 6]), [1, 2]), tensor(wanted), 1e-5));
    }));

  test.each(["map", "sample"] as const)("on maps it is the formula, logits %s", (logits) =>
    using(head({ logits }), async (discriminator) => {
      const weights = await readWeights(discriminator);
      expect([...weights].map(([name, { shape }]) => [name, shape])).toEqual([
        ["conv.weight", [8, 6, 3, 3]],
        ["conv.bias", [8]],
        ["norm.weight", [8]],
        ["norm.bias", [8]],
        ["out.weight", [1, 8, 1, 1]],
        ["out.bias", [1]],
      ]);
      const data = (name: string) => weights.get(name)?.data as Float32Array;
      const [height, width] = [4, 3];
      const x = randomStream(2).normals(height * width * 6);
      const pixel = (row: number, column: number, c: number) =>
        row < 0 || column < 0 || row >= height || column >= width ? 0 : (x[(row * width + column) * 6 + c] as number);
      const places = Array.from({ length: height * width }, (_, i) => [Math.floor(i / width), i % width] as const);
      const convolved = places.map(([row, column]) =>
        Array.from(data("conv.bias"), (bias, o) => {
          let sum = bias;
          for (let c = 0; c < 6; c++)
            for (let i = 0; i < 9; i++)
              sum +=
                (data("conv.weight")[(o * 6 + c) * 9 + i] as number) *
                pixel(row + Math.floor(i / 3) - 1, column + (i % 3) - 1, c);
          return sum;
        }),
      );
      // Of 8 channels, 2 groups of 4.
      const normed = convolved.map((channels) =>
        channels.map((value, o) => {
          const group = convolved.flatMap((all) => all.slice(o - (o % 4), o - (o % 4) + 4));
          const mean = group.reduce((a, b) => a + b, 0) / group.length;
          const variance = group.reduce((a, b) => a + (b - mean) ** 2, 0) / group.length;
          return silu((value - mean) / Math.sqrt(variance + 1e-5));
        }),
      );
      const map = normed.map((channels) =>
        channels.reduce(
          (sum, value, o) => sum + value * (data("out.weight")[o] as number),
          data("out.bias")[0] as number,
        ),
      );
      const wanted = logits === "map" ? map : [map.reduce((a, b) => a + b, 0) / map.length];
      tidy(() => {
        const found = discriminator.logit(tensor(x, [1, height, width, 6]), [5]);
        expectClose(found, tensor(wanted, logits === "map" ? [1, height, width] : [1]), 1e-4);
      });
    }),
  );

  test.each([
    [1280, 32],
    [320, 32],
    [64, 16],
    [12, 3],
    [10, 2],
    [7, 1],
    [3, 1],
  ])("of %i channels, %i groups are normalised", (hidden, groups) =>
    using(head({ hidden, channels: 1 }), (discriminator) =>
      tidy(() => {
        // A bias per channel moves what is within a group, but a shift of a whole group is taken away.
        const bias = discriminator.variables.find(({ name }) => name === "head/conv.bias");
        const x = randomStream(4).normal([1, 2, 2, 1]);
        const logit = () => numbers(discriminator.logit(x, [5]))[0] as number;
        const shifts = (size: number) => {
          const start = bias?.clone() as Tensor;
          const [before, of] = [logit(), Array.from({ length: hidden }, (_, i) => (i < size ? 3 : 0))];
          bias?.assign(add(start, tensor(of)) as never);
          const after = logit();
          bias?.assign(start as never);
          return Math.abs(after - before);
        };
        expect(shifts(hidden / groups)).toBeLessThan(1e-4);
        if (hidden / groups > 1) expect(shifts(hidden / groups - 1)).toBeGreaterThan(1e-4);
      }),
    ),
  );

  test("features of another shape are refused: wanted and got", () =>
    using(head(), (discriminator) =>
      tidy(() => {
        const refused = (shape: number[], message: RegExp) =>
          expectSidError("shape-mismatch", () => discriminator.logit(fill(shape, 1), [1, 2]), message);
        refused([2, 3, 3, 5], /head\.logit: features must be \[B, h, w, 6\], got \[2, 3, 3, 5\]/);
        refused([2, 6], /features must be \[B, h, w, 6\], got \[2, 6\]/);
        refused([2, 3, 6], /got \[2, 3, 6\]/);
        refused([3, 3, 3, 6], /t needs one number per sample/);
      }),
    ));

  test("vectors want vectors", () =>
    using(head({ features: "vector" }), (discriminator) =>
      tidy(() =>
        expectSidError(
          "shape-mismatch",
          () => discriminator.logit(fill([2, 3, 3, 6], 1), [1, 2]),
          /features must be \[B, 6\], got \[2, 3, 3, 6\]/,
        ),
      ),
    ));
});

test.each([
  { name: "" },
  { reads: "generator" },
  { reads: undefined },
  { channels: 0 },
  { channels: undefined },
  { hidden: 1.5 },
  { features: "image" },
  { logits: "all" },
  { features: "vector", logits: "map" },
  { weights: undefined },
  { weights: new Map() },
  { chanels: 3 },
])("options that make no discriminator leave nothing behind, %j", (options: object) => {
  const before = memory().numTensors;
  expect(() => head(options)).toThrow(SidError);
  expect(memory().numTensors).toBe(before);
});
