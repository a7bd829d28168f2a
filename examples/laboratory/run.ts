/** A whole run of a state, without anything to look at: what a page shows at its end. */
import type { Divergence } from "sid-lsg/train";
import { type Contender, openContenders } from "./contest";
import { type Measured, measure, type Rule, ruleOf } from "./density";
import { hasOneNoise } from "./methods";
import { type OnProgress, openStage, type Stage } from "./stage";
import type { LabState } from "./state";
import { type Points, samplesOf } from "./views";

/** What came of a contestant. */
export interface Result {
  readonly method: string;
  readonly measured: Measured;
  /** What the gauge told last; absent for methods that have none. */
  readonly divergence: Divergence | undefined;
  readonly samples: readonly Points[];
}

/** Samples of a contestant that a run ends with, of both classes. */
export const sampleCount = 8;

/** Who wants to know how far a run is. */
export interface Listeners {
  readonly onPretraining?: OnProgress;
  /** After an iteration of every contender. */
  readonly onIteration?: (contenders: readonly Contender[], stage: Stage) => void | Promise<void>;
}

/** Does the run of a state, on the backend that is there. */
export async function runState(state: LabState, { onPretraining, onIteration }: Listeners = {}): Promise<Result[]> {
  const stage = await openStage(state, onPretraining);
  const contenders: Contender[] = [];
  try {
    contenders.push(...(await openContenders(state, stage)));
    while (await advanceAll(contenders)) await onIteration?.(contenders, stage);
    const rule = ruleOf(stage.world.law);
    const results: Result[] = [];
    for (const contender of contenders) results.push(await resultOf(contender, stage, rule, state.seed));
    return results;
  } finally {
    for (const contender of contenders) await contender.dispose();
    stage.dispose();
  }
}

/** An iteration of each; false where none was left. */
export async function advanceAll(contenders: readonly Contender[]): Promise<boolean> {
  let any = false;
  for (const contender of contenders) any = (await contender.advance()) || any;
  return any;
}

/** How a contender's generator is measured now. */
export function measureNow(contender: Contender, rule: Rule): Promise<Measured> {
  return measure(contender.networks.average, rule, {}, hasOneNoise(contender.contestant));
}

async function resultOf(contender: Contender, stage: Stage, rule: Rule, seed: number): Promise<Result> {
  return {
    method: contender.contestant.method,
    measured: await measureNow(contender, rule),
    divergence: contender.metrics?.divergence,
    samples: await samplesOf(contender, stage, sampleCount, seed),
  };
}
