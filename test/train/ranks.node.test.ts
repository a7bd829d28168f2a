/** One run on any number of ranks, each a thread. */
import { cp, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fc, test } from "@fast-check/vitest";
import { afterAll, beforeAll, describe, expect } from "vitest";
import * as methods from "../../src/methods";
import { relativeError } from "../support/matchers";
import { methodsByName, type Outcome, type Spec } from "../support/ranks/program";
import { type Ranks, startRanks } from "../support/ranks/world";

let ranks: Ranks;
let folder = "";
beforeAll(async () => {
  ranks = await startRanks(4);
  folder = await mkdtemp(join(tmpdir(), "sid-ranks-"));
});
afterAll(async () => {
  await ranks.close();
  await rm(folder, { recursive: true, force: true });
});

const names = Object.keys(methodsByName) as Spec["method"][];

/** Methods that take more from a batch, or keep more, than gradients: here every number of ranks is tried. */
const withState: readonly Spec["method"][] = ["dmd2WithDiscriminator", "fDistill", "sida", "sidLsg", "tdm", "lcm"];

const runs = new Map<string, Promise<Outcome[]>>();

/** What `ranks.run` gives, once for each run: a run is the same whenever it is made. Not for those that write files. */
function once(size: number, spec: Spec): Promise<Outcome[]> {
  const key = JSON.stringify([size, { ...spec, options: spec.options ?? {} }]);
  const known = runs.get(key) ?? ranks.run(size, spec);
  runs.set(key, known);
  return known;
}

/** The run without other ranks. */
async function alone(spec: Spec): Promise<Outcome> {
  const [outcome] = await once(1, { ...spec, alone: true });
  expect(outcome?.error).toBeUndefined();
  return outcome as Outcome;
}

function expectSame(a: Outcome, b: Outcome): void {
  expect(a.error).toBeUndefined();
  expect(a.metrics).toEqual(b.metrics);
  expect(a.weights).toEqual(b.weights);
  expect(a.gradients).toEqual(b.gradients);
}

/** Every figure within 1e-5, as are the weights and the first gradients of each network. */
function expectClose(a: Outcome, b: Outcome, tolerance = 1e-5): void {
  expect(a.metrics.length).toBe(b.metrics.length);
  const figures = ({ metrics }: Outcome) =>
    metrics.map(({ divergence, ...rest }) => [
      ...Object.values(rest),
      ...(divergence ? [divergence.samples, divergence.naive.value, divergence.lowerBound.value] : []),
    ]);
  for (const [i, row] of figures(a).entries())
    for (const [j, value] of row.entries()) {
      const other = figures(b)[i]?.[j] as number;
      expect(Math.abs(value - other) <= tolerance * Math.max(1, Math.abs(other)), `${value} beside ${other}`).toBe(
        true,
      );
    }
  for (const what of ["weights", "gradients"] as const)
    for (const [name, values] of Object.entries(a[what]))
      expect(relativeError(values, b[what][name] as Float32Array), `${what}: ${name}`).toBeLessThanOrEqual(tolerance);
}

/** The ranks are one another's equal, and leave nothing behind. */
function expectEqualRanks(outcomes: readonly Outcome[]): void {
  for (const outcome of outcomes) {
    expectSame(outcome, outcomes[0] as Outcome);
    expect(outcome.leaked).toBe(0);
  }
}

test("no method of the library is missing", () => {
  const made = names.map((name) => methodsByName[name]().name);
  const { bySchedule, cotangentsOf, withReward, ...all } = methods;
  expect(Object.keys(all).filter((name) => !made.includes(name))).toEqual([]);
});

/** All that Adam can be told. */
const moving = { beta1: 0.5, weightDecay: 0.1, clipNorm: 0.05, clipValue: 0.5 };

