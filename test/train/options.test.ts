import { fc, test } from "@fast-check/vitest";
import { add, mul, ones, tensor, tensor3d, tidy, zeros } from "@tensorflow/tfjs-core";
import { describe, expect } from "vitest";
import { type PredictionType, randomStream, SidError } from "../../src/core";
import { lsg } from "../../src/guidance";
import { sidLsg } from "../../src/methods";
import {
  functionModel,
  type GaussianModelOptions,
  type GeneratorModel,
  gaussianModel,
  generatorFrom,
  mlp,
  type ScoreModel,
} from "../../src/models";
import { ddpmSchedule, logNormalSigmas } from "../../src/schedules";
import { type DistillOptions, distill, promptConditions } from "../../src/train";
import { digest } from "../../src/train/digest";
import { planOf } from "../../src/train/plan";
import { numbers } from "../support/matchers";
import { features, tinyNetwork } from "../support/tiny-network";

/** The error's code and message from the call or from the first iteration, and what was thrown when. */
async function codeOf(change: (options: DistillOptions) => object): Promise<string> {
  const [teacher, fakeScore, model, average] = ["teacher", "fake", "generator", "ema"].map((name, i) =>
    tinyNetwork(`train-options/${name}`, i),
  ) as [ScoreModel, ScoreModel, ScoreModel, ScoreModel];
  const options: DistillOptions = {
    teacher,
    fakeScore,
    generator: generatorFrom(model),
    ema: { target: generatorFrom(average) },
    sampleShape: [features],
    conditions: {
      sample: (stream, count) => stream.normal([count, features]),
      unconditional: () => zeros([1, features]),
    },
    iterations: 1,
    batch: 4,
    checkTeacher: false,
  };
  const changed = { ...options, ...change(options) } as DistillOptions;
  const before = [teacher, fakeScore, model].map((m) => m.variables.flatMap((v) => numbers(v)));
  try {
    await distill(changed);
    return "no error";
  } catch (error) {
    // Nothing was assigned before the error.
    expect([teacher, fakeScore, model].map((m) => m.variables.flatMap((v) => numbers(v)))).toEqual(before);
    return error instanceof SidError ? `${error.code}: ${error.message}` : String(error);
  } finally {
    for (const m of [teacher, fakeScore, model, average]) m.dispose();
  }
}

