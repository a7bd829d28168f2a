/** `npm run teacher`: trains the quick start's text-to-image teacher on coloured emoji and writes teacher/. */
import { runTeacherTraining } from "../text-to-image/train-teacher";
import { schedulerConfig, textConfig, unetConfig } from "./teacher-config";
import { world } from "./world";

const iterations = 24_000;
const peak = 2e-3;

await runTeacherTraining(world, {
  unetConfig,
  textConfig,
  schedulerConfig,
  backend: "node",
  iterations,
  batch: 64,
  optimizer: {
    // Constant for 40 %, then down a cosine.
    learningRate: (step) => peak * 0.5 * (1 + Math.cos(Math.PI * Math.max(0, (step / iterations - 0.4) / 0.6))),
    beta1: 0.9,
    beta2: 0.99,
    weightDecay: 0.01,
    clipNorm: 1,
  },
  emaDecay: 0.999,
  saveEvery: 500,
  seed: 1,
});
