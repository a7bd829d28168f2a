import { ddpmSchedule, distill, generatorFrom, lsg, randomStream, sidLsg } from "sid-lsg";
import { estimateMemory, type MemoryConfig } from "sid-lsg/memory";
import { createParameters, parseUnetConfig, unet, unetParameterSpecs } from "sid-lsg/models";
import { lora } from "sid-lsg/models/sd";
import { type Iterations, iterations, type ShapeName, shapeOf } from "../networks";

export type CaseName = ShapeName | "sd15-lora" | "sd15-lora-small";

/** Stable Diffusion 1.5's plan, and one that takes the same ways with a thousandth of the weights. */
export const plans = {
  "sd15-lora": { json: { cross_attention_dim: 768 }, size: 64, rank: 64 },
  "sd15-lora-small": {
    json: { cross_attention_dim: 32, block_out_channels: [32, 64, 64, 64], attention_head_dim: 4 },
    size: 16,
    rank: 4,
  },
} as const;

const method = sidLsg({ guidance: lsg(1.5) });
const tokens = 77;

/** What the memory of a case is estimated with. */
export function estimateOf(name: CaseName, frozenWeights: "f16" | "f32", fusedKernels: boolean) {
  const config: MemoryConfig = isPlan(name)
    ? {
        unet: parseUnetConfig(plans[name].json),
        size: [plans[name].size, plans[name].size],
        ...{ lora: { rank: plans[name].rank }, gradientCheckpointing: true, frozenWeights },
      }
    : {
        unet: parseUnetConfig(shapeOf(name).unet),
        size: [shapeOf(name).size, shapeOf(name).size],
        ...{ batch: shapeOf(name).batch, tokens: shapeOf(name).tokens, backward: "joint" },
      };
  return estimateMemory({ ...config, method, fusedKernels });
}

/** Whole iterations of a case. */
export function iterationsOf(name: CaseName, frozenWeights: "f16" | "f32"): Iterations {
  return isPlan(name) ? adapted(name, frozenWeights) : iterations(shapeOf(name));
}

function isPlan(name: CaseName): name is keyof typeof plans {
  return name in plans;
}

/** One frozen network and two adapters, staged, with checkpointing, one image at a time. */
function adapted(name: keyof typeof plans, weights: "f16" | "f32"): Iterations {
  const { json, size, rank } = plans[name];
  const config = parseUnetConfig(json);
  const teacher = unet(config, {
    ...{ name: "teacher", schedule: ddpmSchedule(), predicts: "eps", gradientCheckpointing: true },
    weights: createParameters("teacher", unetParameterSpecs(config), cheapWeights(config), { weights }),
  });
  const adapter = (name: string) => lora(teacher, { name, rank, weights: randomStream(1) });
  const [fakeScore, student] = [adapter("fake-score"), adapter("generator")];
  const text = (count: number) => randomStream(2).normal([count, tokens, config.crossAttentionDim]);
  const run = distill({
    ...{ teacher, fakeScore, generator: generatorFrom(student), method, batch: 1, checkTeacher: false },
    conditions: { sample: (_, count) => text(count), unconditional: () => text(1) },
    sampleShape: [size, size, config.inChannels],
    iterations: Number.MAX_SAFE_INTEGER,
  })[Symbol.asyncIterator]();
  return {
    async next() {
      const { value } = await run.next();
      return value as never;
    },
    async end() {
      await run.return();
      for (const model of [student, fakeScore, teacher]) model.dispose();
    },
  };
}

/** Random weights that all share one buffer: to draw 860 million takes longer than all that is measured. */
export function cheapWeights(config: ReturnType<typeof parseUnetConfig>) {
  const sized = unetParameterSpecs(config).map(({ name, shape }) => {
    return { name, shape, size: shape.reduce((a, b) => a * b, 1) };
  });
  const numbers = new Float32Array(Math.max(...sized.map(({ size }) => size)));
  const stream = randomStream(1);
  numbers.set(stream.normals(Math.min(2 ** 16, numbers.length)).map((x) => 0.02 * x));
  for (let filled = 2 ** 16; filled < numbers.length; filled *= 2) numbers.copyWithin(filled, 0, filled);
  return new Map(
    sized.map(({ name, shape, size }) => [name, { dtype: "F32" as const, shape, data: numbers.subarray(0, size) }]),
  );
}
