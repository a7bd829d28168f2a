import { clone, customGrad, type Tensor, tidy } from "@tensorflow/tfjs-core";
import type { Discriminator, ScoreModel } from "sid-lsg/models";

/** Counts the samples that pass through networks, forwards and backwards. */
export interface PassCounter {
  /** The same network, counted; it shares the weights. A pass through its features alone counts as one through all. */
  network(model: ScoreModel): ScoreModel;
  /** The same discriminator; one that reads another network's features costs nothing of its own. */
  discriminator(judge: Discriminator): Discriminator;
  /** Samples so far. */
  samples(): number;
}

export function countPasses(): PassCounter {
  let samples = 0;
  /** Counts a pass, and the one back, whichever of its outputs the gradient comes in by. */
  const pass = (outputs: readonly Tensor[]): Tensor[] => {
    let back = false;
    samples += outputs[0]?.shape[0] ?? 0;
    return outputs.map((output) =>
      customGrad((...given) => ({
        value: clone(given[0] as Tensor),
        gradFunc: (dy: Tensor) => {
          if (!back) samples += dy.shape[0] as number;
          back = true;
          return [clone(dy)];
        },
      }))(output),
    );
  };
  const counted = (output: () => Tensor) => tidy(() => pass([output()])[0] as Tensor);
  return {
    network(model) {
      const { features, predictWithFeatures } = model;
      return {
        ...model,
        predict: (...inputs) => counted(() => model.predict(...inputs)),
        ...(features && { features: (...inputs) => counted(() => features(...inputs)) }),
        ...(predictWithFeatures && {
          predictWithFeatures: (...inputs) =>
            tidy(() => {
              const both = predictWithFeatures(...inputs);
              const [prediction, features] = pass([both.prediction, both.features]) as [Tensor, Tensor];
              return { prediction, features };
            }),
        }),
      };
    },
    discriminator: (judge) =>
      judge.reads ? judge : { ...judge, logit: (...inputs) => counted(() => judge.logit(...inputs)) },
    samples: () => samples,
  };
}
