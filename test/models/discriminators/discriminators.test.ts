import { fc, test } from "@fast-check/vitest";
import { add, fill, memory, mul, type Scalar, sub, type Tensor, tensor, tidy } from "@tensorflow/tfjs-core";
import { describe, expect } from "vitest";
import { randomStream, SidError, valueAndGradients } from "../../../src/core";
import { discriminatorLoss } from "../../../src/losses";
import {
  bottleneckDiscriminator,
  type Discriminator,
  type HeadDiscriminatorOptions,
  headDiscriminator,
  type NetworkDiscriminatorOptions,
  networkDiscriminator,
  readWeights,
} from "../../../src/models";
import { ddpmSchedule, edmSchedule, flowSchedule } from "../../../src/schedules";
import { discriminatorContract } from "../../contracts/discriminator-contract";
import { expectSidError } from "../../support/errors";
import { expectClose, numbers } from "../../support/matchers";

const schedule = ddpmSchedule();
const t = [20, 400, 979] as const;

const head = (options: Partial<HeadDiscriminatorOptions> = {}) =>
  headDiscriminator({ name: "head", reads: "fakeScore", channels: 6, hidden: 8, weights: randomStream(1), ...options });
const network = (options: Partial<NetworkDiscriminatorOptions> = {}) =>
  networkDiscriminator({
    name: "network",
    schedule,
    sampleShape: [2],
    hidden: 8,
    weights: randomStream(1),
    ...options,
  });

const at = (name: string, seed: number) => ({ name, weights: randomStream(seed) });
discriminatorContract("bottleneckDiscriminator on maps", {
  ...{ make: (name) => bottleneckDiscriminator({ name }), inputShape: [2, 3, 5], logitShape: [2, 3], t },
});
discriminatorContract("bottleneckDiscriminator on vectors", {
  ...{ make: () => bottleneckDiscriminator(), inputShape: [5], logitShape: [], t },
});
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
discriminatorContract("networkDiscriminator of points", {
  ...{ make: (name, seed) => network(at(name, seed)), inputShape: [2], logitShape: [], t },
});
discriminatorContract("networkDiscriminator of images", {
  make: (name, seed) => network({ ...at(name, seed), sampleShape: [5, 4, 2], depth: 2, schedule: flowSchedule() }),
  ...{ inputShape: [5, 4, 2], logitShape: [], t: [0.1, 0.5, 0.9] },
});
discriminatorContract("networkDiscriminator of images, a map of logits", {
  make: (name, seed) =>
    network({ ...at(name, seed), sampleShape: [5, 3, 1], depth: 2, logits: "map", schedule: edmSchedule() }),
  ...{ inputShape: [5, 3, 1], logitShape: [3, 2], t: [0.1, 1, 40] },
});

/** Runs a body with a discriminator, disposed of afterwards. */
async function using(discriminator: Discriminator, body: (d: Discriminator) => unknown): Promise<void> {
  try {
    await body(discriminator);
  } finally {
    discriminator.dispose();
  }
}

