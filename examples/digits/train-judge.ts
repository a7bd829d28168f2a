/** `npm run digits:judge`: trains the judge of digits on four of five real ones and writes judge.safetensors. */

import { runJudgeTraining } from "../text-to-image/train-judge";
import type { RealPictures } from "../text-to-image/world";
import type { Pair } from "./captions";
import { drawImages, loadDigits } from "./digits";
import { world } from "./world";

const { byDigit } = loadDigits();
const part = (keep: (i: number) => boolean): RealPictures<Pair> => {
  const digits = { byDigit: byDigit.map((images) => images.filter((_, i) => keep(i))) };
  return { draw: (pairs, stream) => drawImages(digits, pairs, stream) };
};

const real = { learn: part((i) => i % 5 !== 0), examine: part((i) => i % 5 === 0) };
await runJudgeTraining(world, { iterations: 4000, batch: 64, learningRate: 2e-3, seed: 1, real });
