import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fc, test } from "@fast-check/vitest";
import { cast, memory, mul, type Tensor, tensor } from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, describe, expect, vi } from "vitest";
import { type HostTensor, type RandomStream, SidError } from "../../src/core";
import { lsg, shortGuidance } from "../../src/guidance";
import { decodeSafetensors, encodeSafetensors } from "../../src/io";
import { type SidOptions, sidLsg } from "../../src/methods";
import { generatorFrom, type ScoreModel } from "../../src/models";
import { uniformTimesteps } from "../../src/schedules";
import { type ConditionSource, type DistillMetrics, type DistillOptions, distill } from "../../src/train";
import { checksum } from "../../src/train/checksum";
import { numbers } from "../support/matchers";
import { features, tinyNetwork } from "../support/tiny-network";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sid-distill-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const conditions: ConditionSource = {
  name: "noise",
  sample: (stream: RandomStream, count: number) => stream.normal([count, features]),
  unconditional: () => tensor([[0.5, -0.5, 0]]),
};

interface Outcome {
  readonly metrics: Omit<DistillMetrics, "seconds">[];
  readonly weights: number[][];
  readonly error: string;
}

/** The method of these runs, with changes. */
const method = (changes: SidOptions = {}) =>
  sidLsg({ guidance: lsg(1.5), timesteps: uniformTimesteps({ min: 100, max: 900 }), ...changes });

/** One run from the same start; the networks are made and freed here. */
async function run(
  changes: Partial<DistillOptions> = {},
  each: (metrics: DistillMetrics) => boolean | undefined = () => undefined,
  seed = 1,
  tInit = 625,
): Promise<Outcome> {
  const [teacher, fakeScore, model, average] = ["teacher", "fake", "generator", "ema"].map((name) =>
    tinyNetwork(`train-distill/${name}`, seed + (name === "fake" ? 1 : 0)),
  ) as [ScoreModel, ScoreModel, ScoreModel, ScoreModel];
  const metrics: Outcome["metrics"] = [];
  const live = memory().numTensors;
  let error = "";
  try {
    const options: DistillOptions = {
      teacher,
      fakeScore,
      generator: generatorFrom(model, { steps: 2, tInit }),
      ema: { target: generatorFrom(average, { steps: 2 }), halfLife: 100, rampUp: 0.5 },
      sampleShape: [features],
      conditions,
      method: method(),
      iterations: 5,
      batch: 4,
      accumulationRounds: 2,
      learningRate: 0.01,
      checkTeacher: false,
      ...changes,
    };
    for await (const { seconds, ...rest } of distill(options)) {
      expect(seconds).toBeGreaterThan(0);
      metrics.push(rest);
      if (each({ ...rest, seconds }) === false) break;
    }
  } catch (thrown) {
    error = thrown instanceof SidError ? `${thrown.code}: ${thrown.message}` : String(thrown);
  }
  expect(memory().numTensors, "tensors left by the run").toBe(live);
  const all = [teacher, fakeScore, model, average];
  const weights = all.map((m) => m.variables.flatMap((v) => numbers(v)));
  for (const m of all) m.dispose();
  return { metrics, weights, error };
}

const path = (name: string) => join(folder, `${name}-${process.env["SID_TEST_BACKEND"]}.safetensors`);