describe("bottleneckDiscriminator", () => {
  test("is the mean over the channels, without weights", () =>
    tidy(() => {
      const discriminator = bottleneckDiscriminator({ reads: "fakeScore" });
      expect(discriminator.variables).toEqual([]);
      expect([discriminator.reads, discriminator.name]).toEqual(["fakeScore", "bottleneck"]);
      const features = tensor([1, 2, 6, 0, -4, 1, 8, 8, 8, 0, 0, 3], [2, 1, 2, 3]);
      expectClose(discriminator.logit(features, [1, 2]), tensor([3, -1, 8, 1], [2, 1, 2]), 1e-6);
      expectClose(discriminator.logit(tensor([1, 2, 6], [1, 3]), [1]), tensor([3]), 1e-6);
    }));

  test("a frozen network has nothing to learn, features want channels", () =>
    tidy(() => {
      expectSidError(
        "invalid-argument",
        () => bottleneckDiscriminator({ reads: "teacher" as never }),
        /reads must be one of "fakeScore", got "teacher"/,
      );
      expectSidError("invalid-argument", () => bottleneckDiscriminator({ name: "" }), /name/);
      expectSidError("invalid-argument", () => bottleneckDiscriminator({ read: "x" } as never), /did you mean reads/);
      const before = memory().numTensors;
      const rows = tensor([1, 2]);
      expectSidError(
        "shape-mismatch",
        () => bottleneckDiscriminator().logit(rows, [1, 2]),
        /bottleneck\.logit: features must be \[B, \.\.\., C\] with an axis of channels, got \[2\]/,
      );
      rows.dispose();
      expect(memory().numTensors).toBe(before);
    }));
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

describe("networkDiscriminator", () => {
  test.each([[[2]], [[4, 4, 1]]])("the time counts, as in mlp through the ratio of noise alone, %j", (sampleShape) =>
    tidy(() => {
      const [a, b] = [
        network({ sampleShape, schedule: flowSchedule() }),
        network({ name: "b", sampleShape, schedule: edmSchedule() }),
      ] as const;
      const x = randomStream(5).normal([1, ...sampleShape]);
      // σ/α = 1.5 in both, the samples scaled to the same ones.
      const flow = a.logit(mul(x, 0.4), [0.6]);
      expectClose(b.logit(x, [1.5]), flow, 1e-4);
      expect(numbers(a.logit(mul(x, 0.4), [0.3]))).not.toEqual(numbers(flow));
      a.dispose();
      b.dispose();
    }),
  );

  test.prop(
    {
      size: fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 })),
      depth: fc.integer({ min: 1, max: 3 }),
    },
    { numRuns: 12 },
  )("images of any size, halved between the blocks; one logit is the mean of the map", ({ size, depth }) =>
    tidy(() => {
      const sampleShape = [...size, 1];
      const [map, one] = [
        network({ sampleShape, depth, logits: "map" }),
        network({ name: "one", sampleShape, depth }),
      ] as const;
      const x = randomStream(5).normal([2, ...sampleShape]);
      const logits = map.logit(x, [20, 700]);
      expect(logits.shape).toEqual([2, ...size.map((n) => Math.ceil(n / 2 ** (depth - 1)))]);
      const each = (logits.size / 2) | 0;
      const means = [0, 1].map(
        (i) =>
          numbers(logits)
            .slice(i * each, (i + 1) * each)
            .reduce((a, b) => a + b, 0) / each,
      );
      expectClose(one.logit(x, [20, 700]), means, 1e-4);
      map.dispose();
      one.dispose();
    }),
  );

  test.each([[[2]], [[4, 4, 1]]])("it learns to tell two laws apart, %j", (sampleShape) =>
    using(network({ sampleShape, depth: 2 }), (discriminator) =>
      tidy(() => {
        const stream = randomStream(8);
        const times = Array<number>(32).fill(200);
        const real = add(stream.normal([32, ...sampleShape]), 1.5);
        const generated = sub(stream.normal([32, ...sampleShape]), 1.5);
        const logits = () => ({
          generated: discriminator.logit(generated, times),
          real: discriminator.logit(real, times),
        });
        const step = () =>
          tidy(() => {
            const loss = () => discriminatorLoss(logits()) as Scalar;
            const { value, gradients } = valueAndGradients(loss, discriminator.variables);
            discriminator.variables.forEach((v, i) => void v.assign(sub(v, mul(gradients[i] as Tensor, 0.2))));
            return numbers(value)[0] as number;
          });
        for (let i = 0; i < 40; i++) step();
        expect(step()).toBeLessThan(0.3);
        expect(numbers(discriminator.logit(real, times)).filter((x) => x > 0).length).toBeGreaterThan(28);
        expect(numbers(discriminator.logit(generated, times)).filter((x) => x < 0).length).toBeGreaterThan(28);
      }),
    ),
  );

  test("samples of another shape and times of another schedule are refused", () =>
    using(network({ sampleShape: [4, 4, 2] }), (discriminator) =>
      tidy(() => {
        expectSidError(
          "shape-mismatch",
          () => discriminator.logit(fill([1, 4, 5, 2], 1), [1]),
          /network\.logit: xt must be \[B, 4, 4, 2\], got \[1, 4, 5, 2\]/,
        );
        expectSidError("out-of-range", () => discriminator.logit(fill([1, 4, 4, 2], 1), [1000]), /network\.logit: t/);
      }),
    ));
});

describe("options that make no discriminator leave nothing behind", () => {
  const cases: [string, (options: object) => unknown, object[]][] = [
    [
      "headDiscriminator",
      (options) => head(options),
      [
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
      ],
    ],
    [
      "networkDiscriminator",
      (options) => network(options),
      [
        { name: "" },
        { schedule: undefined },
        { sampleShape: [] },
        { sampleShape: [2, 2] },
        { sampleShape: [0] },
        { sampleShape: Array(3) },
        { sampleShape: 2 },
        { logits: "map" },
        { hidden: 0 },
        { depth: 0 },
        { depth: 1001 },
        { timeDim: -1 },
        { weights: new Map() },
        { guidance: 1 },
      ],
    ],
  ];
  for (const [name, make, bad] of cases)
    test.each(bad)(`${name} %j`, (options) => {
      const before = memory().numTensors;
      expect(() => make(options)).toThrow(SidError);
      expect(memory().numTensors).toBe(before);
    });
});
