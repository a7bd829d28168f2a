/** Experiments to try: states, and what they show. A test measures of each that it does. */
import { defaultState, type LabState } from "./state";

export interface Experiment {
  readonly title: string;
  /** What happens, and why. */
  readonly text: string;
  readonly state: LabState;
}

const quick = { ...defaultState, batch: 128, iterations: 300, pretraining: 400 } as const;

export const experiments = {
  "drawn-law": {
    title: "A drawing, learned",
    text:
      "A letter becomes a mixture of Gaussians, whose score is exact, and Diff-Instruct a generator that draws from it in one pass. " +
      "The exact divergence falls from more than 8 nats to less than half of one.",
    state: {
      ...quick,
      law: "letter",
      iterations: 500,
      contestants: [{ method: "diff-instruct", learningRate: 0.005, fakeLearningRate: 0.01, fakeUpdates: 2 }],
    },
  },
  collapse: {
    title: "Collapse by SDS",
    text:
      "SDS has no fake score: x_g itself stands for it, and so it descends the information about x_g in x_t as well, until each class is all but a point. " +
      "Diff-Instruct, from the same seed, has one, and keeps the spread of the law.",
    state: {
      ...quick,
      contestants: [{ method: "sds" }, { method: "diff-instruct", learningRate: 0.01 }],
    },
  },
  lag: {
    title: "A lagging fake score, and its repair",
    text:
      "The fake score learns the law of a generator that moves on; behind it, it points to where the generator was, and the gauge's lag says by how much. " +
      "Four updates of it for each of the generator bring the lag near 0, and the generator nearer to the law.",
    state: {
      ...quick,
      law: "moons",
      iterations: 400,
      contestants: [
        { method: "diff-instruct", learningRate: 0.01 },
        { method: "diff-instruct", learningRate: 0.01, fakeUpdates: 4 },
      ],
    },
  },
  normaliser: {
    title: "The normaliser breaks the identity",
    text:
      "With an exact fake score the loss is the weighted distance of the two scores for any weight that x_g does not move. " +
      "The usual normaliser 1/mean|x_g − f_φ| does look at x_g: with it the loss misses the distance, whatever the fake score.",
    state: {
      ...quick,
      law: "letter",
      contestants: [
        { method: "sid-lsg", weight: "none", kappa1: 1, kappa2: 1, kappa4: 1 },
        { method: "sid-lsg", weight: "l1", kappa1: 1, kappa2: 1, kappa4: 1 },
      ],
    },
  },
  covering: {
    title: "Covering the law, or a part of it",
    text:
      "f-distill weighs each sample by how much more often the law is there than the generator: forward KL by that ratio, Neyman's χ² by its inverse. " +
      "So the first pulls where something is missing, and its samples spread wider and stray less than those of the second.",
    state: {
      ...quick,
      contestants: [
        { method: "f-distill", divergence: "forward-kl", learningRate: 0.01 },
        { method: "f-distill", divergence: "neyman", learningRate: 0.01 },
      ],
    },
  },
  guidance: {
    title: "Long and short guidance, or the teacher's alone",
    text:
      "Both are guided by κ = 3; at the start teacher and fake score are one network, and long and short guidance guides both alike, so that their difference is nothing before the generator moves. " +
      "Where the teacher alone is guided, the difference of the fields is guidance itself, and pulls from the first step on.",
    state: {
      ...quick,
      law: "moons",
      teacher: "trained",
      contestants: [
        { method: "sid-lsg", kappa1: 3, kappa2: 3, kappa4: 3 },
        { method: "sid-lsg", kappa1: 1, kappa2: 1, kappa4: 3 },
      ],
    },
  },
} as const satisfies Readonly<Record<string, Experiment>>;

export type ExperimentName = keyof typeof experiments;
