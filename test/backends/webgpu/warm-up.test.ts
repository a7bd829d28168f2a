import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, expect, test } from "vitest";
import { useBackend } from "../../../src/backends";
import { randomStream } from "../../../src/core";
import { lsg } from "../../../src/guidance";
import { sidLsg } from "../../../src/methods";
import { generatorFrom, parseUnetConfig, unet } from "../../../src/models";
import { ddpmSchedule } from "../../../src/schedules";
import { distill } from "../../../src/train";

beforeAll(async () => {
  await useBackend("webgpu");
});

const config = parseUnetConfig({
  ...{ in_channels: 3, out_channels: 3, block_out_channels: [8, 16], layers_per_block: 1, norm_num_groups: 4 },
  ...{ down_block_types: ["DownBlock2D", "CrossAttnDownBlock2D"], up_block_types: ["CrossAttnUpBlock2D", "UpBlock2D"] },
  ...{ attention_head_dim: 2, cross_attention_dim: 12 },
});

/** The programs of the networks, whose choice goes by the shapes. */
const ofNetworks = /^(products|convolution|input gradient|weight gradients|attention|group norm|layer norm)\b/;

test("the programs of the networks are compiled before the first iteration", { timeout: 300_000 }, async () => {
  const { device } = tf.backend() as unknown as {
    device: { createComputePipeline(wanted: { label?: string }): object };
  };
  const compiled: string[] = [];
  let before: readonly string[] = [];
  const create = device.createComputePipeline;
  device.createComputePipeline = (wanted) => {
    compiled.push(wanted.label ?? "");
    return create.call(device, wanted);
  };
  const schedule = ddpmSchedule();
  const network = (name: string) =>
    unet(config, { name: `warm-up/${name}`, schedule, predicts: "eps", weights: randomStream(1) });
  const [teacher, fakeScore, generator] = [network("teacher"), network("fake"), network("generator")];
  let samples = 0;
  const text = (count: number) => randomStream(2).normal([count, 5, 12]);
  const run = distill({
    teacher,
    fakeScore,
    generator: generatorFrom(generator),
    method: sidLsg({ guidance: lsg(1.5) }),
    conditions: {
      sample(_, count) {
        samples++;
        // The first batch is that of the trial.
        if (samples === 2) before = compiled.splice(0);
        return text(count);
      },
      unconditional: () => text(1),
    },
    ...{ sampleShape: [8, 8, 3], batch: 8, iterations: 1, checkTeacher: false },
  });
  try {
    await run;
  } finally {
    device.createComputePipeline = create;
    for (const model of [teacher, fakeScore, generator]) model.dispose();
  }
  expect(before.filter((label) => ofNetworks.test(label)).length).toBeGreaterThan(10);
  expect(compiled.filter((label) => ofNetworks.test(label))).toEqual([]);
});
