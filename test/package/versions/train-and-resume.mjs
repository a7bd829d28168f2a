// Distills a U-Net with every kind of block for two iterations, once at a stretch and once stopped after one and
// resumed by other networks, and prints the SHA-256 of all weights and their size. .ci/node-versions compares them between
// versions of Node.
//
//     node train-and-resume.mjs BACKEND [OPTIONS OF useBackend, AS JSON]
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  ddpmSchedule,
  distill,
  generatorFrom,
  lsg,
  parseUnetConfig,
  randomStream,
  readWeights,
  sidLsg,
  unet,
} from "sid-lsg";
import { useBackend } from "sid-lsg/backends";

const [backend, options = "{}"] = process.argv.slice(2);
await useBackend(backend, JSON.parse(options));

const config = parseUnetConfig({
  sample_size: 8,
  in_channels: 4,
  out_channels: 4,
  block_out_channels: [8, 16],
  layers_per_block: 1,
  down_block_types: ["CrossAttnDownBlock2D", "DownBlock2D"],
  up_block_types: ["UpBlock2D", "CrossAttnUpBlock2D"],
  norm_num_groups: 4,
  attention_head_dim: 2,
  cross_attention_dim: 6,
});
const schedule = ddpmSchedule({ betaSchedule: "scaled_linear", betaStart: 0.00085, betaEnd: 0.012 });
const conditions = {
  sample: (stream, count) => stream.normal([count, 5, 6]),
  unconditional: () => randomStream(9).normal([1, 5, 6]),
};
const folder = await mkdtemp(join(tmpdir(), "sid-lsg-versions-"));

/** Trains networks drawn from a seed up to an iteration; returns the SHA-256 of what came of them, and its RMS. */
async function train(seed, iterations, checkpoint) {
  const network = (name, from) => unet(config, { name, schedule, predicts: "eps", weights: randomStream(from) });
  const [teacher, fakeScore, student] = [network("teacher", 1), network("fake", seed), network("student", seed)];
  const { iteration } = await distill({
    ...{
      teacher,
      fakeScore,
      generator: generatorFrom(student),
      conditions,
      method: sidLsg({ guidance: lsg(1.5) }),
      checkTeacher: false,
    },
    ...{ sampleShape: [8, 8, 4], batch: 4, accumulationRounds: 2, learningRate: 1e-3, iterations, checkpoint },
  });
  assert.equal(iteration, iterations);
  const hash = createHash("sha256");
  let [squares, count] = [0, 0];
  for (const model of [fakeScore, student])
    for (const [name, { data }] of await readWeights(model)) {
      hash.update(name).update(new Uint8Array(data.buffer));
      for (const x of data) squares += x * x;
      count += data.length;
    }
  for (const model of [teacher, fakeScore, student]) model.dispose();
  assert(squares < Infinity, "all weights are finite");
  return `${hash.digest("hex")} ${Math.sqrt(squares / count).toPrecision(4)}`;
}

try {
  const path = join(folder, "run.safetensors");
  const straight = await train(1, 2);
  const stopped = await train(1, 1, { path });
  const resumed = await train(2, 2, { path, resume: true });
  assert.notEqual(stopped, straight);
  assert.equal(resumed, straight, "a resumed run ends where one without a stop does");
  console.log(straight);
} finally {
  await rm(folder, { recursive: true });
}
