import { memory } from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Contender, openContenders } from "../../../examples/laboratory/contest";
import { type Rule, ruleOf } from "../../../examples/laboratory/density";
import { type ExperimentName, experiments } from "../../../examples/laboratory/experiments";
import { identityGaps } from "../../../examples/laboratory/identity";
import { fromLink, toLink } from "../../../examples/laboratory/link";
import { advanceAll, measureNow, type Result, runState } from "../../../examples/laboratory/run";
import { openStage } from "../../../examples/laboratory/stage";
import type { LabState } from "../../../examples/laboratory/state";
import { fieldsOf } from "../../../examples/laboratory/views";
import { useBackend } from "../../../src/backends";

let tensors: number;
beforeAll(async () => {
  await useBackend("wasm");
  tensors = memory().numTensors;
});
afterAll(() => {
  expect(memory().numTensors, "leaked tensors").toBe(tensors);
});

const stateOf = (name: ExperimentName): LabState => experiments[name].state;
const run = async (name: ExperimentName) => (await runState(stateOf(name))) as [Result, Result];

test.each(Object.keys(experiments) as ExperimentName[])("%s has a link, and is told in two sentences", (name) => {
  expect(fromLink(toLink(stateOf(name)))).toEqual(stateOf(name));
  expect(experiments[name].text.match(/[.!?]( |$)/g)).toHaveLength(2);
});

describe("what an experiment says is what it shows", () => {
  test("drawn-law: from more than 8 nats to less than half of one, all Gaussians reached", async () => {
    const kls: number[] = [];
    let rule: Rule | undefined;
    const [{ measured }] = (await runState(stateOf("drawn-law"), {
      async onIteration([contender], { world }) {
        rule ??= ruleOf(world.law);
        if (kls.length === 0) kls.push((await measureNow(contender as Contender, rule)).kl);
      },
    })) as [Result];
    expect(kls[0]).toBeGreaterThan(8);
    expect(measured.kl).toBeLessThan(0.5);
    expect(measured.covered).toBeGreaterThan(35);
  });

  test("collapse: the spread of SDS is all but gone, that of Diff-Instruct the law's", async () => {
    const [sds, other] = await run("collapse");
    expect(sds.measured.spread).toBeLessThan(0.1);
    expect(other.measured.spread).toBeGreaterThan(0.8);
    expect(other.measured.kl).toBeLessThan(0.5 * sds.measured.kl);
  });

  test("lag: more updates of the fake score lessen it, and a drawn law is learned to 0.4 nats in 400 iterations", async () => {
    const [lagging, repaired] = await run("lag");
    const lagOf = ({ divergence }: Result) => Math.abs(divergence?.lag.value ?? Number.NaN);
    expect(lagOf(lagging)).toBeGreaterThan(1);
    expect(lagOf(repaired)).toBeLessThan(0.5 * lagOf(lagging));
    expect(repaired.measured.kl).toBeLessThan(0.4);
    expect(repaired.measured.kl).toBeLessThan(0.7 * lagging.measured.kl);
    // The bound is one where the fake score follows.
    const bound = repaired.divergence?.lowerBound;
    expect(bound?.value).toBeLessThan(repaired.measured.kl + 2 * (bound?.standardError ?? 0));
  });

  test("normaliser: the loss is the distance without it, and misses it by more than a tenth with it", async () => {
    const state = stateOf("normaliser");
    const stage = await openStage(state);
    const contenders = await openContenders(state, stage);
    for (let i = 0; i < 20; i++) await advanceAll(contenders);
    for (const contender of contenders) {
      const { none, l1 } = await identityGaps(contender, stage, { t: 300, count: 2000, seed: 1 });
      expect(Math.abs(none.value)).toBeLessThan(3 * none.standardError);
      expect(none.standardError).toBeLessThan(0.03);
      expect(l1.value).toBeLessThan(-0.1);
    }
    for (const contender of contenders) await contender.dispose();
    stage.dispose();
  });

  test("covering: forward KL spreads wider than Neyman's χ², and strays less", async () => {
    const [forward, neyman] = await run("covering");
    expect(forward.measured.spread).toBeGreaterThan(1.15 * neyman.measured.spread);
    expect(forward.measured.stray).toBeLessThan(0.95 * neyman.measured.stray);
  });

  test("guidance: at the start both fields are one where both are guided, and far apart where the teacher alone is", async () => {
    const state = stateOf("guidance");
    const stage = await openStage({ ...state, pretraining: 100 });
    const contenders = await openContenders(state, stage);
    const gaps: number[] = [];
    for (const contender of contenders) {
      const { teacher, fake } = await fieldsOf(contender, stage, { t: 500, class: 0, across: 9, extent: 2 });
      gaps.push(Math.sqrt(teacher.reduce((sum, x, i) => sum + (x - (fake?.[i] as number)) ** 2, 0) / teacher.length));
    }
    expect(gaps[0]).toBe(0);
    expect(gaps[1]).toBeGreaterThan(0.1);
    for (const contender of contenders) await contender.dispose();
    stage.dispose();
  });
});
