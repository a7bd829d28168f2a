/** What the loop does for methods beyond SiD-LSG: counts, orders, random steps, other times, discriminators. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dispose, mean, memory, type Scalar, type Tensor, tensor1d, tidy } from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { randomStream } from "../../src/core";
import { noGuidance } from "../../src/guidance";
import { dmd2, fDistill, type Method, type Question, sida, sidLsg, tdm } from "../../src/methods";
import {
  type Discriminator,
  generatorFrom,
  headDiscriminator,
  mlp,
  networkDiscriminator,
  type ScoreModel,
} from "../../src/models";
import { noiseLevel } from "../../src/predict";
import { ddpmSchedule } from "../../src/schedules";
import { type DistillOptions, distill, generatorGradients, imageSource, type Objective } from "../../src/train";
import { checkTrainBatch } from "../../src/train/batch";
import { noised } from "../../src/train/noising";
import { checkObjective } from "../../src/train/objective";
import { expectClose, numbers, relativeError } from "../support/matchers";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sid-lsg-methods-"));
});
afterAll(() => rm(folder, { recursive: true }));

const schedule = ddpmSchedule();
const network = (name: string, seed: number) =>
  mlp(
    { dim: 2, hidden: 8, depth: 2, condDim: 3 },
    { name: `any/${name}`, schedule, predicts: "v", weights: randomStream(seed) },
  );

function discriminatorOf(reads: Discriminator["reads"]): Discriminator {
  const weights = randomStream(9);
  const name = "any/discriminator";
  return reads
    ? headDiscriminator({ name, reads, channels: 8, features: "vector", weights })
    : networkDiscriminator({ name, schedule, sampleShape: [2], weights, hidden: 4 });
}

/** Networks, conditions and images; `free` disposes of them. */
function stage(reads?: Discriminator["reads"], steps = 1) {
  const [teacher, fakeScore, student] = [network("teacher", 1), network("fake", 2), network("student", 3)];
  const discriminator = discriminatorOf(reads);
  const images = randomStream(7).normal([12, 2]);
  const conditions = randomStream(8).normal([12, 3]);
  return {
    teacher,
    fakeScore,
    discriminator,
    generator: generatorFrom(student, { steps, gradientThrough: "last" }),
    images: imageSource({ images, conditions, name: "points" }),
    conditions: {
      sample: (stream: ReturnType<typeof randomStream>, count: number) => stream.normal([count, 3]),
      unconditional: () => randomStream(1).normal([1, 3]),
    },
    free() {
      for (const x of [teacher, fakeScore, student, discriminator]) x.dispose();
      dispose([images, conditions]);
    },
  };
}

/** A run of four images an iteration, and what it left: the weights of all networks that train. */
async function run(method: Method, changes: Partial<DistillOptions> = {}, reads?: Discriminator["reads"], steps = 1) {
  const { free, ...all } = stage(reads, steps);
  const live = memory().numTensors;
  const seen: string[] = [];
  const options = {
    ...{ ...all, method, sampleShape: [2], iterations: 3, batch: 4, learningRate: 0.01, checkTeacher: false },
    onGradients: ({ network }: { network: string }) => void seen.push(network),
    ...changes,
  };
  try {
    const { metrics } = await distill(options);
    expect(memory().numTensors, "tensors left by the run").toBe(live);
    const trained = [all.fakeScore, all.generator, all.discriminator];
    return { metrics, seen, weights: trained.map(({ variables }) => variables.flatMap((v) => numbers(v))) };
  } finally {
    free();
  }
}

