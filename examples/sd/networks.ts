import { randomStream } from "sid-lsg";
import { type GeneratorModel, generatorFrom, type ScoreModel, type Unet } from "sid-lsg/models";
import { type Lora, lora } from "sid-lsg/models/sd";
import type { OpenModel } from "./model";
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

/** Copies of the teacher, or adapters of it that change nothing yet. */
export async function makeNetworks(model: OpenModel, settings: DistillSettings): Promise<Networks> {
  const { memory, lora: adapter, emaHalfLife, recipe } = settings;
  const teacher = await model.makeUnet("teacher", memory);
  const stream = randomStream(recipe.seed);
  const copy = async (name: string) =>
    adapter
      ? lora(teacher, { name, rank: adapter.rank, alpha: adapter.alpha, weights: stream })
      : model.makeUnet(name, memory);
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