describe("distill refuses, before any work,", () => {
  const cases: [string, (options: DistillOptions) => object, string][] = [
    ["a fractional number of iterations", () => ({ iterations: 1.5 }), "invalid-argument"],
    ["a negative number of iterations", () => ({ iterations: -1 }), "out-of-range"],
    ["an empty batch", () => ({ batch: 0 }), "out-of-range"],
    ["rounds that do not divide the batch", () => ({ accumulationRounds: 3 }), "invalid-argument"],
    ["a sample shape that is none", () => ({ sampleShape: "3" }), "invalid-argument"],
    ["a sample shape with a hole", () => ({ sampleShape: [0] }), "out-of-range"],
    [
      "a sample shape that the networks do not have",
      () => ({ sampleShape: [features, 2] }),
      "invalid-argument: distill: .* the option sampleShape \\[3, 2\\] and conditions \\[3\\]",
    ],
    [
      "a sample shape that a network refuses by itself",
      ({ generator }) => {
        const generate: GeneratorModel["generate"] = ([z]) => {
          throw new SidError("shape-mismatch", `mine: wanted [${z?.shape[0]}, 3], got [${z?.shape.join(", ")}].`);
        };
        return { sampleShape: [5], generator: { ...generator, generate } };
      },
      "shape-mismatch: distill: .* the option sampleShape \\[5\\]",
    ],
    [
      "guidance without conditions",
      () => ({ method: sidLsg({ guidance: lsg(2) }), conditions: undefined }),
      "invalid-argument: distill: .* guides the answer teacher \\(guidanceScale 2\\), .* needs the option conditions",
    ],
    ["a method's name", () => ({ method: "sid" }), "invalid-argument: distill: method must be an object"],
    ["an option of the method", () => ({ alpha: 1 }), 'invalid-argument: distill: options has no "alpha"'],
    [
      "a method without its fake score",
      () => ({ fakeScore: undefined }),
      "invalid-argument: .* needs the option fakeScore",
    ],
    ["an unknown backward pass", () => ({ backward: "reverse" }), "invalid-argument"],
    ["a learning rate of 0", () => ({ learningRate: 0 }), "out-of-range"],
    ["a fake learning rate that is not finite", () => ({ fakeLearningRate: Number.NaN }), "not-finite"],
    ["β1 = 1", () => ({ adam: { beta1: 1 } }), "out-of-range"],
    [
      "a learning rate among Adam's settings",
      () => ({ adam: { learningRate: 1 } }),
      "invalid-argument: .* adam has no",
    ],
    ["a fractional seed", () => ({ seed: 0.5 }), "invalid-argument"],
    ["a negative half-life", ({ ema }) => ({ ema: { ...ema, halfLife: -1 } }), "out-of-range"],
    ["snapshots every 0 iterations", () => ({ snapshots: { every: 0, run: () => {} } }), "out-of-range"],
    ["a checkpoint without a path", () => ({ checkpoint: { path: "" } }), "invalid-argument"],
    [
      "a resume that is none",
      () => ({ checkpoint: { path: "never-written", resume: "yes" } }),
      "invalid-argument: .* checkpoint.resume",
    ],
    ["conditions that cannot be drawn", () => ({ conditions: {} }), "invalid-argument: .* sample"],
    ["snapshots that nobody takes", () => ({ snapshots: { every: 1 } }), "invalid-argument: .* run"],
    ["a hook that is no function", () => ({ onGradients: [] }), "invalid-argument: .* onGradients"],
    ["a signal that is none", () => ({ signal: true }), "invalid-argument: .* signal"],
    [
      "times that the schedule lacks",
      () => ({ method: sidLsg({ timesteps: logNormalSigmas() }) }),
      "invalid-argument: distill: .* timesteps",
    ],
    [
      "times beyond the schedule",
      () => ({ method: sidLsg({ timesteps: (_: unknown, n: number) => Array<number>(n).fill(1000) }) }),
      "out-of-range",
    ],
    [
      "a timestep law that draws nothing",
      () => ({ method: sidLsg({ timesteps: () => undefined as never }) }),
      "invalid-argument: .* timesteps draws",
    ],
    [
      "a timestep law that draws too few",
      () => ({ method: sidLsg({ timesteps: () => [5] }) }),
      "shape-mismatch: .* timesteps draws",
    ],
    [
      "conditions that come later",
      ({ conditions }) => ({ conditions: { ...conditions, sample: async () => {} } }),
      "invalid-argument: .* conditions.sample returns",
    ],
    [
      "a teacher that fails by itself",
      ({ teacher }) => {
        const predict = () => {
          throw new Error("my own mistake");
        };
        return { teacher: { ...teacher, predict } };
      },
      "invalid-argument: distill: a trial step .* failed: my own mistake",
    ],
    ["no teacher", () => ({ teacher: undefined }), "invalid-argument"],
    ["a generator for a fake score", ({ generator }) => ({ fakeScore: generator }), "invalid-argument"],
    ["one network in two roles", ({ teacher }) => ({ fakeScore: teacher }), "invalid-argument"],
    ["an average that is the generator", ({ generator }) => ({ ema: { target: generator } }), "invalid-argument"],
    [
      "a generator without variables",
      ({ generator }) => ({ generator: { ...generator, variables: [] } }),
      "invalid-argument",
    ],
    [
      "another schedule",
      ({ teacher }) => ({ teacher: { ...teacher, schedule: ddpmSchedule({ betaEnd: 0.03 }) } }),
      "invalid-argument",
    ],
    [
      "a teacher that returns another shape",
      ({ teacher }) => ({ teacher: { ...teacher, predict: () => ones([2, 2]) } }),
      "shape-mismatch",
    ],
    [
      "a generator that returns another shape",
      ({ generator }) => ({ generator: { ...generator, generate: () => ones([2, 2]) } }),
      "shape-mismatch",
    ],
    [
      "an empty condition of another shape",
      ({ conditions }) => ({ conditions: { ...conditions, unconditional: () => zeros([1, 2]) } }),
      "shape-mismatch",
    ],
    [
      "too few conditions",
      ({ conditions }) => ({ conditions: { ...conditions, sample: () => zeros([1, features]) } }),
      "shape-mismatch",
    ],
  ];
  test.each(cases)("%s", async (_, change, code) => {
    expect(await codeOf(change)).toMatch(new RegExp(`^${code}`));
  });

  test("weights that are not finite, by name", async () => {
    for (const role of ["teacher", "fakeScore", "generator"] as const) {
      const weights = (options: DistillOptions) => {
        const network = options[role] as ScoreModel | GeneratorModel;
        const [, variable] = network.variables;
        tidy(() => variable?.assign(tensor([[1, 2, Number.NaN, 4]])));
        return {};
      };
      expect(await codeOf(weights)).toMatch(/^not-finite: .*weight "train-options/);
    }
  });
});

describe("a teacher that predicts something else than it declares", () => {
  const schedule = ddpmSchedule();
  const types: PredictionType[] = ["eps", "x0", "v", "score"];
  type Law = Pick<GaussianModelOptions, "mean" | "variance">;
  const offCentre: Law = { mean: [1, -1], variance: 1 };
  const run = async (declared: PredictionType, actual: PredictionType, checkTeacher = true, law = offCentre) => {
    const exact = gaussianModel({ ...law, schedule, predicts: actual });
    const stream = randomStream(1);
    const network = (name: string) =>
      mlp(
        { dim: 2, hidden: 4, depth: 1 },
        { name: `train-options/${name}`, schedule, predicts: "eps", weights: stream },
      );
    const fakeScore = network("fake");
    const model = network("generator");
    const generator: GeneratorModel = {
      ...generatorFrom(model),
      // Data-like samples that depend on the variables a little.
      generate: (noises) =>
        tidy(() => add(generatorFrom(exact).generate(noises), mul(generatorFrom(model).generate(noises), 0.01))),
    };
    const teacher = functionModel({
      name: "teacher",
      predicts: declared,
      schedule,
      predict: (...at) => exact.predict(...at),
    });
    try {
      await distill({
        teacher,
        fakeScore,
        generator,
        sampleShape: [2],
        iterations: 0,
        batch: 2,
        checkTeacher,
      });
      return "accepted";
    } catch (error) {
      return error instanceof SidError ? error.message : String(error);
    } finally {
      for (const m of [exact, fakeScore, model]) m.dispose();
    }
  };
  test.prop({ declared: fc.constantFrom(...types), actual: fc.constantFrom(...types) }, { numRuns: 16 })(
    "is refused, and an honest one is not",
    async ({ declared, actual }) => {
      const verdict = await run(declared, actual);
      if (declared === actual) expect(verdict).toBe("accepted");
      else expect(verdict).toContain(`declares "${declared}"`);
      expect(await run(declared, actual, false)).toBe("accepted");
    },
  );

  test.prop({ type: fc.constantFrom(...types), variance: fc.constantFrom(0.2, 0.5, 1, 4) }, { numRuns: 16 })(
    "is not suspected where the data are centred, so that every prediction is a multiple of x_t",
    async ({ type, variance }) => {
      expect(await run(type, type, true, { mean: [0, 0], variance })).toBe("accepted");
    },
  );
});

test("the defaults are the method's recipe, SiD-LSG's where it has none", () => {
  const nets = ["teacher", "fake", "generator", "ema"].map((name, i) => tinyNetwork(`train-options/${name}`, i));
  const [teacher, fakeScore, model, average] = nets as [ScoreModel, ScoreModel, ScoreModel, ScoreModel];
  const ema = { target: generatorFrom(average) };
  const generator = generatorFrom(model);
  const { recipe: _, ...method } = sidLsg();
  const options = { teacher, fakeScore, generator, ema, sampleShape: [features], iterations: 1 };
  const plan = planOf({ ...options, method });
  expect(plan).toMatchObject({
    batch: 512,
    accumulationRounds: 1,
    fakeScoreAdam: { learningRate: 1e-6 },
    generatorAdam: { learningRate: 1e-6 },
    fakeUpdates: 1,
    first: "fakeScore",
    contextDropout: 0,
    startsAt: 0,
    ema: { halfLife: 50_000, rampUp: 0.05 },
    objective: { backward: "staged", method },
  });
  expect(planOf(options).objective.method.name).toBe("sid");
  const recipe = { learningRate: 2, fakeLearningRate: 3, beta1: 0.5, clipNorm: 1, fakeClipNorm: 2, weightDecay: 0.1 };
  const { generatorAdam, fakeScoreAdam } = planOf({ ...options, method: { ...method, recipe } });
  expect(generatorAdam).toEqual({ learningRate: 2, beta1: 0.5, beta2: undefined, clipNorm: 1, weightDecay: 0.1 });
  expect(fakeScoreAdam).toMatchObject({ learningRate: 3, beta1: 0.5, clipNorm: 2, weightDecay: 0.1 });
  const told = planOf({
    ...{ ...options, method: { ...method, recipe }, learningRate: 4 },
    ...{ adam: { beta1: 0.25, epsilon: undefined }, fakeAdam: { clipNorm: 5 } },
  });
  expect(told.generatorAdam).toMatchObject({ learningRate: 4, beta1: 0.25, clipNorm: 1 });
  expect(told.fakeScoreAdam).toMatchObject({ learningRate: 4, beta1: 0.25, clipNorm: 5 });
  for (const m of nets) m.dispose();
});

describe("promptConditions", () => {
  const conditioner = { encode: (prompts: readonly string[]) => tensor3d(prompts.map((p) => [[p.length]])) };
  const prompts = ["a", "bb", "ccc"];

  test.prop({ seed: fc.nat(1e6), count: fc.integer({ min: 1, max: 20 }) })(
    "draws from the list, the same for the same stream",
    ({ seed, count }) => {
      const source = promptConditions({ prompts, conditioner });
      tidy(() => {
        const drawn = numbers(source.sample(randomStream(seed), count));
        expect(drawn.length).toBe(count);
        for (const length of drawn) expect([1, 2, 3]).toContain(length);
        expect(numbers(source.sample(randomStream(seed), count))).toEqual(drawn);
        expect(numbers(source.unconditional())).toEqual([0]);
      });
    },
  );

  test("covers the list, takes a function, and tells lists apart by name", () => {
    tidy(() => {
      const drawn = numbers(promptConditions({ prompts, conditioner }).sample(randomStream(1), 100));
      expect(new Set(drawn).size).toBe(3);
      const drawing = promptConditions({ prompts: (_, count) => Array<string>(count).fill("four"), conditioner });
      expect(numbers(drawing.sample(randomStream(1), 2))).toEqual([4, 4]);
    });
    const name = (list: string[]) => promptConditions({ prompts: list, conditioner }).name;
    expect(name(["a", "b"])).toBe(name(["a", "b"]));
    expect(name(["a", "b"])).not.toBe(name(["a", "c"]));
    const drawn = (word: string) =>
      promptConditions({ prompts: (_, count) => Array<string>(count).fill(word), conditioner }).name;
    expect(drawn("a")).toBe(drawn("a"));
    expect(drawn("a")).not.toBe(drawn("b"));
  });

  test("a source draws what the list of its captions draws, and is known by its fingerprint", () => {
    const read: number[] = [];
    const get = (i: number) => {
      read.push(i);
      return prompts[i] as string;
    };
    const source = promptConditions({ prompts: { length: 3, get, fingerprint: "file 1" }, conditioner });
    expect(read).toEqual([]);
    tidy(() => {
      const drawn = numbers(source.sample(randomStream(5), 40));
      expect(drawn).toEqual(numbers(promptConditions({ prompts, conditioner }).sample(randomStream(5), 40)));
      expect(read.length).toBe(40);
    });
    expect(source.name).toBe("3 prompts file 1");
    // As in checkpoints of lists before there were sources.
    expect(promptConditions({ prompts: ["a", "bé"], conditioner }).name).toBe(`2 prompts ${digest('["a","bé"]')}`);
  });

  test("refuses what is not text", () => {
    const code = (run: () => unknown) => {
      try {
        run();
      } catch (error) {
        return error instanceof SidError ? error.code : String(error);
      }
      return "no error";
    };
    expect(code(() => promptConditions({ prompts: [], conditioner }))).toBe("invalid-argument");
    expect(code(() => promptConditions({ prompts: "text" as never, conditioner }))).toBe("invalid-argument");
    expect(code(() => promptConditions({ prompts: [1 as never], conditioner }))).toBe("invalid-argument");
    expect(code(() => promptConditions({ prompts, conditioner: {} as never }))).toBe("invalid-argument");
    for (const change of [{ length: 0 }, { length: 1.5 }, { get: undefined }, { fingerprint: "" }, { fingerprint: 3 }])
      expect(
        code(() => {
          const source = { length: 1, get: () => "a", fingerprint: "f", ...change } as never;
          promptConditions({ prompts: source, conditioner });
        }),
      ).toBe("invalid-argument");
    const odd = promptConditions({ prompts: { length: 1, get: () => 7 as never, fingerprint: "f" }, conditioner });
    expect(code(() => odd.sample(randomStream(1), 1))).toBe("invalid-argument");
    const short = promptConditions({ prompts: () => ["a"], conditioner });
    expect(code(() => short.sample(randomStream(1), 2))).toBe("shape-mismatch");
    expect(code(() => short.sample(randomStream(1), 0))).toBe("out-of-range");
  });
});