describe("updates", () => {
  test("several of the fake score per one of the generator, in either order", async () => {
    const once = ["fakeScore", "fakeScore", "generator"];
    const sid = await run(sidLsg({ fakeUpdates: 2 }), { iterations: 2 });
    expect(sid.seen).toEqual([...once, ...once]);
    const dmd = await run(dmd2({ fakeUpdates: 2 }), { iterations: 1 });
    expect(dmd.seen).toEqual(["generator", "fakeScore", "fakeScore"]);
  });

  test("a random number of steps is drawn for an iteration and holds in all its updates", async () => {
    const calls: number[] = [];
    const all = stage(undefined, 3);
    const generate: typeof all.generator.generate = (noises, cond) => {
      calls.push(noises.length);
      return all.generator.generate(noises, cond);
    };
    const { free, discriminator, images, ...options } = all;
    const live = memory().numTensors;
    await distill({
      ...{ ...options, generator: { ...all.generator, generate }, method: dmd2({ fakeUpdates: 2 }) },
      ...{ sampleShape: [2], iterations: 12, batch: 2, checkTeacher: false },
    });
    expect(memory().numTensors).toBe(live);
    free();
    // The trial steps take all passes.
    expect(calls.splice(0, 2)).toEqual([3, 3]);
    const iterations = Array.from({ length: 12 }, (_, i) => new Set(calls.slice(3 * i, 3 * i + 3)));
    expect(iterations.every((set) => set.size === 1)).toBe(true);
    expect(new Set(calls)).toEqual(new Set([1, 2, 3]));
  });
});

describe("discriminators", () => {
  const methods: [string, Method, Discriminator["reads"]][] = [
    ["on the fake score, at times of its own", dmd2({ adversarialWeight: 0.1, fakeUpdates: 1 }), "fakeScore"],
    ["on the fake score, where it is asked", fDistill({ fakeUpdates: 1 }), "fakeScore"],
    ["on the teacher", fDistill({ fakeUpdates: 1 }), "teacher"],
    ["that stand alone", fDistill({ fakeUpdates: 1 }), undefined],
  ];
  test.each(methods)("%s train with the fake score, and resume bit for bit", async (name, method, reads) => {
    const path = join(folder, `${name}-${process.env["SID_TEST_BACKEND"]}.safetensors`);
    const none = await run(method, { iterations: 0 }, reads);
    const whole = await run(method, {}, reads);
    for (const i of [0, 1, 2]) expect(whole.weights[i]).not.toEqual(none.weights[i]);
    await run(method, { iterations: 2, checkpoint: { path } }, reads);
    const rest = await run(method, { checkpoint: { path, resume: true } }, reads);
    expect(rest.weights).toEqual(whole.weights);
    expect(rest.seen.length).toBe(2);
  });

  test.each(methods)("%s: staged and joint backward passes agree", (_, method, reads) => {
    const { free, teacher, fakeScore, discriminator, generator } = stage(reads);
    tidy(() => {
      const stream = randomStream(4);
      const normal = (width: number, rows = 5) => stream.normal([rows, width]);
      const batch = {
        ...{
          noises: [normal(2)],
          noise: normal(2),
          t: [30, 200, 500, 700, 970],
          cond: normal(3),
          uncond: normal(3, 1),
        },
        other: { noise: normal(2), t: [900, 40, 300, 20, 600] },
      };
      // A method of its own with all kinds of questions that let the gradient through.
      const asks: Record<string, Question> = {
        teacher: { of: "teacher", guidanceScale: 1.5, gradient: true },
        fake: { of: "fakeScore", gradient: true },
        far: { of: "teacher", at: "other", gradient: true },
        logit: { of: "discriminator", gradient: true },
        ...(reads && { farLogit: { of: "discriminator", at: "other", gradient: true } }),
      };
      const own: Method = {
        ...method,
        generator: {
          ...{ timesteps: method.generator.timesteps, otherTimesteps: method.generator.timesteps, asks, lossScale: 3 },
          cotangents: (tensors) => ({ loss: mean(tensors["logit"] as Tensor) as Scalar, ...tensors }),
        },
      };
      const all: Objective = { generator, teacher, fakeScore, discriminator, method: own };
      const staged = generatorGradients({ ...all, backward: "staged" }, batch);
      const joint = generatorGradients({ ...all, backward: "joint" }, batch);
      expectClose(staged.loss, joint.loss, 1e-6);
      for (const key of Object.keys(asks))
        expectClose(staged.answers[key] as Tensor, joint.answers[key] as Tensor, 1e-5);
      const flat = (gradients: Tensor[]) => gradients.flatMap(numbers);
      expect(relativeError(flat(staged.gradients), flat(joint.gradients))).toBeLessThan(1e-5);
    });
    free();
  });
});