describe("distill", () => {
  test("yields finite figures, trains three networks and leaves the teacher alone", async () => {
    const none = await run({ iterations: 0 });
    const { metrics, weights, error } = await run();
    expect(error).toBe("");
    expect(metrics.map((m) => [m.iteration, m.nimg])).toEqual([1, 2, 3, 4, 5].map((i) => [i, 4 * i]));
    for (const { divergence, ...m } of metrics) {
      for (const value of Object.values(m)) expect(Number.isFinite(value)).toBe(true);
      expect(divergence === undefined).toBe(m.iteration === 1); // four samples say nothing yet
      if (divergence === undefined) continue;
      const { lowerBound, naive, lag, levels } = divergence;
      for (const of of [lowerBound, naive, lag])
        for (const value of Object.values(of)) expect(Number.isFinite(value)).toBe(true);
      expect(levels.reduce((sum, level) => sum + level.naive.value, 0)).toBeCloseTo(naive.value, 6);
    }
    expect(metrics.map((m) => m.emaBeta)).toEqual([0, 4, 8, 12, 16].map((n) => (n ? 0.5 ** (4 / (n * 0.5)) : 0)));
    expect(weights[0]).toEqual(none.weights[0]);
    for (const i of [1, 2, 3]) expect(weights[i]).not.toEqual(none.weights[i]);
    expect(weights[3]).not.toEqual(weights[2]);
  });

  test.prop({ after: fc.integer({ min: 1, max: 4 }), how: fc.constantFrom("break", "abort", "throw") }, { numRuns: 4 })(
    "interrupted and resumed = uninterrupted, bit for bit",
    async ({ after, how }) => {
      const whole = await run();
      const checkpoint = { path: path("resume"), every: 1 };
      const abort = new AbortController();
      const first = await run(
        {
          checkpoint,
          signal: abort.signal,
          onGradients: ({ iteration, network }) => {
            if (how === "throw" && iteration === after + 1 && network === "generator") throw new Error("power cut");
            return undefined;
          },
        },
        ({ iteration }) => {
          if (iteration === after && how === "abort") abort.abort();
          return iteration !== after || how !== "break";
        },
      );
      expect(first.metrics.length).toBe(after);
      expect(first.error).toBe(how === "throw" ? "Error: power cut" : "");
      const second = await run({ checkpoint: { ...checkpoint, resume: true } });
      expect(second.error).toBe("");
      expect([...first.metrics, ...second.metrics]).toEqual(whole.metrics);
      expect(second.weights).toEqual(whole.weights);
    },
  );

  test("an abort during an iteration finishes it, saves and ends", async () => {
    const abort = new AbortController();
    const checkpoint = { path: path("abort") };
    const onGradients: DistillOptions["onGradients"] = ({ iteration, network }) => {
      if (iteration === 2 && network === "fakeScore") abort.abort();
      return undefined;
    };
    const shots: number[] = [];
    const snapshots = { every: 5, run: ({ iteration }: { iteration: number }) => void shots.push(iteration) };
    const { metrics, error } = await run({ checkpoint, snapshots, signal: abort.signal, onGradients });
    expect(error).toBe("");
    expect(metrics.length).toBe(2);
    expect(shots).toEqual([2]);
    const second = await run({ checkpoint: { ...checkpoint, resume: "if-present" } });
    expect(second.metrics.map((m) => m.iteration)).toEqual([3, 4, 5]);
    expect((await run({ signal: abort.signal })).error).toMatch(/^aborted/);
  });

  test("each of several moments of Adam is resumed", async () => {
    const checkpoint = { path: path("moments"), every: 1 };
    const whole = await run({ adam: { beta1: 0.9 } });
    await run({ adam: { beta1: 0.9 }, checkpoint, iterations: 2 });
    const rest = await run({ adam: { beta1: 0.9 }, checkpoint: { ...checkpoint, resume: true } });
    expect(rest.weights).toEqual(whole.weights);
  });

  test("an abort before the first iteration says that nothing was saved; on a resumed run nothing changes", async () => {
    const checkpoint = { path: path("early"), resume: "if-present" as const };
    /** Aborts while the networks are tried, after the call. */
    const early = () => {
      const abort = new AbortController();
      const unconditional = () => {
        abort.abort();
        return conditions.unconditional();
      };
      return run({ checkpoint, signal: abort.signal, conditions: { ...conditions, unconditional } });
    };
    expect((await early()).error).toMatch(/^aborted.*nothing was saved/);
    await expect(readFile(checkpoint.path)).rejects.toThrow(/ENOENT/);
    await run({ checkpoint, iterations: 2 });
    const before = await readFile(checkpoint.path);
    const { error, metrics } = await early();
    expect([error, metrics]).toEqual(["", []]);
    expect(await readFile(checkpoint.path)).toEqual(before);
  });

  test("what a run left that was killed while it wrote is removed, and nothing else", async () => {
    const checkpoint = { path: path("killed") };
    const stale = `${checkpoint.path}.${crypto.randomUUID()}.tmp`;
    const others = [`${checkpoint.path}.tmp`, `${checkpoint.path}.other.tmp`, `x${crypto.randomUUID()}.tmp`];
    for (const file of [stale, ...others.slice(0, 2), join(folder, others[2] as string)]) await writeFile(file, "");
    await run({ checkpoint, iterations: 1 });
    await expect(readFile(stale)).rejects.toThrow(/ENOENT/);
    for (const file of [...others.slice(0, 2), join(folder, others[2] as string)])
      expect((await readFile(file)).length).toBe(0);
  });

  test("tells of doubtful guidance, once and at the call, on the console unless told otherwise", async () => {
    const warnings: string[] = [];
    const onWarning = (warning: string) => void warnings.push(warning);
    await run({ method: method({ guidance: lsg(2) }), iterations: 1, onWarning });
    expect(warnings).toEqual([]);
    await run({ method: method({ guidance: shortGuidance(0.5) }), iterations: 2, onWarning });
    expect(warnings).toEqual([expect.stringMatching(/^distill: kappa1 = 1 differs from kappa2 = 0.5/)]);
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    await run({ method: method({ guidance: shortGuidance(0.5) }), iterations: 1 });
    expect(warn.mock.calls).toEqual([warnings]);
    warn.mockRestore();
  });

  test("onIteration sees the figures even of an iteration whose checkpoint fails", async () => {
    const seen: number[] = [];
    const place = join(folder, "removed");
    await mkdir(place);
    const { error, metrics } = await run({
      checkpoint: { path: join(place, "run.safetensors"), every: 2 },
      onIteration: async ({ iteration }) => {
        seen.push(iteration);
        if (iteration === 2) await rm(place, { recursive: true });
      },
    });
    expect(error).toMatch(/^io/);
    expect(seen).toEqual([1, 2]);
    expect(metrics.map((m) => m.iteration)).toEqual([1]);
  });

  test("gradients of another dtype are refused", async () => {
    const { error } = await run({ onGradients: ({ gradients }) => gradients.map((g) => cast(g, "int32")) });
    expect(error).toMatch(/^shape-mismatch: Adam.step: .*must be float32/);
  });

  test("hooks: gradients may be replaced, snapshots come when due", async () => {
    const seen: string[] = [];
    const plain = await run({ iterations: 3 });
    const { metrics } = await run({
      iterations: 3,
      onGradients: async ({ network, iteration, gradients }) => {
        seen.push(`${network} ${iteration}`);
        await Promise.resolve();
        return network === "fakeScore" ? gradients.map((g) => mul(g, 2)) : undefined;
      },
      snapshots: {
        every: 2,
        run: async ({ generator, iteration, nimg }) => {
          seen.push(`snapshot ${generator.name} ${iteration} ${nimg}`);
        },
      },
    });
    const steps = [1, 2, 3].map((i) => [`fakeScore ${i}`, `generator ${i}`]);
    const shot = (i: number) => `snapshot train-distill/ema ${i} ${4 * i}`;
    expect(seen).toEqual([...(steps[0] ?? []), ...(steps[1] ?? []), shot(2), ...(steps[2] ?? []), shot(3)]);
    const ratio = (metrics[0]?.fakeGradientNorm ?? 0) / (plain.metrics[0]?.fakeGradientNorm ?? 1);
    expect(ratio).toBeCloseTo(2, 4);
  });

  test("the empty prompt is encoded once per run, the others once per batch", async () => {
    const encoded: number[] = [];
    const counting: ConditionSource = {
      sample: (stream, count) => {
        encoded.push(count);
        return conditions.sample(stream, count);
      },
      unconditional: () => {
        encoded.push(0);
        return conditions.unconditional();
      },
    };
    await run({ conditions: counting, iterations: 2 });
    // The empty prompt, the preflight's own batch, then two rounds of two steps in two iterations.
    const [empty, , ...rest] = encoded;
    expect(empty).toBe(0);
    expect(rest).toEqual(Array<number>(8).fill(2));
  });

  test("context dropout comes before the images, in the fake-score step only, and only under guidance", async () => {
    /** Rows with the empty condition in the last calls: images and score of the fake step, images, score of the generator's. */
    const emptyRows = async (kappa: number, kappa2 = kappa) => {
      const calls: string[] = [];
      const count = (who: string, cond?: Tensor) => {
        const rows = numbers(cond as Tensor);
        calls.push(`${who} ${rows.filter((_, i) => i % 3 === 0 && rows[i] === 0.5 && rows[i + 1] === -0.5).length}`);
      };
      const fake = tinyNetwork("train-distill/spied-fake", 9);
      const model = tinyNetwork("train-distill/spied-generator", 10);
      const plain = generatorFrom(model);
      const { error } = await run({
        method: method({ contextDropout: 1, guidance: { ...lsg(kappa), kappa2 } }),
        onWarning: () => {},
        iterations: 1,
        accumulationRounds: 1,
        ema: undefined as never,
        backward: "joint",
        fakeScore: {
          ...fake,
          predict(xt, t, cond) {
            count("score", cond);
            return fake.predict(xt, t, cond);
          },
        },
        generator: {
          ...plain,
          generate(noises, cond) {
            count("images", cond);
            return plain.generate(noises, cond);
          },
        },
      });
      expect(error).toBe("");
      fake.dispose();
      model.dispose();
      return calls.slice(-4);
    };
    expect(await emptyRows(1.5)).toEqual(["images 4", "score 8", "images 0", "score 4"]);
    expect(await emptyRows(1)).toEqual(["images 0", "score 0", "images 0", "score 0"]);
    // κ2 alone is reason enough to drop contexts.
    expect(await emptyRows(1, 2)).toEqual(["images 4", "score 4", "images 0", "score 4"]);
  });

  test("a checkpoint of another run is refused, by name, before anything changes", async () => {
    const checkpoint = { path: path("other"), resume: false };
    const start = await run({ iterations: 0 });
    await run({ checkpoint, iterations: 2 });
    const resume = { ...checkpoint, resume: true };
    const cases: [Partial<DistillOptions>, string, (number | undefined)?, number?][] = [
      [{ method: method({ alpha: 1.2 }) }, "method.alpha (checkpoint 1, this run 1.2)"],
      [{ method: method({ guidance: lsg(2) }) }, "method.guidance.kappa1 (checkpoint 1.5, this run 2)"],
      [{ method: { ...method(), name: "other" } }, "method.name"],
      [{ learningRate: 0.02 }, "generatorAdam.learningRate (checkpoint 0.01, this run 0.02)"],
      [
        { learningRate: (step: number) => 0.01 / (step + 1) },
        "generatorAdam.learningRate (checkpoint 0.01, this run a s",
      ],
      [{ batch: 8 }, "batch"],
      [{ seed: 3 }, "seed"],
      [{ method: method({ timesteps: uniformTimesteps() }) }, "timesteps"],
      [{ conditions: { ...conditions, name: "other" } }, "conditions.name (checkpoint noise, this run other)"],
      [{ conditions: { ...conditions, unconditional: () => tensor([[0.5, -0.4, 0]]) } }, "conditions.empty"],
      [{ backward: "joint" }, "backward"],
      [{}, "teacher.values", 5],
      [{}, "generator.settings", undefined, 600],
      [{ iterations: 1 }, "at iteration 2, beyond the 1 that are asked for"],
    ];
    for (const [changes, name, seed, tInit] of cases) {
      const { error, metrics, weights } = await run({ ...changes, checkpoint: resume }, undefined, seed, tInit);
      expect(error).toMatch(/^checkpoint-mismatch/);
      expect(error).toContain(name);
      expect(metrics).toEqual([]);
      if (seed === undefined) expect(weights).toEqual(start.weights);
    }
    // Of schedules the rates count, and not the function.
    const scheduled = { path: path("scheduled"), resume: false };
    const half = (step: number) => 0.01 / (step + 2);
    await run({ checkpoint: scheduled, iterations: 1, learningRate: half });
    const again = { ...scheduled, resume: true };
    expect((await run({ checkpoint: again, learningRate: (step) => 0.01 / (step + 1) })).error).toMatch(
      /generatorAdam/,
    );
    expect((await run({ checkpoint: again, learningRate: (step) => half(step) })).error).toBe("");
    // More iterations are no other run.
    expect((await run({ checkpoint: resume, iterations: 3 })).metrics.map((m) => m.iteration)).toEqual([3]);
  });

  test.prop({ share: fc.double({ min: 0, max: 0.999, noNaN: true }) }, { numRuns: 5 })(
    "a truncated checkpoint is refused before anything changes",
    async ({ share }) => {
      const file = path("truncated");
      await run({ checkpoint: { path: file }, iterations: 1 });
      const bytes = await readFile(file);
      await writeFile(file, bytes.subarray(0, Math.floor(share * bytes.length)));
      const start = await run({ iterations: 0 });
      const { error, weights } = await run({ checkpoint: { path: file, resume: true } });
      expect(error).toMatch(/^corrupt-file/);
      expect(weights).toEqual(start.weights);
    },
  );

  test("a checkpoint whose content contradicts itself is refused", async () => {
    const file = path("edited");
    await run({ checkpoint: { path: file }, iterations: 1 });
    const good = decodeSafetensors(await readFile(file));
    /** With checksums that are right, so that the content has to be looked at. */
    const resumed = async (tensors: typeof good.tensors, metadata: Record<string, string>) => {
      const bytes = ({ data }: HostTensor) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
      const each = [...tensors].map(([name, x]) => [name, checksum(bytes(x))]);
      const stated = { ...metadata, checksums: JSON.stringify(Object.fromEntries(each)) };
      const whole = checksum(new TextEncoder().encode(JSON.stringify(Object.entries(stated).sort())));
      await writeFile(file, encodeSafetensors(tensors, { ...stated, checksum: whole }));
      return (await run({ checkpoint: { path: file, resume: true } })).error;
    };
    const { checksum: _, ...meta }: Record<string, string> = good.metadata;
    const fewer = new Map([...good.tensors].slice(1));
    expect(await resumed(fewer, meta)).toMatch(/^corrupt-file/);
    const more = new Map(good.tensors).set("x", { dtype: "F32", shape: [1], data: new Float32Array(1) });
    expect(await resumed(more, meta)).toMatch(/^corrupt-file/);
    expect(await resumed(good.tensors, { ...meta, progress: "{}" })).toMatch(/^corrupt-file/);
    expect(await resumed(good.tensors, { ...meta, run: "?" })).toMatch(/^corrupt-file/);
    const progress = JSON.parse(meta["progress"] ?? "") as object;
    const at = (more: object) => ({ ...meta, progress: JSON.stringify({ ...progress, ...more }) });
    expect(await resumed(good.tensors, at({ iteration: -1 }))).toMatch(/^corrupt-file/);
    expect(await resumed(good.tensors, at({ nimg: 5 }))).toMatch(/^corrupt-file.*1 iterations of 4 images/);
    expect(await resumed(good.tensors, at({ steps: { fakeScore: 1, generator: 2 } }))).toMatch(/^corrupt-file/);
    const [[name, first] = ["", undefined]] = good.tensors;
    const spoiled = new Map(good.tensors).set(name, {
      ...(first as HostTensor),
      data: new Float32Array(first?.data.length ?? 0).fill(Number.NaN),
    });
    expect(await resumed(spoiled, meta)).toMatch(new RegExp(`^corrupt-file.*"${name}" holds NaN`));
    expect(await resumed(good.tensors, at({ stream: {} }))).toMatch(/^corrupt-file/);
    expect(await resumed(good.tensors, at({ gauge: { bins: [[0]] } }))).toMatch(/^corrupt-file.*state of the gauge/);
    expect(await resumed(good.tensors, at({ steps: { fakeScore: 1 } }))).toMatch(/^corrupt-file/);
    expect(await resumed(good.tensors, {})).toMatch(/^checkpoint-mismatch/);
    expect(await resumed(good.tensors, meta)).toBe("");
  });

  test("an unwritable folder is noticed before the first iteration", async () => {
    const { error, metrics } = await run({ checkpoint: { path: join(folder, "nowhere", "run.safetensors") } });
    expect(error).toMatch(/^io/);
    expect(metrics).toEqual([]);
    expect((await run({ checkpoint: { path: folder } })).error).toMatch(/^io/);
    expect((await run({ checkpoint: { path: path("absent"), resume: true } })).error).toMatch(/^io/);
  });
});