describe("N ranks × B/N samples are one rank × B", () => {
  test("a world of one rank is the run without a reducer, bit for bit", async () => {
    const spec: Spec = { method: "sidLsg" };
    expectSame((await ranks.run(1, spec))[0] as Outcome, await alone(spec));
  });

  test.each(names)("%s", async (method) => {
    const spec: Spec = { method };
    const whole = await alone(spec);
    for (const size of withState.includes(method) ? [2, 3, 4] : [3]) {
      const outcomes = await once(size, spec);
      expectEqualRanks(outcomes);
      expectClose(outcomes[0] as Outcome, whole);
    }
  });

  test.prop(
    {
      size: fc.integer({ min: 1, max: 4 }),
      perRank: fc.integer({ min: 1, max: 4 }),
      rounds: fc.integer({ min: 1, max: 3 }),
      steps: fc.integer({ min: 1, max: 3 }),
      method: fc.constantFrom(...withState),
      conditions: fc.constantFrom<NonNullable<Spec["conditions"]>[]>("prompts", "whole"),
      seed: fc.nat(1000),
    },
    { numRuns: 12 },
  )("of any size, in any rounds, with any number of passes", async ({ size, perRank, rounds, ...rest }) => {
    const { seed, ...spec } = rest;
    const options = { batch: size * perRank * rounds, accumulationRounds: rounds, iterations: 3, seed };
    const outcomes = await ranks.run(size, { ...spec, options });
    expectEqualRanks(outcomes);
    expectClose(outcomes[0] as Outcome, await alone({ ...spec, options }));
  });

  test("with low-rank adapters on a U-Net", async () => {
    const spec: Spec = { method: "sidLsg", lora: true, options: { batch: 6, iterations: 2, adam: {} } };
    const whole = await alone(spec);
    for (const size of [2, 3]) {
      const outcomes = await once(size, spec);
      expectEqualRanks(outcomes);
      expectClose(outcomes[0] as Outcome, whole);
    }
  });

  test("all ranks hold the same bits after 200 iterations", async () => {
    const options = { iterations: 200, batch: 3, checkRanks: 50 };
    const outcomes = await ranks.run(3, { method: "sidLsg", steps: 1, options });
    expectEqualRanks(outcomes);
    expect(outcomes[0]?.metrics.length).toBe(200);
  });

  test("samples that are not finite on one rank are dropped and counted by all", async () => {
    for (const row of [0, 7]) {
      const spec: Spec = { method: "sidLsg", spoil: { row, draws: [3, 4, 6] } };
      const whole = await alone(spec);
      expect(whole.metrics.map((m) => m.droppedSamples).reduce((a, b) => a + b)).toBeGreaterThan(0);
      const outcomes = await ranks.run(3, spec);
      expectEqualRanks(outcomes);
      expectClose(outcomes[2] as Outcome, whole);
    }
  });

  test("a rank encodes its own prompts only, and tells its seconds in exchange", async () => {
    const spec: Spec = { method: "sidLsg", conditions: "prompts" };
    const [first, second] = await ranks.run(2, spec);
    const whole = await alone(spec);
    // Not the empty one, nor those of the trial step.
    const trial = (await ranks.run(1, { ...spec, options: { iterations: 0 } }))[0]?.encoded as number;
    expect(whole.encoded - trial).toBe(4 * 2 * 12);
    for (const one of [first, second]) expect((one?.encoded as number) - trial).toBe(4 * 2 * 6);
    expect(first?.communicationSeconds.every((s) => s > 0)).toBe(true);
    expect(whole.communicationSeconds).toEqual([0, 0, 0, 0]);
  });

  test("one exchange per update and one for the figures", async () => {
    const calls = async (iterations: number) =>
      (await ranks.run(2, { method: "sidLsg", options: { iterations, checkRanks: 1000 } }))[0]?.calls as number;
    expect((await calls(9)) - (await calls(4))).toBe(5 * 3);
  });
});