test("conditions are dropped for samples and real images alike", async () => {
  const { free, ...all } = stage("fakeScore");
  const nothing = all.conditions.unconditional();
  const empty = numbers(nothing).join();
  nothing.dispose();
  const seen: boolean[] = [];
  const note = (cond: Tensor | undefined) => {
    const values = numbers(cond as Tensor);
    for (let i = 0; i < values.length; i += 3) seen.push(values.slice(i, i + 3).join() === empty);
  };
  const fakeScore: ScoreModel = {
    ...all.fakeScore,
    features: (xt, t, cond) => {
      note(cond);
      return all.fakeScore.features?.(xt, t, cond) as Tensor;
    },
  };
  const method = sida({ guidance: { ...noGuidance(), kappa2: 2 }, contextDropout: 1, startsAt: 100 });
  const options = { ...all, fakeScore, method, sampleShape: [2], iterations: 1, batch: 4, checkTeacher: false };
  await distill({ ...options, onWarning: () => {} });
  // The trial step keeps all; then come the real images of the one update.
  expect(seen.slice(-4)).toEqual([true, true, true, true]);
  expect(seen.slice(0, -4)).not.toContain(true);
  free();
});

test.each(["staged", "joint"] as const)("a gradient that is not finite leaves with its sample, %s", (backward) => {
  const { free, teacher, fakeScore, generator } = stage();
  tidy(() => {
    const stream = randomStream(3);
    const normal = (width: number) => stream.normal([3, width]);
    const batch = { noises: [normal(2)], noise: normal(2), t: [100, 500, 900], cond: normal(3) };
    const of = (weights: number[]) => {
      const method = sidLsg({ weight: () => tensor1d(weights) });
      return generatorGradients({ generator, teacher, fakeScore, method, backward }, batch);
    };
    const [spoiled, without] = [of([1, Number.NaN, 2]), of([1, 0, 2])];
    expect(numbers(spoiled.valid)).toEqual([1, 0, 1]);
    expect(numbers(without.valid)).toEqual([1, 1, 1]);
    const flat = (gradients: Tensor[]) => gradients.flatMap(numbers);
    expect(relativeError(flat(spoiled.gradients), flat(without.gradients))).toBeLessThan(1e-6);
  });
  free();
});

