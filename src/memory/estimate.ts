import { engine } from "@tensorflow/tfjs-core";
import { checkArray, checkBoolean, checkInteger, checkObject, checkOneOf, type KeysOf } from "../core/checks";
import { hasOwnKernels } from "../core/fused-kernels";
import type { WeightMap } from "../core/host-tensor";
import { randomStream } from "../core/random";
import { sid } from "../methods/sid";
import type { Method } from "../methods/types";
import { bottleneckDiscriminator } from "../models/discriminators/bottleneck";
import { type GeneratorOptions, generatorFrom } from "../models/generator";
import { type LoraOptions, lora } from "../models/sd/lora";
import type { ScoreModel } from "../models/types";
import type { UnetConfig } from "../models/unet/config";
import { type UnetMemoryOptions, unetMemoryKeys } from "../models/unet/network";
import { unet, unetParameterSpecs } from "../models/unet/unet";
import { createParameters } from "../models/weights/parameters";
import type { ParameterOptions } from "../models/weights/types";
import { ddpmSchedule } from "../schedules/ddpm";
import { distill } from "../train/distill";
import { needsOf } from "../train/objective";
import { onDryBackend } from "./dry-backend";
import { likeRanks } from "./like-ranks";

/** The run whose memory {@link estimateMemory} predicts. */
export interface MemoryConfig extends UnetMemoryOptions {
  /** The architecture of all networks. */
  readonly unet: UnetConfig;
  /** Height and width of the samples: for Stable Diffusion an eighth of the image's. */
  readonly size: readonly [height: number, width: number];
  /**
   * Samples that are computed at once: `batch / accumulationRounds` of `distill`, on several ranks each one's share of that.
   * @defaultValue `1`
   */
  readonly batch?: number | undefined;
  /**
   * Tokens of the condition.
   * @defaultValue `77`
   */
  readonly tokens?: number | undefined;
  /**
   * The method: which networks it asks, under which guidance, and what flows through which. A discriminator, if it has
   * one, is taken to be SiDA's, without weights of its own.
   * @defaultValue `sid()`
   */
  readonly method?: Method | undefined;
  /**
   * How the generator's gradient is computed.
   * @defaultValue `"staged"`
   */
  readonly backward?: "staged" | "joint" | undefined;
  /**
   * One frozen network with adapters of this rank instead of networks of their own.
   * @defaultValue a network for each
   */
  readonly lora?: MemoryLora | undefined;
  /**
   * How the teacher's matrices and filters are stored, as in `loadStableDiffusion`: under adapters those of all networks.
   * @defaultValue `"f32"`
   */
  readonly frozenWeights?: "f32" | "f16" | undefined;
  /**
   * Whether the generator's weights, or its adapter's, have a moving average.
   * @defaultValue `false`
   */
  readonly ema?: boolean | undefined;
  /**
   * Passes of the generator and what its gradient goes through, as in `generatorFrom`.
   * @defaultValue one pass
   */
  readonly generator?: Pick<GeneratorOptions, "steps" | "gradientThrough"> | undefined;
  /**
   * Adam's decay of the first moment; at 0 it is not stored.
   * @defaultValue the method's
   */
  readonly beta1?: number | undefined;
  /**
   * Ranks of a data-parallel run; the estimate is of one of them, the first.
   * @defaultValue `1`
   */
  readonly ranks?: number | undefined;
  /**
   * Whether each rank keeps Adam's moments of its part of the weights only, as in `distill`.
   * @defaultValue `false`
   */
  readonly shardOptimizer?: boolean | undefined;
  /**
   * Whether the backend has this library's own kernels, which keep fewer activations: `"wasm"`, `"webgpu"`, `"node"`
   * and `"node-gpu"` do. What `"webgpu"` fuses beyond the others is not counted.
   * @defaultValue as the backend in use
   */
  readonly fusedKernels?: boolean | undefined;
}

/** The adapters of {@link MemoryConfig.lora}. */
export interface MemoryLora extends Pick<LoraOptions, "rank" | "targets" | "layers"> {
  /**
   * Which networks are adapters: generator and fake score, or the fake score alone, as VSD and SwiftBrush have it.
   * @defaultValue `"both"`
   */
  readonly networks?: "both" | "fake-score" | undefined;
}

const loraKeys: KeysOf<MemoryLora> = { rank: 1, targets: 1, layers: 1, networks: 1 };

const known: KeysOf<MemoryConfig> = {
  ...{ unet: 1, size: 1, batch: 1, tokens: 1, method: 1, backward: 1, lora: 1, ema: 1, generator: 1, beta1: 1 },
  ...{ frozenWeights: 1, ranks: 1, shardOptimizer: 1 },
  ...{ fusedKernels: 1, ...unetMemoryKeys },
};

/** Bytes of a run's tensors, each buffer counted once. Scratch space inside a backend comes on top. */
export interface MemoryEstimate {
  /** The networks' weights. */
  readonly weights: number;
  /** Between two iterations: weights, moments and the empty condition. */
  readonly atRest: number;
  /** At the worst moment of an iteration. */
  readonly peak: number;
}

