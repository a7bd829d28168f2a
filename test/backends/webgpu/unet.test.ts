import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeAll, test } from "vitest";
import { useBackend } from "../../../src/backends";
import { noGrad, pullback, randomStream } from "../../../src/core";
import { parseUnetConfig, unet } from "../../../src/models";
import { ddpmSchedule } from "../../../src/schedules";
import { expectSame, filled } from "../../support/two-backends";

beforeAll(async () => {
  await useBackend("cpu");
  await tf.setBackend("webgpu");
});
afterEach(() => tf.setBackend("webgpu"));

const config = parseUnetConfig({
  ...{ in_channels: 3, out_channels: 3, block_out_channels: [8, 16], layers_per_block: 1, norm_num_groups: 4 },
  ...{ down_block_types: ["DownBlock2D", "CrossAttnDownBlock2D"], up_block_types: ["CrossAttnUpBlock2D", "UpBlock2D"] },
  ...{ attention_head_dim: 2, cross_attention_dim: 12 },
});

test("a U-Net's answer and all its gradients are cpu's", { timeout: 300_000 }, () =>
  expectSame(
    [filled([2, 8, 8, 3]), filled([2, 5, 12], 2), filled([2, 8, 8, 3], 3)],
    (xt, cond, cotangent) => {
      const network = unet(config, {
        name: "webgpu-unet",
        schedule: ddpmSchedule(),
        predicts: "eps",
        weights: randomStream(1),
      });
      const answer = () => network.predict(xt, [20, 700], cond);
      const results = [noGrad(answer), ...pullback(answer, cotangent, network.variables)];
      network.dispose();
      return results;
    },
    "webgpu",
    2e-4,
  ),
);