describe("noising within the interval of the last pass", () => {
  test.each([
    ["a pass in the middle", 2],
    ["the last pass, behind which is the sample itself", 3],
  ])("%s", (_, passes) => {
    const { free, teacher, fakeScore, generator } = stage(undefined, 3);
    tidy(() => {
      const stream = randomStream(6);
      const normal = (width: number) => stream.normal([4, width]);
      const objective = checkObjective("test", { generator, teacher, fakeScore, method: tdm({ guidanceScale: 1 }) });
      const t = passes === 2 ? [300, 350, 400, 416] : [5, 50, 120, 208];
      const noises = Array.from({ length: passes }, () => normal(2));
      const batch = { noises, noise: normal(2), t, cond: normal(3) };
      const placed = checkTrainBatch("test", objective, [], batch);
      expect(placed.moment.interval).toEqual(passes === 2 ? { from: 416, to: 208 } : { from: 208, to: 0 });
      const { generated, xt, target, slope } = noised(objective, batch, placed);
      const last = generator.generateWithInput?.(noises, batch.cond);
      const [x0, x, xi, eps, got, tx, tn] = [
        generated,
        xt,
        last?.input as Tensor,
        batch.noise,
        xt,
        target.x0,
        target.noise,
      ].map(numbers);
      const from = noiseLevel(schedule, [passes === 2 ? 416 : 208]);
      const to = passes === 2 ? noiseLevel(schedule, [208]) : { alpha: [1], sigma: [0] };
      const [a1 = 0, s1 = 0, a2 = 0, s2 = 0] = [from.alpha[0], from.sigma[0], to.alpha[0], to.sigma[0]];
      const level = noiseLevel(schedule, t);
      for (let i = 0; i < 8; i++) {
        const sample = Math.floor(i / 2);
        const [a, s] = [level.alpha[sample] as number, level.sigma[sample] as number];
        const at = (values: number[] | undefined) => values?.[i] as number;
        // DDIM from the pass's input to its end, then fresh noise.
        const hat = (at(xi) - a1 * at(x0)) / s1;
        const xs = a2 * at(x0) + s2 * hat;
        const within = Math.sqrt(s * s - ((a / a2) * s2) ** 2);
        expect(at(x)).toBeCloseTo((a / a2) * xs + within * at(eps), 4);
        expect(slope[sample]).toBeCloseTo((a / a2) * (a2 - (s2 / s1) * a1), 10);
        // The target: x_t as a·x0 + s·noise, its noise the fresh one in the units of the whole.
        expect(at(tn)).toBeCloseTo((s / within) * at(eps), 4);
        expect(a * at(tx) + s * at(tn)).toBeCloseTo(at(got), 4);
      }
    });
    free();
  });

  test("times that are no noisier than the interval's end are refused", () => {
    const { free, teacher, fakeScore, generator } = stage(undefined, 3);
    const stream = randomStream(6);
    const [z, y, noise, cond] = [2, 2, 2, 3].map((width) => stream.normal([1, width])) as [
      Tensor,
      Tensor,
      Tensor,
      Tensor,
    ];
    const objective = { generator, teacher, fakeScore, method: tdm({ guidanceScale: 1 }) };
    const at = (t: number) => () =>
      dispose({ ...generatorGradients(objective, { noises: [z, y], noise, t: [t], cond }) } as never);
    expect(at(208)).toThrow(/sample 0 must be noisier than where the pass arrives/);
    expect(at(209)).not.toThrow();
    dispose([z, y, noise, cond]);
    free();
  });
});

test.each(["teacher", "fakeScore", "generator", "discriminator"])("null is no %s", (role) => {
  const { teacher, fakeScore, generator, discriminator, free } = stage();
  const objective = { teacher, fakeScore, generator, discriminator, [role]: null } as unknown as Objective;
  expect(() => checkObjective("here", objective)).toThrow(new RegExp(`here: ${role} must be .*null`));
  free();
});

test("networks that a method needs, and what they must be able to", async () => {
  const needs = async (method: Method, changes: object, reads?: Discriminator["reads"]) => {
    const { free, ...all } = stage(reads);
    const options = { ...all, method, sampleShape: [2], iterations: 1, batch: 2, ...changes } as DistillOptions;
    const message = await Promise.resolve()
      .then(() => distill(options))
      .then(
        () => "",
        (error: Error) => error.message,
      );
    free();
    return message;
  };
  const gan = dmd2({ adversarialWeight: 0.1 });
  expect(await needs(gan, { discriminator: undefined })).toMatch(/dmd2 needs the option discriminator/);
  expect(await needs(gan, { images: undefined })).toMatch(/dmd2 learns from real images and needs the option images/);
  expect(await needs(gan, { fakeScore: undefined })).toMatch(/dmd2 needs the option fakeScore/);
  const deaf = { ...network("deaf", 4), features: undefined, predictWithFeatures: undefined };
  expect(await needs(gan, { fakeScore: deaf }, "fakeScore")).toMatch(/reads the features of fakeScore, which has none/);
  deaf.dispose();
  const blind = { name: "blind", steps: 1, variables: network("blind", 5).variables, generate: () => undefined };
  expect(await needs(tdm({ guidanceScale: 1 }), { generator: blind })).toMatch(/tells its times and its last input/);
  dispose([...blind.variables]);
  const plain = { sample: (_: unknown, count: number) => ({ images: randomStream(1).normal([count, 2]) }) };
  expect(await needs(gan, { images: plain })).toMatch(/images gives no conditions/);
  const wide = {
    sample: (_: unknown, n: number) => ({
      images: randomStream(1).normal([n, 3]),
      cond: randomStream(1).normal([n, 3]),
    }),
  };
  expect(await needs(gan, { images: wide })).toMatch(/images must give samples \[\d+, 2\], got \[\d+, 3\]/);
});
