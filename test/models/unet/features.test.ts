import { fc, test } from "@fast-check/vitest";
import { mul, onesLike, profile, sub, type Tensor, tidy, type Variable } from "@tensorflow/tfjs-core";
import { describe, expect } from "vitest";
import { pullback, randomStream } from "../../../src/core";
import { parseUnetConfig, type Unet, type UnetOptions, unet } from "../../../src/models";
import { ddpmSchedule } from "../../../src/schedules";
import { testBackend } from "../../support/backend";
import { expectSidError } from "../../support/errors";
import { expectClose, numbers } from "../../support/matchers";

const plan = (levels: number, padding: number) => ({
  in_channels: 3,
  out_channels: 2,
  block_out_channels: [4, 6, 8].slice(0, levels),
  layers_per_block: 1,
  down_block_types: ["DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"].slice(0, levels),
  up_block_types: ["UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"].slice(0, levels),
  downsample_padding: padding,
  norm_num_groups: 2,
  attention_head_dim: 2,
  cross_attention_dim: 5,
});

interface Case extends Partial<UnetOptions> {
  readonly levels?: number;
  readonly padding?: number;
  readonly size?: readonly number[];
}

/** Runs a body with a network and an input. */
async function withUnet(
  { levels = 2, padding = 1, size = [6, 5], ...options }: Case,
  body: (model: Unet, xt: Tensor, cond: Tensor) => unknown,
): Promise<void> {
  const config = parseUnetConfig(plan(levels, padding));
  const given = { name: "features", schedule: ddpmSchedule(), predicts: "eps", weights: randomStream(3) } as const;
  const model = unet(config, { ...given, ...options });
  const inputs = [randomStream(1).normal([2, ...size, 3]), randomStream(2).normal([2, 3, 5])] as const;
  try {
    await body(model, ...inputs);
  } finally {
    model.dispose();
    for (const x of inputs) x.dispose();
  }
}

const t = [40, 700];
const trunk = /\/(conv_in|time_embedding|down_blocks|mid_block)\./;

describe("features of a U-Net", () => {
  test.each([{}, { gradientCheckpointing: true }, { attentionSlice: 2 }])(
    "are what the mid block makes: a shift of its last bias shifts them, %j",
    (options) =>
      withUnet(options, (model, xt, cond) =>
        tidy(() => {
          const bias = model.variables.find(({ name }) => name.endsWith("mid_block.resnets.1.conv2.bias")) as Variable;
          const before = model.features(xt, t, cond);
          expect(before.shape).toEqual([2, 3, 3, 6]);
          const shift = randomStream(4).normal(bias.shape);
          bias.assign(sub(bias, shift));
          for (const after of [model.features(xt, t, cond), model.predictWithFeatures(xt, t, cond).features])
            expectClose(sub(before, after), mul(onesLike(before), shift), 1e-5);
        }),
      ),
  );

  test.each([{}, { gradientCheckpointing: true }])(
    "come from every weight of the way down and the middle, and from no other, %j",
    (options) =>
      withUnet(options, (model, xt, cond) =>
        tidy(() => {
          const cotangent = randomStream(5).normal([2, 3, 3, 6]);
          const f = () => model.features(xt, t, cond);
          const [below, above] = [true, false].map((is) =>
            model.variables.filter(({ name }) => trunk.test(name) === is),
          );
          const gradients = pullback(f, cotangent, below as Variable[]);
          gradients.forEach((g, i) => {
            // A softmax over the keys does not see what is added to all of them: those gradients may be 0.
            const size = Math.hypot(...numbers(g));
            expect(Number.isFinite(size) && size > 0, below?.[i]?.name).toBe(true);
          });
          expect(above?.length).toBeGreaterThan(10);
          for (const v of above as Variable[])
            expectSidError("invalid-argument", () => pullback(f, cotangent, [v]), /does not depend on/);
        }),
      ),
  );

  // Through tfjs-node's graphs a pass is one call, see test/backends/node/graph.test.ts.
  test("cost no pass beside the prediction, and alone not the way up", () =>
    withUnet({}, async (model, xt, cond) => {
      const convolutions = async (f: () => unknown) => {
        const { kernels } = await profile(() => tidy(() => void f()) as never);
        return kernels.filter(({ name }) => /Conv2D/.test(name)).length;
      };
      const plain = await convolutions(() => model.predict(xt, t, cond));
      const both = await convolutions(() => model.predictWithFeatures(xt, t, cond));
      const alone = await convolutions(() => model.features(xt, t, cond));
      const weights = model.variables.filter(({ name, rank }) => rank === 4 && /weight$/.test(name));
      expect([plain, both]).toEqual([weights.length, weights.length]);
      expect(alone).toBe(weights.filter(({ name }) => trunk.test(name)).length);
      expect(alone).toBeLessThan(0.6 * plain);
    }));

  test("leave the prediction as it is, bit for bit", () =>
    withUnet({}, (model, xt, cond) =>
      tidy(() => {
        const [plain, both] = [model.predict(xt, t, cond), model.predictWithFeatures(xt, t, cond).prediction];
        if (testBackend === "node") expectClose(both, plain, 1e-6);
        else expect(numbers(both)).toEqual(numbers(plain));
      }),
    ));

  test.prop(
    {
      levels: fc.integer({ min: 1, max: 3 }),
      padding: fc.constantFrom(0, 1),
      size: fc.tuple(fc.integer({ min: 4, max: 13 }), fc.integer({ min: 4, max: 13 })),
    },
    { numRuns: 12 },
  )("have the size at which the way down ends", (given) =>
    withUnet(given, (model, xt, cond) =>
      tidy(() => {
        const got = model.predictWithFeatures(xt, t, cond);
        expectClose(got.features, model.features(xt, t, cond), 1e-6);
        expectClose(got.prediction, model.predict(xt, t, cond), 1e-6);
      }),
    ),
  );

  test("bad input is named after the method that was called", () =>
    withUnet({}, (model, xt, cond) => {
      expectSidError("shape-mismatch", () => model.features(cond, t, cond), /^features\.features: xt must be images/);
      expectSidError("invalid-argument", () => model.features(xt, t), /^features\.features: a U-Net needs a condition/);
      expectSidError(
        "shape-mismatch",
        () => model.predictWithFeatures(xt, t, xt),
        /^features\.predictWithFeatures: cond must be \[2, tokens, 5\]/,
      );
      expectSidError("out-of-range", () => model.features(xt, [1, 1000], cond), /^features\.features: /);
      expectSidError("shape-mismatch", () => model.predict(cond, t, cond), /^features\.predict: /);
    }));
});
