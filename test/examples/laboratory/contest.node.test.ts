import { fill, memory, tidy } from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type Contender, checkAlive, openContenders } from "../../../examples/laboratory/contest";
import { identityGaps } from "../../../examples/laboratory/identity";
import { methodNames } from "../../../examples/laboratory/methods";
import { openStage, type Stage } from "../../../examples/laboratory/stage";
import { type Contestant, defaultState, type LabState } from "../../../examples/laboratory/state";
import { fieldsOf, samplesOf, termsOf } from "../../../examples/laboratory/views";
import type { Process } from "../../../examples/plane/world";
import { useBackend } from "../../../src/backends";

let tensors: number;
const stages = new Map<Process, Stage>();
const small = { ...defaultState, batch: 32, iterations: 3, pretraining: 40 };

beforeAll(async () => {
  await useBackend("wasm");
  tensors = memory().numTensors;
});
afterAll(() => {
  for (const stage of stages.values()) stage.dispose();
  expect(memory().numTensors, "leaked tensors").toBe(tensors);
});

async function stageOf(state: LabState): Promise<Stage> {
  const stage = stages.get(state.process) ?? (await openStage({ ...state, contestants: [] }));
  stages.set(state.process, stage);
  return stage;
}

/** Opens the contestants, has the body look at them, and frees them. */
async function contest(
  changes: Partial<LabState>,
  body: (contenders: readonly Contender[], stage: Stage) => Promise<void>,
): Promise<void> {
  const state = { ...small, ...changes };
  const stage = await stageOf(state);
  const before = memory().numTensors;
  const contenders = await openContenders(state, stage);
  try {
    await body(contenders, stage);
  } finally {
    for (const contender of contenders) await contender.dispose();
  }
  expect(memory().numTensors, "left by the contest").toBe(before);
}

const train = async (contender: Contender) => {
  while (await contender.advance());
  return contender.metrics;
};

describe.each(["ddpm", "flow"] as const)("on %s every method", (process) => {
  test.each(methodNames)("%s trains beside its twin, to the same numbers, and shows itself", async (method) => {
    await contest({ process, contestants: [{ method }, { method }] }, async (contenders, stage) => {
      const [one, twin] = contenders as [Contender, Contender];
      const before = await samplesOf(one, stage, 20, 1);
      await one.advance();
      const first = await train(twin);
      const { seconds: _, ...figures } = (await train(one)) ?? { seconds: 0 };
      expect(first).toMatchObject(figures);
      expect(await samplesOf(one, stage, 20, 1)).toEqual(await samplesOf(twin, stage, 20, 1));
      // The generator of SiDA waits until its fake score has seen 5,000 samples.
      if (method !== "sida") expect(await samplesOf(one, stage, 20, 1)).not.toEqual(before);
      const t = process === "ddpm" ? 300 : 0.4;
      const fields = await fieldsOf(one, stage, { t, class: 0, across: 3, extent: 2 });
      expect(fields.teacher).toHaveLength(18);
      expect(fields.fake !== undefined).toBe(one.entry.method.fakeScore !== undefined);
      const terms = await termsOf(one, stage, { t, class: 1, count: 2, seed: 1 });
      expect(terms !== undefined).toBe(!["lcm", "tdm"].includes(method));
      if (terms)
        for (const values of [terms.gradient, terms.xt, ...Object.values(terms.answers)])
          expect(values.every(Number.isFinite)).toBe(true);
    });
  });
});

