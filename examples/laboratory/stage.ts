/** What a contest is held on: the law, its teacher, and the network that all others start as copies of. */
import { randomStream } from "sid-lsg";
import type { ScoreModel } from "sid-lsg/models";
import { makeWorld, pretraining, type World } from "../plane/world";
import { drawnLaw, preparedLaws } from "./laws";
import type { LabState } from "./state";

export interface Stage {
  /** No two have the same: names of variables begin with it. */
  readonly name: string;
  readonly world: World;
  readonly student: ScoreModel;
  readonly teacher: ScoreModel;
  dispose(): void;
}

/** Is told how many steps of how many are done; what it returns is awaited, so that others get their turn. */
export type OnProgress = (done: number, total: number) => void | Promise<void>;

/** The law of a state. */
export function lawOf({ law }: Pick<LabState, "law">) {
  return typeof law === "string" ? preparedLaws[law] : drawnLaw(law);
}

/** Whether the stage of one state is that of the other. */
export function isSameStage(one: LabState, other: LabState): boolean {
  const key = ({ law, teacher, process, seed, pretraining }: LabState) =>
    JSON.stringify([law, teacher, process, seed, pretraining]);
  return key(one) === key(other);
}

let opened = 0;

/** Builds the stage of a state; the caller disposes of it. */
export async function openStage(state: LabState, onProgress?: OnProgress): Promise<Stage> {
  const world = makeWorld(state.process, lawOf(state));
  opened++;
  const name = `stage-${opened}`;
  const student = world.network(`${name}/student`, randomStream(state.seed));
  try {
    for (const done of pretraining(student, world, randomStream(state.seed), state.pretraining))
      if (done % 10 === 0 || done === state.pretraining) await onProgress?.(done, state.pretraining);
  } catch (error) {
    student.dispose();
    throw error;
  }
  const teacher = state.teacher === "exact" ? world.teacher : student;
  return { name, world, student, teacher, dispose: student.dispose };
}
