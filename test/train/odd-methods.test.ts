/** What goes wrong with methods, their networks and their images: refused before any work, or kept from the rest of the batch. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  add,
  dispose,
  fill,
  less,
  memory,
  range,
  reshape,
  type Tensor,
  tensor,
  tidy,
  where,
} from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { randomStream } from "../../src/core";
import { lsg, zeroCfg } from "../../src/guidance";
import { dmd2, lcm, type Method, sds, sida, sidLsg, tdm, vsd } from "../../src/methods";
import { bottleneckDiscriminator, generatorFrom, headDiscriminator, mlp } from "../../src/models";
import { ddpmSchedule } from "../../src/schedules";
import { type DistillOptions, distill, fakeScoreGradients, generatorGradients, imageSource } from "../../src/train";
import { expectClose, numbers } from "../support/matchers";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sid-lsg-odd-"));
});
afterAll(() => rm(folder, { recursive: true }));

const schedule = ddpmSchedule();
const network = (name: string, seed: number) =>
  mlp(
    { dim: 2, hidden: 8, depth: 1, timeDim: 4, condDim: 3 },
    { name: `odd/${name}`, schedule, predicts: "v", weights: randomStream(seed) },
  );

function stage(steps = 1) {
  const [teacher, fakeScore, student] = [network("teacher", 1), network("fake", 2), network("student", 3)];
  const weights = randomStream(9);
  const discriminator = headDiscriminator({
    ...{ name: "odd/discriminator", reads: "fakeScore", channels: 8, features: "vector", weights },
  });
  const images = randomStream(7).normal([12, 2]);
  const captions = randomStream(8).normal([12, 3]);
  return {
    ...{ teacher, fakeScore, discriminator, generator: generatorFrom(student, { steps, gradientThrough: "last" }) },
    images: imageSource({ images, conditions: captions, name: "points" }),
    conditions: {
      sample: (stream: ReturnType<typeof randomStream>, count: number) => stream.normal([count, 3]),
      unconditional: () => randomStream(1).normal([1, 3]),
    },
    free() {
      for (const x of [teacher, fakeScore, student, discriminator]) x.dispose();
      dispose([images, captions]);
    },
  };
}
type Stage = ReturnType<typeof stage>;

/** A run of two iterations: how many were done, what it threw and what it warned of. */
async function run(method: Method, changes: (at: Stage) => object = () => ({}), steps = 1) {
  const at = stage(steps);
  const live = memory().numTensors;
  const { free, ...all } = at;
  let done = 0;
  let message = "";
  const warnings: string[] = [];
  try {
    const options = { ...all, method, sampleShape: [2], iterations: 2, batch: 4, checkTeacher: false };
    const onIteration = () => void done++;
    await distill({
      ...options,
      onIteration,
      onWarning: (warning: string) => void warnings.push(warning),
      ...changes(at),
    } as DistillOptions);
  } catch (error) {
    message = `${(error as { code?: string }).code}: ${(error as Error).message}`;
  }
  expect(memory().numTensors, "tensors left by the run").toBe(live);
  free();
  return { done, message, warnings };
}

