import type { Subject } from "../text-to-image/world";
import {
  caption,
  captionWords,
  colours,
  drawScenes,
  type EmojiScene,
  heldOutPairs,
  isHeldOut,
  objects,
  sceneOf,
  sizes,
  trainedPairs,
} from "./captions";
import { format } from "./pictures";

const pairs = { trained: trainedPairs, heldOut: heldOutPairs };

/** Emoji in colours, sizes and places, and how their teacher is distilled. */
export const emoji: Subject<EmojiScene> = {
  aspects: { object: objects, colour: colours, size: sizes },
  words: captionWords,
  pictures: format,
  recipe: {
    iterations: 410,
    batch: 16,
    learningRate: 5e-4,
    kappa: 1.5,
    alpha: 0.8,
    ema: { halfLife: 1500, rampUp: 0.5 },
    captions: 256,
  },
  prompts: [
    "a blue cat",
    "a small red heart",
    "a pink unicorn",
    "an orange octopus",
    "a ghost",
    "a purple crown",
    "a green cat",
    "a yellow panda",
    "a tiny golden star",
    "an emerald robot",
  ],
  drawScenes: (group, count, stream) => drawScenes(pairs[group], count, stream),
  caption,
  sceneOf,
  isHeldOut,
};