/**
 * Predicts the memory of `distill` without using it: an iteration of the very same code runs on a backend whose
 * tensors have shapes and no numbers. Seconds, whatever the networks' size. Until the promise settles, no other work
 * with tensors may go on.
 *
 * @param config - networks, shapes and options of the run.
 * @returns bytes.
 * @throws SidError like `unet`, `lora` and `distill`; `invalid-argument` where another estimate is under way.
 *
 * @example
 * ```ts
 * import { estimateMemory } from "sid-lsg/memory";
 * import { parseUnetConfig } from "sid-lsg/models";
 *
 * const config = parseUnetConfig({
 *   block_out_channels: [32, 64], cross_attention_dim: 32, attention_head_dim: 4,
 *   down_block_types: ["DownBlock2D", "CrossAttnDownBlock2D"], up_block_types: ["CrossAttnUpBlock2D", "UpBlock2D"],
 * });
 * const plain = await estimateMemory({ unet: config, size: [32, 32], batch: 4 });
 * const thrifty = await estimateMemory({ unet: config, size: [32, 32], batch: 4, gradientCheckpointing: true });
 * console.log(thrifty.peak < plain.peak); // true
 * ```
 */
export async function estimateMemory(config: MemoryConfig): Promise<MemoryEstimate> {
  const where = "estimateMemory";
  const { unet: architecture, size, batch = 1, tokens = 77, ema = false } = checkObject(where, "config", config, known);
  const {
    method = sid(),
    backward = "staged",
    beta1,
    fusedKernels = hasFusedKernels(),
    ranks = 1,
    shardOptimizer,
  } = config;
  checkObject(where, "unet", architecture);
  const [height, width] = checkArray(where, "size", size);
  checkInteger(where, "size[0]", height, 1);
  checkInteger(where, "size[1]", width, 1);
  checkInteger(where, "batch", batch, 1);
  checkInteger(where, "tokens", tokens, 1);
  checkInteger(where, "ranks", ranks, 1);
  checkBoolean(where, "ema", ema);
  checkBoolean(where, "fusedKernels", fusedKernels);
  checkOneOf(where, "frozenWeights", config.frozenWeights ?? "f32", ["f32", "f16"]);
  return onDryBackend(fusedKernels, async (usage) => {
    const owned: { dispose(): void }[] = [];
    try {
      const needs = needsOf(method);
      const networks = makeNetworks(config, needs, owned);
      const weights = usage.bytes;
      usage.restart();
      let atRest = 0;
      const sampleShape = [height, width, architecture.inChannels];
      const condition = (count: number) => randomStream(0).normal([count, tokens, architecture.crossAttentionDim]);
      await distill({
        ...networks,
        sampleShape,
        conditions: { sample: (_, count) => condition(count), unconditional: () => condition(1) },
        images: {
          sample: (stream, count) => ({ images: stream.normal([count, ...sampleShape]), cond: condition(count) }),
        },
        discriminator: needs.discriminator ? bottleneckDiscriminator() : undefined,
        ...{ method, backward, adam: { beta1 }, iterations: 1, checkTeacher: false },
        ...{ batch: batch * ranks, distributed: ranks === 1 ? undefined : likeRanks(ranks), shardOptimizer },
        onIteration: () => {
          atRest = usage.bytes;
        },
        onWarning: () => {},
      });
      return { weights, atRest, peak: usage.peak };
    } finally {
      for (const network of owned.reverse()) network.dispose();
    }
  });
}

function hasFusedKernels(): boolean {
  const name = engine().backendName;
  return Boolean(name && hasOwnKernels(name));
}

/** The run's networks, listed in `owned`, their weights as meaningless as everything on the dry backend. */
function makeNetworks(
  { unet: architecture, lora: adapters, ema, generator = {}, frozenWeights, ...options }: MemoryConfig,
  needs: ReturnType<typeof needsOf>,
  owned: { dispose(): void }[],
) {
  const { gradientCheckpointing, attentionSlice } = options;
  const own = <T extends { dispose(): void }>(x: T): T => {
    owned.push(x);
    return x;
  };
  const named = (name: string) => `estimate-memory/${name}`;
  const base = (name: string, storage: ParameterOptions["weights"] = "f32") => {
    const specs = unetParameterSpecs(architecture);
    const weights = createParameters(named(name), specs, blankWeights(architecture), { weights: storage });
    try {
      return unet(architecture, {
        ...{ name: named(name), schedule: ddpmSchedule(), predicts: "eps", gradientCheckpointing, attentionSlice },
        weights,
      });
    } catch (error) {
      weights.dispose();
      throw error;
    }
  };
  const teacher = own(base("teacher", frozenWeights));
  const { networks = "both", ...adapter } = checkObject("estimateMemory", "lora", adapters ?? { rank: 1 }, loraKeys);
  checkOneOf("estimateMemory", "lora.networks", networks, ["both", "fake-score"]);
  const copy = (name: string, adapted: boolean): ScoreModel =>
    own(adapted ? lora(teacher, { ...adapter, name: named(name), weights: randomStream(0) }) : base(name));
  const student = (name: string) => copy(name, adapters !== undefined && networks === "both");
  return {
    teacher,
    fakeScore: needs.fakeScore ? copy("fake-score", adapters !== undefined) : undefined,
    generator: generatorFrom(student("generator"), generator),
    // Without a ramp, since the ramp's first average shares its buffers with the generator.
    ema: ema || needs.average ? { target: generatorFrom(student("average"), generator), rampUp: null } : undefined,
  };
}

/** Weights that all share one buffer of zeros: the host has no room for a large network's either. */
function blankWeights(architecture: UnetConfig): WeightMap {
  const sized = unetParameterSpecs(architecture).map(({ name, shape }) => ({
    name,
    shape,
    size: shape.reduce((a, b) => a * b, 1),
  }));
  const zeros = new Float32Array(Math.max(...sized.map(({ size }) => size)));
  return new Map(sized.map(({ name, shape, size }) => [name, { dtype: "F32", shape, data: zeros.subarray(0, size) }]));
}