describe("refused before the first iteration", () => {
  const gan = dmd2({ adversarialWeight: 0.1, fakeUpdates: 1, guidanceScale: 1 });
  const structural = ({ generator: { name, steps, variables, generate, dispose } }: Stage) => ({
    generator: { name, steps, variables, generate, dispose },
  });

  test("a random number of passes of a generator that cannot end early", async () => {
    const { done, message } = await run(dmd2({ fakeUpdates: 1 }), structural, 3);
    expect(message).toMatch(/invalid-argument: distill: the method dmd2 takes a random number.*steps: "all"/);
    expect(done).toBe(0);
    expect((await run(dmd2({ fakeUpdates: 1, steps: "all" }), structural, 3)).done).toBe(2);
    expect((await run(dmd2({ fakeUpdates: 1 }), structural)).done).toBe(2);
  });

  test.each([
    [[625], /shape-mismatch: distill: generator\.times/],
    [[200, 600], /out-of-range: distill: generator\.times must not increase, got 200, 600/],
    [[Number.NaN, 300], /not-finite: distill: generator\.times/],
  ])("a generator with the times %o for two passes", async (times, message) => {
    const changes = ({ generator }: Stage) => ({ generator: { ...generator, times } });
    expect((await run(tdm({ guidanceScale: 1 }), changes, 2)).message).toMatch(message);
  });

  test("a moving average that is missing is called by the name of its option", async () => {
    expect((await run(lcm())).message).toMatch(/the method lcm needs .*ema/);
  });

  test.each<[string, () => unknown, RegExp]>([
    ["nothing", () => undefined, /mine\.cotangents: what it returned must be an object, got undefined/],
    ["a promise", async () => ({}), /mine\.cotangents: loss must be a tensor/],
    ["a loss per sample", () => ({ loss: tensor([1, 2]) }), /mine\.cotangents: loss must be a scalar.*got \[2\]/],
  ])("cotangents that return %s", async (_, cotangents, wanted) => {
    const method = sidLsg();
    const own = { ...method, name: "mine", generator: { ...method.generator, cotangents } } as Method;
    const { done, message } = await run(own);
    expect(message).toMatch(wanted);
    expect(done).toBe(0);
  });

  test.each<[string, (at: Stage) => object, RegExp]>([
    ["a promise", () => ({ images: { sample: async () => ({}) } }), /the images that images\.sample returns must be/],
    ["no tensors", () => ({ images: { sample: () => ({ images: "x" }) } }), /images\.sample returns must be a tensor/],
    [
      "odd conditions",
      ({ images }) => ({
        images: {
          sample: (stream: never, count: number) => {
            const { cond, ...rest } = images.sample(stream, count);
            cond?.dispose();
            return { ...rest, cond: "text" };
          },
        },
      }),
      /the cond that images\.sample returns must be a tensor/,
    ],
    [
      "conditions, of which the samples have none",
      () => ({ conditions: undefined }),
      /images gives conditions \(cond\)/,
    ],
  ])("images that are %s", async (_, changes, wanted) => {
    expect((await run(gan, changes)).message).toMatch(wanted);
  });

  test("a low-level objective without a network", () => {
    const { free, teacher, fakeScore, generator } = stage();
    const missing = { teacher, fakeScore, generator, discriminator: null, method: gan } as never;
    expect(() => generatorGradients(missing, {} as never)).toThrow(/discriminator must be a discriminator, got null/);
    free();
  });

  test.each<[string, Method, Method, RegExp]>([
    ["VSD with another reduction of ψ", vsd(), vsd({ reduction: "sum" }), /fakeScore\.reduction/],
    [
      "an edited method with the settings of the other",
      sidLsg(),
      { ...sidLsg(), fakeScore: { ...(sidLsg().fakeScore as NonNullable<Method["fakeScore"]>), updates: 2 } },
      /fakeScore\.updates \(checkpoint 1, this run 2\)/,
    ],
  ])("a checkpoint of another run: %s", async (name, saved, other, wanted) => {
    const path = join(folder, `${name}-${process.env["SID_TEST_BACKEND"]}.safetensors`);
    expect((await run(saved, () => ({ iterations: 1, checkpoint: { path } }))).message).toBe("");
    const { message } = await run(other, () => ({ checkpoint: { path, resume: true } }));
    expect(message).toMatch(/^checkpoint-mismatch/);
    expect(message).toMatch(wanted);
  });
});

test("a discriminator that the method asks nothing is told of; one that it asks is not", async () => {
  const unused = (await run(dmd2({ guidanceScale: 1, fakeUpdates: 1 }))).warnings;
  expect(unused).toEqual([expect.stringMatching(/"odd\/discriminator" is not used.*adversarialWeight/)]);
  expect((await run(dmd2({ guidanceScale: 1, fakeUpdates: 1, adversarialWeight: 1 }))).warnings).toEqual([]);
});

test("a few samples lost in each of many updates are no lost batch; all those of one update are", async () => {
  const spoilt = (share: number) => (at: Stage) => ({
    discriminator: undefined,
    conditions: {
      ...at.conditions,
      sample: (stream: ReturnType<typeof randomStream>, count: number) => {
        const [lost, cond] = [Math.ceil(share * count), stream.normal([count, 3])];
        const spoilt = tidy(() =>
          where(reshape(less(range(0, count), lost), [count, 1]), fill([count, 3], Number.NaN), cond),
        );
        cond.dispose();
        return spoilt;
      },
    },
  });
  const method = sidLsg({ fakeUpdates: 7 });
  expect((await run(method, spoilt(0.25))).warnings).toEqual([]);
  expect((await run(method, spoilt(1))).warnings).toEqual([
    expect.stringMatching(/at iteration 1 32 samples.*diverged/),
  ]);
});

test("a fake score that the method does not train gets no optimiser", async () => {
  const saved: number[] = [];
  const onIteration = () => void saved.push(memory().numTensors);
  await run(sds(), () => ({ onIteration }));
  await run(sds(), () => ({ onIteration, fakeScore: undefined }));
  expect(saved[0]).toBe(saved[2]);
});

