import type { RunRecord } from "../../../examples/experiments/runs";
import type { GroupFigures, StudyFigures } from "../../../examples/study/figures";

const plain: GroupFigures = {
  ...{ right: { object: 0.9 }, allRight: 0.8, frechetDistance: 100, kernelDistance: 1e6 },
  ...{ precision: 0.5, recall: 0.6, density: 0.7, coverage: 0.4 },
};

/** A run's record with some figures of trained and, if they differ, of held-out pairs. */
export function recordOf(
  name: string,
  seed: number,
  trained: Partial<GroupFigures>,
  heldOut = trained,
): RunRecord<StudyFigures> {
  return {
    ...{ name, seed, settings: { captions: 70, iterations: 2, batch: 3, learningRate: 1e-3 } },
    figures: { trained: { ...plain, ...trained }, heldOut: { ...plain, ...heldOut } },
    seconds: { distillation: 30 },
    surroundings: { processor: "p", node: "v20", backend: "wasm", tfjs: "4", library: "0" },
  };
}
