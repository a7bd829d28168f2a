import { randomStream } from "sid-lsg";
import {
  copyWeights,
  type GeneratorModel,
  generatorFrom,
  loadWeights,
  type ScoreModel,
  type Unet,
} from "sid-lsg/models";
import { type Lora, type LoraWeights, lora, mergeLora } from "sid-lsg/models/sd";
import { loadParts, type OpenModel } from "./model";
import type { DistillSettings } from "./options";

/** The networks of a run. */
export interface Networks {
  readonly teacher: Unet;
  readonly fakeScore: ScoreModel;
  readonly generator: GeneratorModel;
  /** Holds the moving average, if there is one. */
  readonly average: GeneratorModel | undefined;
  /** The network of `average`, else of `generator`: what the run results in. */
  readonly result: Unet | Lora;
  dispose(): void;
}

/** The model with what `--adapter` changes; copies of it, or adapters of it that change nothing yet. */
export async function makeNetworks(
  model: OpenModel,
  settings: DistillSettings,
  change: LoraWeights | undefined,
): Promise<Networks> {
  const { memory, lora: adapter, emaHalfLife, recipe } = settings;
  const load = async (name: string) => (await loadParts(model, ["unet"], memory, name)).unet;
  const teacher = await load("teacher");
  if (change) await merge(teacher, change);
  const stream = randomStream(recipe.seed);
  const copy = async (name: string) => {
    if (adapter) return lora(teacher, { name, rank: adapter.rank, alpha: adapter.alpha, weights: stream });
    const network = await load(name);
    if (change) copyWeights(teacher, network);
    return network;
  };
  const fakeScore = await copy("fake-score");
  const trained = await copy("generator");
  const averaged = emaHalfLife > 0 ? await copy("generator-average") : undefined;
  const generator = generatorFrom(trained, settings.generator);
  const average = averaged && generatorFrom(averaged, settings.generator);
  return {
    ...{ teacher, fakeScore, generator, average, result: averaged ?? trained },
    dispose() {
      for (const network of [averaged, trained, fakeScore, teacher]) network?.dispose();
    },
  };
}

async function merge(network: Unet, change: LoraWeights): Promise<void> {
  const adapted = lora(network, { name: "adapter", ...change });
  const merged = await mergeLora(adapted).finally(() => adapted.dispose());
  await loadWeights(network, merged);
}
