import { fileURLToPath } from "node:url";
import type { World } from "../text-to-image/world";
import {
  caption,
  captionWords,
  colours,
  digits,
  drawPairs,
  heldOutPairs,
  isHeldOut,
  type Pair,
  sceneOf,
  trainedPairs,
} from "./captions";
import { drawImages, format, loadDigits } from "./digits";

const pairs = { trained: trainedPairs, heldOut: heldOutPairs };

/** Handwritten digits in colours: the smaller job, and what the tests train on. */
export const world: World<Pair> = {
  module: import.meta.url,
  command: "npm run example:digits",
  out: "runs/digits",
  aspects: { digit: digits, colour: colours },
  words: captionWords,
  pictures: format,
  teacherFolder: fileURLToPath(new URL("teacher", import.meta.url)),
  judgeFile: fileURLToPath(new URL("judge.safetensors", import.meta.url)),
  recipe: {
    iterations: 80,
    batch: 32,
    learningRate: 2e-4,
    kappa: 1.15,
    alpha: 1,
    ema: { halfLife: 2500, rampUp: 0.5 },
    captions: 128,
  },
  prompts: [
    "a red seven",
    "the digit 3 in emerald",
    "a purple two",
    "9 in ivory",
    "a yellow zero",
    "the number 5 in cobalt",
    "a cyan six",
    "a blue four",
    "an orange eight",
    "a scarlet five",
  ],
  drawScenes: (group, count, stream) => drawPairs(pairs[group], count, stream),
  caption,
  sceneOf,
  isHeldOut,
  loadPictures() {
    const all = loadDigits();
    return { draw: (scenes, stream) => drawImages(all, scenes, stream) };
  },
};
