import { type RandomStream, randomStream } from "sid-lsg";
import {
  bottleneckDiscriminator,
  copyWeights,
  type Discriminator,
  type GeneratorModel,
  generatorFrom,
  headDiscriminator,
  loadWeights,
  type ScoreModel,
  type Unet,
  type UnetLevel,
} from "sid-lsg/models";
import { type Lora, type LoraWeights, lora, mergeLora } from "sid-lsg/models/sd";
import { loadParts, type OpenModel } from "./model";
import { needsOf } from "./needs";
import type { DistillSettings } from "./options";

/** The networks of a run. */
export interface Networks {
  readonly teacher: Unet;
  /** For methods that have one. */
  readonly fakeScore: ScoreModel | undefined;
  /** For methods that have one. */
  readonly discriminator: Discriminator | undefined;
  readonly generator: GeneratorModel;
  /** Holds the moving average, if there is one. */
  readonly average: GeneratorModel | undefined;
  /** The network of `average`, else of `generator`: what the run results in. */
  readonly result: Unet | Lora;
  dispose(): void;
}

/**
 * The model with what `--adapter` changes; copies of it, or adapters of it that change nothing yet, as many as the method
 * needs.
 */
export async function makeNetworks(
  model: OpenModel,
  settings: DistillSettings,
  change: LoraWeights | undefined,
): Promise<Networks> {
  const { method, memory, lora: adapter, emaHalfLife, recipe } = settings;
  const load = async (unetName: string, weights?: "f32" | "f16") =>
    (await loadParts(model, ["unet"], { memory, unetName, weights })).unet;
  const teacher = await load("teacher", settings.frozenWeights);
  if (change) await merge(teacher, change);
  const stream = randomStream(recipe.seed);
  const adapted = (name: string, { rank, alpha }: { readonly rank: number; readonly alpha: number }) =>
    lora(teacher, { name, rank, alpha, weights: stream });
  const copy = async (name: string) => {
    const network = await load(name);
    if (change) copyWeights(teacher, network);
    return network;
  };
  const student = (name: string) => (adapter?.networks === "both" ? adapted(name, adapter) : copy(name));
  const ofFakeScore = (name: string) => (adapter ? adapted(name, adapter) : copy(name));
  const fakeScore = needsOf(method).fakeScore ? await ofFakeScore("fake-score") : undefined;
  const trained = await student("generator");
  const averaged = emaHalfLife > 0 ? await student("generator-average") : undefined;
  const generator = generatorFrom(trained, settings.generator);
  const average = averaged && generatorFrom(averaged, settings.generator);
  const discriminator = discriminatorOf(settings.discriminator, model, stream);
  return {
    ...{ teacher, fakeScore, discriminator, generator, average, result: averaged ?? trained },
    dispose() {
      for (const network of [discriminator, averaged, trained, fakeScore, teacher]) network?.dispose();
    },
  };
}

function discriminatorOf(
  reads: DistillSettings["discriminator"],
  { configs }: OpenModel,
  weights: RandomStream,
): Discriminator | undefined {
  if (reads === undefined) return undefined;
  if (reads === "bottleneck") return bottleneckDiscriminator();
  const whose = reads === "teacher" ? "teacher" : "fakeScore";
  return headDiscriminator({
    name: "discriminator",
    reads: whose,
    channels: (configs.unet.levels.at(-1) as UnetLevel).channels,
    weights,
  });
}

async function merge(network: Unet, change: LoraWeights): Promise<void> {
  const adapted = lora(network, { name: "adapter", ...change });
  const merged = await mergeLora(adapted).finally(() => adapted.dispose());
  await loadWeights(network, merged);
}
