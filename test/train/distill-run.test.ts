import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fill, memory, tensor } from "@tensorflow/tfjs-core";
import { describe, expect, test } from "vitest";
import { generatorFrom, type ScoreModel } from "../../src/models";
import { ddpmSchedule } from "../../src/schedules";
import {
  type ConditionSource,
  type DistillOptions,
  type DistillRun,
  type DistillSummary,
  distill,
} from "../../src/train";
import { numbers } from "../support/matchers";
import { features, tinyNetwork } from "../support/tiny-network";

/** Hands a run that has not begun to `use`, with what its networks' weights are; the networks are freed after. */
async function withRun(
  use: (run: DistillRun, weights: () => number[]) => Promise<void>,
  changes: Partial<DistillOptions> = {},
): Promise<void> {
  const models = ["teacher", "fake", "generator"].map((name, i) => tinyNetwork(`distill-run/${name}`, i + 1));
  const [teacher, fakeScore, model] = models as [ScoreModel, ScoreModel, ScoreModel];
  const live = memory().numTensors;
  try {
    const options = { teacher, fakeScore, generator: generatorFrom(model), sampleShape: [features] };
    const conditions: ConditionSource = {
      sample: (stream, count) => stream.normal([count, features]),
      unconditional: () => tensor([[0.5, -0.5, 0]]),
    };
    const run = distill({
      ...options,
      conditions,
      iterations: 4,
      batch: 2,
      learningRate: 0.01,
      checkTeacher: false,
      ...changes,
    });
    await use(run, () => numbers(model.variables[0] as never));
    expect(memory().numTensors, "tensors left by the run").toBe(live);
  } finally {
    for (const m of models) m.dispose();
  }
}

const refused = { code: "invalid-argument", message: expect.stringMatching(/iterated once/) };

