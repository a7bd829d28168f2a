/** `npm run digits:teacher`: trains the text-to-image teacher of the coloured digits and writes teacher/. */
import { runTeacherTraining } from "../text-to-image/train-teacher";
import { schedulerConfig, textConfig, unetConfig } from "./teacher-config";
import { world } from "./world";

const iterations = 2000;

await runTeacherTraining(world, {
  unetConfig,
  textConfig,
  schedulerConfig,
  backend: "wasm",
  iterations,
  batch: 64,
  optimizer: {
    // High first, then two drops to settle.
    learningRate: (step) => (step < 0.6 * iterations ? 2e-3 : step < 0.85 * iterations ? 7e-4 : 2e-4),
    beta1: 0.9,
  },
  emaDecay: 0.998,
  saveEvery: 250,
  seed: 1,
});
