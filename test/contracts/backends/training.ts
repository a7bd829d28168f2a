import { type Tensor, tidy } from "@tensorflow/tfjs-core";
import { lsg, randomStream, sidLsg } from "sid-lsg";
import { generatorFrom } from "sid-lsg/models";
import { adam, fakeScoreGradients, generatorGradients, type TrainBatch, updateEma } from "sid-lsg/train";
import { casesOf, joined } from "./contract-case";
import { makeUnet, using } from "./networks";

function batch(seed: number): TrainBatch {
  const stream = randomStream(seed);
  return {
    noises: [stream.normal([2, 8, 8, 4])],
    noise: stream.normal([2, 8, 8, 4]),
    t: [100, 600],
    cond: stream.normal([2, 5, 6]),
    uncond: stream.normal([1, 5, 6]),
  };
}

/**
 * A whole iteration: fake-score step, generator step, moving average. Adam's ε is large enough that a gradient which
 * vanishes but for rounding makes no full step.
 */
function iteration(backward: "staged" | "joint"): Tensor[] {
  return using(makeUnet("teacher", 31), (teacher) =>
    using(makeUnet("fake-score", 32), (fakeScore) =>
      using(makeUnet("generator", 33), (model) =>
        using(makeUnet("average", 33), (average) => {
          const generator = generatorFrom(model);
          const objective = { teacher, fakeScore, generator, method: sidLsg({ guidance: lsg(1.5) }), backward };
          const options = { learningRate: 1e-2, epsilon: 0.1 };
          const [fakeAdam, generatorAdam] = [adam(fakeScore.variables, options), adam(model.variables, options)];
          try {
            const fake = fakeScoreGradients(objective, batch(41));
            fakeAdam.step(fake.gradients);
            const ours = generatorGradients(objective, batch(42));
            generatorAdam.step(ours.gradients);
            updateEma(average.variables, model.variables, 0.5);
            const { loss, generated, deltaSquared } = ours;
            const gradients = [fake.gradients, ours.gradients].map(joined);
            const weights = [fakeScore, model, average].map(({ variables }) => joined(variables));
            return [fake.loss, loss, generated as Tensor, deltaSquared, ...gradients, ...weights];
          } finally {
            fakeAdam.dispose();
            generatorAdam.dispose();
          }
        }),
      ),
    ),
  );
}

export const training = casesOf("training", {
  "an iteration, staged backward": () => tidy(() => iteration("staged") as never) as Tensor[],
  "an iteration, joint backward": () => tidy(() => iteration("joint") as never) as Tensor[],
});