describe("with both texts as with none, a discriminator sees the condition", () => {
  test("where the fake score is asked without it", () => {
    const { free, teacher, fakeScore, generator } = stage();
    tidy(() => {
      const stream = randomStream(4);
      const [z, noise, images] = [0, 1, 2].map(() => stream.normal([3, 2])) as [Tensor, Tensor, Tensor];
      const [cond, uncond] = [stream.normal([3, 3]), stream.normal([1, 3])];
      const batch = { noises: [z], noise, t: [100, 400, 800], cond, uncond, images, imageCond: cond };
      const of = (guidance: ReturnType<typeof lsg>) => {
        const method = sida({ guidance });
        const seen: Tensor[] = [];
        const discriminator = bottleneckDiscriminator();
        const logit: typeof discriminator.logit = (features, t) => {
          seen.push(features.clone());
          return discriminator.logit(features, t);
        };
        const objective = { teacher, fakeScore, generator, method, discriminator: { ...discriminator, logit } };
        const { answers } = generatorGradients(objective, batch);
        const values: number[] = [];
        const watched = {
          ...discriminator,
          logit: (x: Tensor, t: number[]) => {
            values.push(...numbers(x));
            return discriminator.logit(x, t);
          },
        };
        fakeScoreGradients({ ...objective, discriminator: watched as typeof discriminator }, batch);
        return { logit: answers["logit"] as Tensor, values };
      };
      const [none, plain] = [of(zeroCfg()), of(lsg(1))];
      expectClose(none.logit, plain.logit, 1e-6);
      expectClose(tensor(none.values), tensor(plain.values), 1e-6);
    });
    free();
  });
});

describe("one sample that is not finite leaves the others' gradients finite", () => {
  const bad = (width: number) =>
    tensor([[Number.NaN, ...Array(width - 1).fill(0)], ...Array(2).fill(Array(width).fill(0.3))]);
  const gan = dmd2({ adversarialWeight: 1, guidanceScale: 1 });
  const cases = [
    ["the condition", { cond: () => bad(3), imageCond: undefined }],
    ["the condition of the real image", { imageCond: () => bad(3) }],
    ["the real image", { images: () => bad(2) }],
    ["the noise", { noise: () => bad(2) }],
    ["the other noise", { other: () => ({ noise: bad(2), t: [30, 500, 900] }) }],
  ] as const;
  test.each(cases.flatMap((one) => (["staged", "joint"] as const).map((way) => [...one, way] as const)))(
    "%s: %o, %s",
    (_, change, backward) => {
      const { free, ...at } = stage();
      tidy(() => {
        const stream = randomStream(4);
        const normal = (width: number, rows = 3) => stream.normal([rows, width]);
        const batch = {
          ...{ noises: [normal(2)], noise: normal(2), t: [100, 400, 800], cond: normal(3), uncond: normal(3, 1) },
          ...{ images: normal(2), imageCond: normal(3), other: { noise: normal(2), t: [30, 500, 900] } },
          ...Object.fromEntries(Object.entries(change).map(([name, make]) => [name, make?.()])),
        };
        const { teacher, fakeScore, generator, discriminator } = at;
        for (const method of [gan, sidLsg()]) {
          const objective = { teacher, fakeScore, generator, discriminator, method, backward };
          for (const { loss, gradients } of [
            fakeScoreGradients(objective, batch),
            generatorGradients(objective, batch),
          ]) {
            expect(numbers(loss).every(Number.isFinite), `${method.name}'s loss`).toBe(true);
            expect(gradients.flatMap(numbers).every(Number.isFinite), `${method.name}'s gradients`).toBe(true);
          }
        }
      });
      free();
    },
  );

  test("what the teacher says of a real image, in LCM", () => {
    const { free, teacher, generator } = stage();
    tidy(() => {
      const stream = randomStream(4);
      const [z, noise, images] = [0, 1, 2].map(() => stream.normal([3, 2])) as [Tensor, Tensor, Tensor];
      const cond = stream.normal([3, 3]);
      const batch = { noises: [z], noise, t: [100, 400, 800], cond, images, imageCond: cond, uniforms: [0, 0, 0] };
      const deaf = {
        ...teacher,
        predict: (...of: Parameters<typeof teacher.predict>) => add(teacher.predict(...of), bad(2)),
      };
      const method = lcm({ guidanceScales: [1, 1] });
      const { loss, gradients } = generatorGradients({ teacher: deaf, generator, average: generator, method }, batch);
      for (const x of [loss, ...gradients]) expect(numbers(x).every(Number.isFinite)).toBe(true);
    });
    free();
  });
});
