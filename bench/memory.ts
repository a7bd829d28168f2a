/**
 * Peak memory of a training iteration, in the setting of the digits' job: its U-Net (random weights), batches of 32
 * images, guidance 1.15, the WASM backend. What docs/guide.md says about memory was measured by this script.
 *
 *     npx tsup --no-dts --silent && npx tsx --tsconfig tsconfig.base.json bench/memory.ts
 *
 * The figures are the bytes of all live buffers of the engine, at their most in three iterations.
 */
import { type DistillOptions, distill, generatorFrom, lsg, randomStream, sidLsg } from "sid-lsg";
import { useBackend } from "sid-lsg/backends";
import { copyWeights, parseUnetConfig, unet } from "sid-lsg/models";
import { scheduleFromConfig } from "sid-lsg/schedules";
import { schedulerConfig, textConfig, unetConfig } from "../examples/digits/teacher-config.ts";
import { watchBytes } from "../examples/experiments/peak-bytes";

await useBackend("wasm", { threads: 1 });

const bytes = watchBytes();

const { schedule } = scheduleFromConfig(schedulerConfig);
const stream = randomStream(1);
const network = (name: string) =>
  unet(parseUnetConfig(unetConfig), { name, schedule, predicts: "eps", weights: stream });
const [teacher, fakeScore, student, average] = ["teacher", "fake-score", "student", "average"].map(network) as [
  ReturnType<typeof network>,
  ReturnType<typeof network>,
  ReturnType<typeof network>,
  ReturnType<typeof network>,
];
const [tokens, width] = [textConfig.max_position_embeddings, textConfig.hidden_size];
const ema = { target: generatorFrom(average), halfLife: 2500 };

const settings: [string, Partial<DistillOptions>][] = [
  ['`backward: "joint"`, with `ema`', { backward: "joint", ema }],
  ['`backward: "joint"`', { backward: "joint" }],
  ['`"staged"`, with `ema`', { ema }],
  ['`"staged"`', {}],
  ['`"staged"`, `accumulationRounds: 2`', { accumulationRounds: 2 }],
  ['`"staged"`, `accumulationRounds: 4`', { accumulationRounds: 4 }],
];

/** Three iterations from equal networks. */
async function run(setting: Partial<DistillOptions>): Promise<void> {
  for (const copy of [fakeScore, student, average]) copyWeights(teacher, copy);
  await distill({
    teacher,
    fakeScore,
    generator: generatorFrom(student),
    sampleShape: [unetConfig.sample_size, unetConfig.sample_size, unetConfig.in_channels],
    conditions: {
      sample: (source, count) => source.normal([count, tokens, width]),
      unconditional: () => randomStream(0).normal([1, tokens, width]),
    },
    method: sidLsg({ guidance: lsg(1.15) }),
    checkTeacher: false,
    batch: 32,
    iterations: 3,
    learningRate: 1e-4,
    ...setting,
  });
}

const weights = teacher.variables.reduce((sum, { size }) => sum + size, 0);
console.log(`${weights} weights, ${((4 * weights) / 1e6).toFixed(1)} MB per copy`);
console.log("| | peak |\n|---|---|");
for (const [name, setting] of settings) {
  bytes.restart();
  await run(setting);
  console.log(`| ${name} | ${(bytes.peak() / 1e6).toFixed(1)} MB |`);
}