describe("moments in parts", () => {
  const inParts = (spec: Spec): Spec => ({ ...spec, options: { ...spec.options, shardOptimizer: true } });

  test.each<[Spec["method"], NonNullable<Spec["options"]>]>([
    ["sidLsg", {}],
    ["sidLsg", { adam: moving, accumulationRounds: 2, batch: 24 }],
    ["sid", { adam: { clipNorm: 0.05 }, backward: "joint" }],
    ["dmd2WithDiscriminator", { adam: moving }],
    ["sida", {}],
    ["fDistill", { adam: { beta1: 0.5 } }],
    ["lcm", { adam: { clipNorm: 0.05 } }],
  ])("%s with %j: the same bits as whole, on any number of ranks", async (method, options) => {
    const spec: Spec = { method, options };
    for (const size of options.accumulationRounds ? [1, 2, 3, 4] : [2, 3]) {
      const [whole] = await once(size, spec);
      for (const one of await ranks.run(size, inParts(spec))) {
        expectSame(one, whole as Outcome);
        expect(one.leaked).toBe(0);
      }
    }
  });

  test("adapters on a U-Net: the same bits, and the memory of the others' moments is free", async () => {
    for (const [size, adam, moments] of [
      [2, {}, 1],
      [3, moving, 2],
    ] as const) {
      const spec: Spec = { method: "sidLsg", lora: true, options: { batch: 6, iterations: 2, adam } };
      const whole = await once(size, spec);
      const parts = await ranks.run(size, inParts(spec));
      const saved = parts.map((one, rank) => {
        expectSame(one, whole[0] as Outcome);
        expect(one.leaked).toBe(0);
        return (whole[rank]?.bytes as number) - one.bytes;
      });
      const { fakeScore, generator } = (whole[0] as Outcome).weights as Record<string, Float32Array>;
      const all = 4 * moments * ((fakeScore?.length as number) + (generator?.length as number));
      // What the ranks save together is all but one copy.
      expect(saved.reduce((a, b) => a + b)).toBe((size - 1) * all);
      for (const one of saved) expect(one / all).toBeCloseTo(1 - 1 / size, 1);
    }
  });

  test("one more exchange per update", async () => {
    const calls = async (iterations: number) =>
      (await ranks.run(2, inParts({ method: "sidLsg", options: { iterations, checkRanks: 1000 } })))[0]
        ?.calls as number;
    expect((await calls(9)) - (await calls(4))).toBe(5 * (3 + 2));
  });

  test("a checkpoint is the same file, and goes on in parts and whole, on any number of ranks", async () => {
    const spec: Spec = { method: "dmd2WithDiscriminator", options: { iterations: 6, adam: moving } };
    const whole = await alone(spec);
    const saves = (name: string, shardOptimizer: boolean, iterations: number): Spec => {
      const checkpoint = { path: join(folder, `${name}.safetensors`), every: 3, resume: "if-present" as const };
      return { ...spec, options: { ...spec.options, shardOptimizer, iterations, checkpoint } };
    };
    const bytes = (name: string) => readFile(join(folder, `${name}.safetensors`));
    for (const size of [2, 4]) {
      await ranks.run(size, saves(`whole-${size}`, false, 3));
      for (const one of await ranks.run(size, saves(`parts-${size}`, true, 3))) expect(one.error).toBeUndefined();
      expect((await bytes(`parts-${size}`)).equals(await bytes(`whole-${size}`))).toBe(true);
    }
    const [unbroken] = await ranks.run(2, spec);
    for (const [size, shardOptimizer] of [
      [1, false],
      [2, true],
      [2, false],
      [3, true],
      [4, false],
    ] as const) {
      const name = `on-${size}-${shardOptimizer}`;
      await cp(join(folder, "parts-2.safetensors"), join(folder, `${name}.safetensors`));
      const rest = await ranks.run(size, saves(name, shardOptimizer, 6));
      expectEqualRanks(rest);
      const { metrics, weights } = rest[0] as Outcome;
      expect(metrics.length).toBe(3);
      if (size === 2) expect(weights).toEqual(unbroken?.weights);
      expectClose({ ...whole, weights, metrics: [...whole.metrics.slice(0, 3), ...metrics] }, whole);
    }
  });
});

