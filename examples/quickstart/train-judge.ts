/** `npm run judge`: trains the judge of emoji on real ones and writes judge.safetensors. */
import { runJudgeTraining } from "../text-to-image/train-judge";
import { world } from "./world";

await runJudgeTraining(world, { iterations: 6000, batch: 64, learningRate: 2e-3, seed: 1 });
