import { dispose, engine, profile, square, type Tensor, tidy } from "@tensorflow/tfjs-core";
import { describe, expect, test } from "vitest";
import { pullback, randomStream, vjp } from "../../../src/core";
import { parseUnetConfig, type Unet, type UnetOptions, unet } from "../../../src/models";
import { ddpmSchedule } from "../../../src/schedules";
import { testBackend } from "../../support/backend";
import { expectSidError } from "../../support/errors";
import { expectClose } from "../../support/matchers";

const config = parseUnetConfig({
  in_channels: 3,
  out_channels: 3,
  block_out_channels: [8, 16],
  layers_per_block: 2,
  down_block_types: ["CrossAttnDownBlock2D", "DownBlock2D"],
  up_block_types: ["UpBlock2D", "CrossAttnUpBlock2D"],
  transformer_layers_per_block: [2, 1],
  norm_num_groups: 4,
  attention_head_dim: 2,
  cross_attention_dim: 6,
});

/** The same network twice, once with the options; and one input. */
function withTwins(
  options: Pick<UnetOptions, "gradientCheckpointing" | "attentionSlice">,
  body: (plain: Unet, other: Unet, xt: Tensor, cond: Tensor, cotangent: Tensor) => void | Promise<void>,
) {
  const make = (name: string, more: typeof options) =>
    unet(config, { name, schedule: ddpmSchedule(), predicts: "eps", weights: randomStream(3), ...more });
  const models = [make("unet-memory/plain", {}), make("unet-memory/other", options)] as const;
  const stream = randomStream(4);
  const inputs = [stream.normal([2, 6, 5, 3]), stream.normal([2, 4, 6]), stream.normal([2, 6, 5, 3])] as const;
  const free = () => {
    for (const model of models) model.dispose();
    dispose([...inputs]);
  };
  const result = body(...models, ...inputs);
  return result ? result.finally(free) : free();
}

const t = [40, 700];

describe("the numbers are the same", () => {
  test.each([
    // The order of sums: with tfjs-node it makes 1.01e-6 in one of the gradients.
    ["gradientCheckpointing", { gradientCheckpointing: true }, testBackend === "node" ? 2e-6 : 1e-6],
    ["attention slices", { attentionSlice: 7 }, 1e-5],
    ["both", { gradientCheckpointing: true, attentionSlice: 4 }, 1e-5],
  ])("with %s", (_, options, tolerance) =>
    withTwins(options, (plain, other, xt, cond, cotangent) =>
      tidy(() => {
        const results = [plain, other].map((model) => {
          const f = () => model.predict(xt, t, cond);
          const frozen = vjp((x, c) => model.predict(x as Tensor, t, c), [xt, cond], cotangent);
          const { features } = model.predictWithFeatures(xt, t, cond);
          const through = vjp((x, c) => square(model.features(x as Tensor, t, c)), [xt, cond], features);
          return [f(), ...frozen, ...pullback(f, cotangent, model.variables), features, ...through];
        }) as [Tensor[], Tensor[]];
        results[0].forEach((x, i) => {
          expectClose(results[1][i] as Tensor, x, tolerance);
        });
      }),
    ),
  );
});

test("gradientCheckpointing takes less memory, of a frozen network too", () =>
  withTwins({ gradientCheckpointing: true }, async (plain, other, xt, cond, cotangent) => {
    const peak = async (run: () => Tensor[]) => {
      const before = engine().state.numBytes;
      const { peakBytes } = await profile(() => dispose(run()) as never);
      return peakBytes - before;
    };
    const frozen = (model: Unet) => peak(() => vjp((x) => model.predict(x as Tensor, t, cond), [xt], cotangent));
    const trained = (model: Unet) => peak(() => pullback(() => model.predict(xt, t, cond), cotangent, model.variables));
    expect((await frozen(other)) / (await frozen(plain))).toBeLessThan(0.5);
    expect((await trained(other)) / (await trained(plain))).toBeLessThan(0.6);
  }));

test("bad options are refused", () => {
  const make = (options: object) => () =>
    unet(config, { name: "bad", schedule: ddpmSchedule(), predicts: "eps", weights: randomStream(0), ...options });
  expectSidError("out-of-range", make({ attentionSlice: 0 }), /attentionSlice/);
  expectSidError("invalid-argument", make({ attentionSlice: 1.5 }), /attentionSlice/);
  expectSidError("invalid-argument", make({ gradientCheckpointing: "yes" }), /gradientCheckpointing/);
});