describe("what must not be", () => {
  test.each<[string, RegExp, NonNullable<Spec["other"]>]>([
    [
      "learning rate",
      /rank 1 differs from rank 0 in fakeScoreAdam\.learningRate: there 0\.002, at rank 0 0\.001/,
      { rank: 1, options: { learningRate: 2e-3 } },
    ],
    ["seed", /rank 2 differs from rank 0 in seed: there 6, at rank 0 5/, { rank: 2, options: { seed: 6 } }],
    ["batch", /rank 1 differs from rank 0 in batch: there 24/, { rank: 1, options: { batch: 24 } }],
    [
      "length",
      /rank 2 differs from rank 0 in iterations: there 5, at rank 0 4/,
      { rank: 2, options: { iterations: 5 } },
    ],
    [
      "backend",
      /rank 1 differs from rank 0 in backend: there cpu, at rank 0 wasm/,
      { rank: 1, options: {}, backend: "cpu" },
    ],
    [
      "place for the moments",
      /rank 1 differs from rank 0 in shardOptimizer: there true, at rank 0 false/,
      { rank: 1, options: { shardOptimizer: true } },
    ],
    [
      "prompts",
      /rank 1 differs from rank 0 in conditions\.name: there 1 prompts/,
      { rank: 1, options: {}, prompts: ["caption 3"] },
    ],
    [
      "checkpoint",
      /rank 1 differs from rank 0 in checkpoint\.resume: there if-present, at rank 0 false/,
      { rank: 1, options: { checkpoint: { path: "unused", resume: "if-present" } } },
    ],
  ])("another %s on one rank is refused on all, by name", async (_, message, other) => {
    const outcomes = await ranks.run(3, { method: "sidLsg", conditions: "prompts", other });
    for (const { error, warnings, leaked } of outcomes) {
      expect(error?.code).toBe("rank-mismatch");
      expect(error?.message).toMatch(message);
      expect(warnings).toEqual([]);
      expect(leaked).toBe(0);
    }
  });

  test("a rank that does not see the checkpoint's folder is told so where a run may go on, and else need not", async () => {
    const path = join(folder, "seen.safetensors");
    const saves = (resume: boolean | "if-present"): Spec => {
      const checkpoint = { path, every: 2, resume };
      const unseen = { ...checkpoint, path: join(folder, "on-another-disk", "seen.safetensors") };
      return { method: "sidLsg", options: { checkpoint }, other: { rank: 1, options: { checkpoint: unseen } } };
    };
    for (const { error } of await ranks.run(2, saves(false))) expect(error).toBeUndefined();
    for (const resume of [true, "if-present"] as const)
      for (const { error } of await ranks.run(2, saves(resume)))
        expect(error).toEqual({
          code: "rank-mismatch",
          message: expect.stringMatching(
            /rank 1 differs from rank 0 in what is found of the checkpoint, whose folder all ranks must see: there nothing, at rank 0 the checkpoint, the checkpoint\.1\.$/,
          ),
        });
  });

  test("a batch that does not divide", async () => {
    const [one] = await ranks.run(2, { method: "sidLsg", options: { batch: 6, accumulationRounds: 2 } });
    expect(one?.error).toEqual({
      code: "invalid-argument",
      message: "distill: batch 6, in 2 rounds of 3 (accumulationRounds), does not divide among 2 ranks.",
    });
  });

  test("a weight that changes on one rank is found, with rank and tensor", async () => {
    const spec: Spec = {
      method: "sidLsg",
      drift: { rank: 2, iteration: 3 },
      options: { iterations: 9, checkRanks: 2 },
    };
    for (const { error, metrics } of await ranks.run(3, spec)) {
      expect(metrics.length).toBe(3);
      expect(error?.code).toBe("rank-mismatch");
      expect(error?.message).toMatch(
        /after iteration 4 rank 2 does not hold what rank 0 holds: the weight "method-contract\/generator\/\S+" of generator differs/,
      );
    }
  });

  test.each(["aborted", "rank-mismatch"] as const)(
    "one of the code %s too, where one rank alone has it",
    async (code) => {
      const outcomes = await ranks.run(2, { method: "sidLsg", fail: { rank: 1, iteration: 1, code } });
      expect(outcomes[1]?.warnings.join()).toMatch(/rank 1 of 2 ends the run on all ranks, .*the disk is full/);
      expect(outcomes.map((outcome) => outcome.error?.code)).toEqual(["rank-lost", code]);
    },
  );

  test("weights that have parted are not saved", async () => {
    const path = join(folder, "parted.safetensors");
    const options = { iterations: 6, checkRanks: 100, checkpoint: { path, every: 2 } };
    const outcomes = await ranks.run(2, { method: "sidLsg", drift: { rank: 1, iteration: 3 }, options });
    for (const { error } of outcomes) {
      expect(error?.code).toBe("rank-mismatch");
      expect(error?.message).toMatch(/after iteration 4 rank 1 does not hold what rank 0 holds/);
    }
    const [saved] = await ranks.run(1, {
      method: "sidLsg",
      options: { iterations: 3, checkpoint: { path, resume: true } },
    });
    expect(saved?.metrics.map(({ iteration }) => iteration)).toEqual([3]);
  });

  test("an error on one rank ends all, told there with rank, iteration and checkpoint", async () => {
    const path = join(folder, "fails.safetensors");
    const options = { iterations: 9, checkpoint: { path, every: 2 } };
    const outcomes = await ranks.run(3, { method: "sidLsg", fail: { rank: 1, iteration: 5 }, options });
    const where = `The last checkpoint is of iteration 4: ${JSON.stringify(path)}.`;
    expect(outcomes[1]?.warnings).toEqual([
      `distill: rank 1 of 3 ends the run on all ranks, after iteration 5: the disk is full. ${where}`,
      expect.stringMatching(/^Error: the disk is full\n +at .*onIteration/),
    ]);
    expect(outcomes[1]?.error?.message).toBe("Error: the disk is full");
    for (const i of [0, 2])
      expect(outcomes[i]?.error).toEqual({
        code: "rank-lost",
        message: `distill: rank ${i} of 3 ends the run on all ranks, after iteration 5: shared memory: rank 1 ended the run. ${where}`,
      });
  });

  test("a signal on one rank saves once and ends all, and any number of ranks goes on", async () => {
    const spec: Spec = { method: "fDistill", options: { iterations: 8 } };
    const whole = await alone(spec);
    const pathOf = (name: string | number) => join(folder, `stops-${name}.safetensors`);
    const saves = (name: string | number) => ({
      ...spec.options,
      checkpoint: { path: pathOf(name), resume: "if-present" as const },
    });
    const stop = { rank: 1, iteration: 3 };
    const first = await ranks.run(2, { ...spec, stop, options: saves("first") });
    for (const { ended, metrics, error } of first)
      expect([ended, metrics.length, error]).toEqual(["signal", 4, undefined]);
    expect(first.map(({ snapshots }) => snapshots)).toEqual([2, 0]);
    expect((await readdir(folder)).filter((name) => name.startsWith("stops"))).toEqual(["stops-first.safetensors"]);
    for (const size of [1, 2, 3, 4]) {
      await cp(pathOf("first"), pathOf(size));
      const rest = await ranks.run(size, { ...spec, options: saves(size) });
      expectEqualRanks(rest);
      const { metrics, weights } = rest[0] as Outcome;
      expectClose({ ...whole, weights, metrics: [...(first[0] as Outcome).metrics, ...metrics] }, whole);
      const files = (await readdir(folder)).filter((name) => name.startsWith(`stops-${size}`));
      expect(files.sort()).toEqual([`stops-${size}.safetensors`, `stops-${size}.safetensors.1`]);
    }
  });

  test("a signal before the first iteration ends all with nothing saved", async () => {
    const outcomes = await ranks.run(2, { method: "sid", stop: { rank: 1, iteration: 0 } });
    for (const { error } of outcomes) expect(error?.code).toBe("aborted");
  });
});
