import { fc, test } from "@fast-check/vitest";
import { add, fill, memory, mul, type Scalar, sub, type Tensor, tidy } from "@tensorflow/tfjs-core";
import { describe, expect } from "vitest";
import { randomStream, SidError, valueAndGradients } from "../../../src/core";
import { discriminatorLoss } from "../../../src/losses";
import { type NetworkDiscriminatorOptions, networkDiscriminator } from "../../../src/models";
import { ddpmSchedule, edmSchedule, flowSchedule } from "../../../src/schedules";
import { discriminatorContract } from "../../contracts/discriminator-contract";
import { expectSidError } from "../../support/errors";
import { expectClose, numbers } from "../../support/matchers";
import { using } from "../../support/using";

const schedule = ddpmSchedule();
const t = [20, 400, 979] as const;

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

test.each([
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
])("options that make no discriminator leave nothing behind, %j", (options: object) => {
  const before = memory().numTensors;
  expect(() => network(options)).toThrow(SidError);
  expect(memory().numTensors).toBe(before);
});