describe("a run of distill", () => {
  test("awaited, it does all iterations and resolves to a summary", async () => {
    const seen: number[] = [];
    await withRun(
      async (run) => {
        const summary = await run;
        const { metrics, seconds, ...rest } = summary;
        expect(rest).toEqual({
          ...{ ended: "iterations", iteration: 4, nimg: 8, resumedFrom: 0, droppedSamples: 0, cleanedElements: 0 },
        });
        expect(metrics).toMatchObject({ iteration: 4, nimg: 8 });
        expect(seconds).toBeGreaterThan(metrics?.seconds ?? Number.NaN);
        expect(seen).toEqual([1, 2, 3, 4]);
      },
      { onIteration: ({ iteration }) => void seen.push(iteration) },
    );
  });

  test("awaited and iterated runs end with the same weights", async () => {
    const ends: number[][] = [];
    await withRun(async (run, weights) => {
      await run;
      ends.push(weights());
    });
    await withRun(async (run, weights) => {
      for await (const { iteration } of run) expect(iteration).toBeLessThan(5);
      ends.push(weights());
    });
    expect(ends[0]).toEqual(ends[1]);
  });

  test("nobody iterates or awaits it: nothing happens", async () => {
    await withRun(async (run, weights) => {
      const before = weights();
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(weights()).toEqual(before);
      expect(Object.prototype.toString.call(run)).toBe("[object DistillRun]");
    });
  });

  test("awaited twice, and after a loop, it gives the same summary and does nothing more", async () => {
    let done = 0;
    const onIteration = () => void done++;
    await withRun(
      async (run) => {
        const [first, second] = [await run, await run];
        expect(second).toBe(first);
      },
      { onIteration },
    );
    await withRun(
      async (run) => {
        const seen: number[] = [];
        for await (const { iteration } of run) seen.push(iteration);
        expect(seen).toEqual([1, 2, 3, 4]);
        expect(await run).toMatchObject({ ended: "iterations", iteration: 4, metrics: { iteration: 4 } });
      },
      { onIteration },
    );
    expect(done).toBe(8);
  });

  test("left with break, everything is freed, and the summary says how far it came", async () => {
    await withRun(async (run) => {
      const live = memory().numTensors;
      for await (const { iteration } of run) if (iteration === 2) break;
      expect(memory().numTensors).toBe(live);
      expect(await run).toMatchObject({ ended: "break", iteration: 2, nimg: 4, metrics: { iteration: 2 } });
    });
  });

  test("awaited inside its own loop, it does the rest, and the loop ends", async () => {
    await withRun(async (run) => {
      const seen: number[] = [];
      for await (const { iteration } of run) {
        seen.push(iteration);
        expect((await run).iteration).toBe(4);
      }
      expect(seen).toEqual([1]);
    });
  });

  test("a second loop is refused, as is a loop over a run that is awaited", async () => {
    await withRun(async (run) => {
      const loop = async () => {
        for await (const _ of run);
      };
      await loop();
      await expect(loop()).rejects.toMatchObject(refused);
      expect((await run).ended).toBe("iterations");
    });
    await withRun(async (run) => {
      const whole = run.then(({ iteration }) => iteration);
      expect(() => run[Symbol.asyncIterator]()).toThrow(/awaited before/);
      expect(await whole).toBe(4);
    });
  });

  test("stopped by the signal, it says so", async () => {
    const stop = new AbortController();
    await withRun(async (run) => expect(await run).toMatchObject({ ended: "signal", iteration: 3 }), {
      signal: stop.signal,
      onIteration: ({ iteration }) => void (iteration === 3 && stop.abort()),
    });
  });

  test("resumed, it says from where", async () => {
    const folder = await mkdtemp(join(tmpdir(), "sid-distill-run-"));
    const checkpoint = { path: join(folder, "run.safetensors"), resume: "if-present" as const };
    const ends: DistillSummary[] = [];
    for (const iterations of [2, 5])
      await withRun(async (run) => void ends.push(await run), { checkpoint, iterations });
    await rm(folder, { recursive: true });
    expect(ends).toMatchObject([
      { iteration: 2, resumedFrom: 0 },
      { ended: "iterations", iteration: 5, nimg: 10, resumedFrom: 2 },
    ]);
  });

  test("a stop in the last iteration comes too late to matter", async () => {
    const stop = new AbortController();
    await withRun(async (run) => expect(await run).toMatchObject({ ended: "iterations", iteration: 4 }), {
      signal: stop.signal,
      onIteration: ({ iteration }) => void (iteration === 4 && stop.abort()),
    });
  });

  test("with nothing to do there are no figures", async () => {
    await withRun(
      async (run) => expect(await run).toMatchObject({ ended: "iterations", iteration: 0, metrics: undefined }),
      { iterations: 0 },
    );
  });

  test("an error is the same each time, awaited or iterated, and frees everything", async () => {
    const powerCut = new Error("power cut");
    const failing: Partial<DistillOptions> = {
      onIteration: ({ iteration }) => {
        if (iteration === 2) throw powerCut;
      },
    };
    await withRun(async (run) => {
      await expect(run).rejects.toBe(powerCut);
      await expect(run).rejects.toBe(powerCut);
      let ended = false;
      await run.catch((error) => expect(error).toBe(powerCut)).finally(() => (ended = true));
      expect(ended).toBe(true);
    }, failing);
    await withRun(async (run) => {
      const loop = async () => {
        for await (const _ of run);
      };
      await expect(loop()).rejects.toBe(powerCut);
      await expect(run).rejects.toBe(powerCut);
      expect(await run.finally(() => {}).catch(() => "caught")).toBe("caught");
    }, failing);
  });

  test("counts over the whole run what left the batch, and warns once where nothing was left", async () => {
    const warnings: string[] = [];
    await withRun(async (run) => expect((await run).droppedSamples).toBe(4), {
      iterations: 2,
      batch: 2,
      onWarning: (warning) => void warnings.push(warning),
      teacher: notFinite,
    });
    expect(warnings).toEqual([expect.stringMatching(/at iteration 1 2 samples.*diverged/)]);
  });
});

/** A teacher that knows no answer. */
const notFinite: ScoreModel = {
  name: "unknowing",
  predicts: "eps",
  schedule: ddpmSchedule(),
  variables: [],
  predict: (xt) => fill(xt.shape, Number.NaN),
  dispose() {},
};