describe("what is shown", () => {
  const contestants: Contestant[] = [{ method: "diff-instruct" }];

  test("in much noise the teacher answers the class's mean, wherever x_t is", async () => {
    await contest({ contestants }, async ([one], stage) => {
      const { xt, teacher, alpha, sigma } = await fieldsOf(one as Contender, stage, {
        t: 990,
        across: 2,
        extent: 1,
        class: 0,
      });
      expect([...xt]).toEqual([-1, -1, 1, -1, -1, 1, 1, 1]);
      const step = Math.hypot(
        (teacher[2] as number) - (teacher[0] as number),
        (teacher[3] as number) - (teacher[1] as number),
      );
      expect(step).toBeLessThan(0.5);
      expect(alpha ** 2 + sigma ** 2).toBeCloseTo(1, 6);
    });
  });

  test("the gradient of Diff-Instruct at a sample is f_ψ − f_φ", async () => {
    await contest({ contestants }, async ([one], stage) => {
      const terms = await termsOf(one as Contender, stage, { t: 300, class: 0, count: 3, seed: 2 });
      const { teacher, fake } = terms?.answers ?? {};
      terms?.gradient.forEach((g, i) => {
        expect(g).toBeCloseTo((fake?.[i] as number) - (teacher?.[i] as number), 4);
      });
      const again = await termsOf(one as Contender, stage, { t: 300, class: 0, count: 3, seed: 2 });
      expect(again).toEqual(terms);
    });
  });

  test("the identity holds for ω = 1 and not for the normaliser that looks at x_g", async () => {
    await contest({ contestants }, async ([one], stage) => {
      const { none, l1 } = await identityGaps(one as Contender, stage, { t: 300, count: 1500, seed: 1 });
      expect(Math.abs(none.value)).toBeLessThan(3 * none.standardError);
      expect(none.standardError).toBeLessThan(0.05);
      expect(Math.abs(l1.value)).toBeGreaterThan(5 * l1.standardError);
    });
  });

  test("the identity holds for a generator of several noises, by no more samples than for one", async () => {
    await contest({ contestants: [{ method: "few-step-sid" }] }, async ([one], stage) => {
      const { average } = (one as Contender).networks;
      const generate = vi.spyOn(average, "generate");
      const { none } = await identityGaps(one as Contender, stage, { t: 300, count: 1500, seed: 1 });
      expect(generate.mock.calls[0]?.[0].map(({ shape }) => shape)).toEqual(Array(average.steps).fill([2401, 2]));
      expect(Math.abs(none.value)).toBeLessThan(3 * none.standardError);
      expect(none.standardError).toBeLessThan(0.05);
    });
  });

  test("the identity wants noise, and says so", async () => {
    await contest({ process: "flow", contestants }, async ([one], stage) => {
      await expect(identityGaps(one as Contender, stage, { t: 0, count: 10, seed: 1 })).rejects.toThrow(
        /at t = 0 there is no noise \(σ = 0\): take a later time/,
      );
    });
  });
});

describe("what is moved", () => {
  const rates = { learningRate: 1e-3, fakeLearningRate: 0 };

  test("a fake score whose rate is 0 stays as it is, until its rate is moved", async () => {
    await contest({ contestants: [{ method: "sid", ...rates }] }, async ([one], stage) => {
      const contender = one as Contender;
      const look = async () => (await fieldsOf(contender, stage, { t: 300, across: 2, extent: 1 })).fake;
      const before = await look();
      await contender.advance();
      expect(await look()).toEqual(before);
      contender.rates.fakeLearningRate = 1e-2;
      await contender.advance();
      expect(await look()).not.toEqual(before);
    });
  });

  test("a trained teacher is the network that all start from", async () => {
    const state = { ...small, teacher: "trained" as const };
    const stage = await openStage(state);
    expect(stage.teacher).toBe(stage.student);
    const [one] = (await openContenders({ ...state, contestants: [{ method: "sid" }] }, stage)) as [Contender];
    const { teacher, fake } = await fieldsOf(one, stage, { t: 300, across: 2, extent: 1 });
    expect(fake).toEqual(teacher);
    await one.dispose();
    stage.dispose();
  });

  test("a run whose samples are no numbers has diverged, though the loss of none of them is 0", async () => {
    await contest({ contestants: [{ method: "diff-instruct" }] }, async ([one]) => {
      const contender = one as Contender;
      await contender.advance();
      checkAlive(contender, small.batch);
      for (const weights of contender.networks.generator.variables)
        tidy(() => weights.assign(fill(weights.shape, Number.NaN)));
      await contender.advance();
      expect(contender.metrics?.generatorLoss).toBe(0);
      expect(() => checkAlive(contender, small.batch)).toThrow(
        /Diff-Instruct has diverged: .* Lower the learning rate/,
      );
    });
  });

  test("more passes are taken in turn", async () => {
    await contest({ contestants: [{ method: "sid", passes: 3 }] }, async ([one]) => {
      expect((one as Contender).networks.generator.times).toEqual([999, 666, 333]);
    });
  });
});

test("progress is told, and a stage that was given up leaves nothing", async () => {
  const before = memory().numTensors;
  const told: number[] = [];
  const given = openStage(small, (done) => {
    told.push(done);
    if (done === 30) throw new Error("given up");
  });
  await expect(given).rejects.toThrow("given up");
  expect(told).toEqual([10, 20, 30]);
  expect(memory().numTensors).toBe(before);
});
