/** The stopped-gradient family: each method's gradient against its published formula in plain numbers, and how they relate. */
import { fc, test } from "@fast-check/vitest";
import { add, mul, type Tensor, tensor1d, tensor2d } from "@tensorflow/tfjs-core";
import { describe, expect } from "vitest";
import type { SidErrorCode } from "../../src/core";
import { guide } from "../../src/guidance";
import { stoppedGradientLoss } from "../../src/losses";
import {
  type Circumstances,
  csd,
  decoupledDmd,
  diffInstruct,
  dmd,
  dmd2,
  type FakeScoreUpdate,
  fDistill,
  type Method,
  type ScoreMethod,
  sds,
  swiftBrush,
  tdm,
  vsd,
} from "../../src/methods";
import { checkMethod } from "../../src/methods/check-method";
import type { NoiseLevel } from "../../src/predict";
import { ddpmSchedule } from "../../src/schedules";
import { expectSidError } from "../support/errors";
import { expectClose, numbers } from "../support/matchers";
import { draw, free, levels, seeds, shapes } from "../support/values";

const batches = shapes.chain((shape) => fc.tuple(fc.constant(shape), levels(shape[0] as number)));
const moment = { schedule: ddpmSchedule(), nimg: 0, iteration: 0 };
const at = (level: NoiseLevel, valid = level.alpha.map(() => 1)): Circumstances => ({
  level,
  t: level.alpha.map((_, i) => (150 * i) % 1000),
  moment,
  valid: tensor1d(valid),
});

/** One sample in plain numbers: x_g, each answer by its name, its level. */
interface Sample {
  readonly x: number[];
  readonly a: number;
  readonly s: number;
  readonly [answer: string]: number[] | number;
}
type Formula = (sample: Sample) => number[];

const of = (sample: Sample, name: string) => sample[name] as number[];
const map = (one: number[], two: number[], f: (p: number, q: number) => number) =>
  one.map((p, i) => f(p, two[i] as number));
const minus = (one: number[], two: number[]) => map(one, two, (p, q) => p - q);
const distance = (one: number[], two: number[]) =>
  minus(one, two).reduce((sum, d) => sum + Math.abs(d), 0) / one.length;
/** f_ψ − f_φ. */
const difference = (sample: Sample) => minus(of(sample, "fake"), of(sample, "teacher"));
const times = (values: number[], factor: number) => values.map((value) => value * factor);
const m = (sample: Sample) => distance(sample.x, of(sample, "teacher"));
/** ε of a prediction at x_t = a·x + s·ε; x_t drops out of every difference. */
const noiseOf = (sample: Sample, f: number[]) => f.map((value) => (-sample.a * value) / sample.s);

const formulas: readonly [string, ScoreMethod, "sum" | "mean", Formula][] = [
  ["SDS: s²(ε_φ − ε)", sds(), "sum", (p) => times(minus(noiseOf(p, of(p, "teacher")), noiseOf(p, p.x)), p.s ** 2)],
  [
    "CSD: s²(ε_c − ε_∅)",
    csd(),
    "sum",
    (p) => times(minus(noiseOf(p, of(p, "conditional")), noiseOf(p, of(p, "unconditional"))), p.s ** 2),
  ],
  [
    "VSD: s²(ε_φ − ε_ψ)",
    vsd(),
    "sum",
    (p) => times(minus(noiseOf(p, of(p, "teacher")), noiseOf(p, of(p, "fake"))), p.s ** 2),
  ],
  [
    "SwiftBrush: s²(ε_φ − ε_ψ), mean",
    swiftBrush(),
    "mean",
    (p) => times(minus(noiseOf(p, of(p, "teacher")), noiseOf(p, of(p, "fake"))), p.s ** 2),
  ],
  ["Diff-Instruct", diffInstruct(), "sum", difference],
  ["DMD: a/M", dmd(), "mean", (p) => times(difference(p), p.a / m(p))],
  ["DMD2: 1/M", dmd2(), "mean", (p) => times(difference(p), 1 / m(p))],
  [
    "decoupled DMD",
    decoupledDmd({ guidanceScale: 4 }),
    "mean",
    (p) => {
      const pull = times(minus(of(p, "unconditional"), of(p, "conditional")), 3);
      const g = map(difference(p), pull, (one, two) => one + two);
      return times(g, 1 / distance(p.x, minus(of(p, "fake"), g)));
    },
  ],
  ["TDM: pseudo-Huber", tdm(), "mean", (p) => difference(p).map((d) => d / (m(p) * Math.sqrt(d * d + 1e-6)))],
  ["TDM: 2D/M", tdm({ distance: "squared" }), "mean", (p) => times(difference(p), 2 / m(p))],
];

const answersOf = (method: ScoreMethod) => Object.keys(method.generator.asks);

describe("g by the published formula", () => {
  for (const [name, method, reduction, formula] of formulas)
    test.prop([seeds, batches, fc.boolean()])(`${name}`, (seed, [shape, level], drop) =>
      free(() => {
        const names = ["generated", ...answersOf(method)];
        const tensors = Object.fromEntries(draw(seed, shape, names.length).map((x, i) => [names[i], x]));
        const count = shape[0] as number;
        const valid = level.alpha.map((_, i) => Number(!drop || i !== 0));
        const { loss, generated, ...rest } = method.generator.cotangents(
          tensors as Record<string, Tensor>,
          at(level, valid),
        );
        const size = (generated as Tensor).size / count;
        const rows = (name: string) => numbers(tensors[name] as Tensor);
        const wanted = valid.flatMap((counts, i) => {
          const row = (name: string) => rows(name).slice(i * size, (i + 1) * size);
          const sample = Object.fromEntries(answersOf(method).map((answer) => [answer, row(answer)]));
          const [a, s] = [level.alpha[i] as number, level.sigma[i] as number];
          return counts === 0 ? row("generated").map(() => 0) : formula({ ...sample, x: row("generated"), a, s });
        });
        const divisor = reduction === "sum" ? count : count * size;
        expectClose(generated as Tensor, times(wanted, 1 / divisor), 2e-6);
        expect((generated as Tensor).shape).toEqual(shape);
        expect(rest).toEqual({});
        if (!name.startsWith("TDM"))
          expectClose(loss, [wanted.reduce((sum, g) => sum + g * g, 0) / (2 * divisor)], 1e-5);
      }),
    );

  test.prop([seeds, batches, fc.constantFrom("none" as const, "alpha-l1" as const), fc.constantFrom(10, 0.5)])(
    "another ω, reduction and scale: the loss is stoppedGradientLoss, and the scale is the engine's to apply",
    (seed, [shape, level], weight, lossScale) =>
      free(() => {
        const [generated, teacher, fake] = draw(seed, shape, 3) as [Tensor, Tensor, Tensor];
        const method = dmd2({ weight, reduction: "sum", lossScale });
        const { loss } = method.generator.cotangents({ generated, teacher, fake }, at(level));
        expectClose(loss, stoppedGradientLoss({ generated, teacher, fake }, { weight, level }), 1e-5);
        expect(method.generator.lossScale).toBe(lossScale);
      }),
  );

  test.prop([seeds, batches])("TDM's loss is the distance over M, of which g is the slope", (seed, [shape, level]) =>
    free(() => {
      const [generated, teacher, fake] = draw(seed, shape, 3) as [Tensor, Tensor, Tensor];
      const count = shape[0] as number;
      const size = generated.size / count;
      for (const options of [{}, { distance: "squared" as const }]) {
        const { loss } = tdm(options).generator.cotangents({ generated, teacher, fake }, at(level));
        const [x, f, p] = [generated, teacher, fake].map(numbers) as [number[], number[], number[]];
        const terms = x.map((_, i) => {
          const first = Math.floor(i / size) * size;
          const own = distance(x.slice(first, first + size), f.slice(first, first + size));
          const d = (p[i] as number) - (f[i] as number);
          return (options.distance ? d * d : Math.sqrt(d * d + 1e-6) - 1e-3) / own;
        });
        expectClose(loss, [terms.reduce((sum, term) => sum + term, 0) / x.length], 1e-5);
      }
    }),
  );
});

/** One sample of the golden values: z = (.3, −.8, .5), ε = (−.4, .6, 1.1) at a = .8, s = .6. */
const [cond, uncond, psi] = [
  [0.3742992874, -0.3139667458, 1.360807601],
  [0.1472, -0.2112, 1.136],
  [0.2204795487, -0.1935401975, 1.3386459803],
];
const golden = (kappa: number, fakeKappa = 1) => {
  const guided = guide({ cond: tensor2d([cond]), uncond: tensor2d([uncond]), guidanceScale: kappa });
  return {
    generated: tensor2d([[0.53, -0.78, 0.95]]),
    teacher: guided,
    fake: fakeKappa === 1 ? tensor2d([psi]) : guided,
    conditional: tensor2d([cond]),
    unconditional: tensor2d([uncond]),
    logit: tensor1d([1.0471755426]),
  };
};
const here = () => at({ alpha: [0.8], sigma: [0.6] });

describe("one sample of the golden table", () => {
  const sum = { reduction: "sum" } as const;
  test.each<[string, ScoreMethod, number, number[]]>([
    ["SDS, κ 1", sds({ guidanceScale: 1 }), 1, [0.074736342, -0.223695962, -0.1971876485]],
    ["SDS, κ 100", sds({ guidanceScale: 100 }), 100, [-10.7170217957, 4.6597798005, -10.8800448456]],
    ["CSD", csd(), 1, [-0.109007658, 0.049328038, -0.1079076485]],
    ["VSD", vsd(), 7.5, [-0.7823832513, 0.3784369903, -0.7120372929]],
    [
      "SwiftBrush, ψ unguided",
      swiftBrush({ ...sum, fakeGuidanceScale: 1 }),
      7.5,
      [-0.7823832513, 0.3784369903, -0.7120372929],
    ],
    ["Diff-Instruct", diffInstruct(), 1, [-0.1538197388, 0.1204265484, -0.0221616207]],
    ["DMD, κ 1", dmd({ ...sum, guidanceScale: 1 }), 1, [-0.3575326985, 0.2799148481, -0.0515116208]],
    ["DMD, algorithm 2", dmd({ ...sum, weight: "l1" }), 1, [-0.4469158731, 0.3498935602, -0.064389526]],
    ["DMD2, κ 1", dmd2({ ...sum, guidanceScale: 1 }), 1, [-0.4469158731, 0.3498935602, -0.064389526]],
    ["DMD2, κ 1.75", dmd2(sum), 1.75, [-0.9892546414, 0.6027545135, -0.5822021669]],
    ["TDM, κ 1", tdm({ ...sum, guidanceScale: 1 }), 1, [-2.9053906391, 2.9053518707, -2.9024986642]],
    [
      "f-distill, Jensen–Shannon without normalisation",
      fDistill({ ...sum, clip: null, bins: 0, normalize: false, adversarialWeight: 0 }),
      1,
      [-0.3308215008, 0.2590024648, -0.0476631977],
    ],
  ])("%s", (_, method, kappa, wanted) =>
    free(() => {
      const { generated } = method.generator.cotangents(golden(kappa), here());
      expectClose(generated as Tensor, wanted, 4e-6);
    }),
  );

  test("decoupled DMD with t′ = t is DMD2, κ 1.75", () =>
    free(() => {
      const method = decoupledDmd({ reduction: "sum" });
      const { generated } = method.generator.cotangents({ ...golden(1) }, here());
      expectClose(generated as Tensor, [-0.9892546414, 0.6027545135, -0.5822021669], 2e-6);
    }));
});

describe("relations", () => {
  const asked = (seed: number, shape: readonly number[]) => {
    const [generated, conditional, unconditional, fake] = draw(seed, shape, 4) as [Tensor, Tensor, Tensor, Tensor];
    return { generated, conditional, unconditional, fake };
  };
  const g = (method: ScoreMethod, tensors: Record<string, Tensor>, level: NoiseLevel) =>
    method.generator.cotangents(tensors, at(level)).generated as Tensor;

  test.prop([seeds, batches])("VSD whose fake score predicts x_g is SDS", (seed, [shape, level]) =>
    free(() => {
      const { generated, conditional: teacher } = asked(seed, shape);
      expectClose(
        g(vsd(), { generated, teacher, fake: generated }, level),
        g(sds(), { generated, teacher }, level),
        1e-7,
      );
    }),
  );

  test.prop([seeds, batches, fc.constantFrom(1, 1.75, 8, 0, -1)])(
    "decoupled DMD at t′ = t is DMD2, sample by sample, at its own weight (Q3)",
    (seed, [shape, level], guidanceScale) =>
      free(() => {
        const { generated, conditional, unconditional, fake } = asked(seed, shape);
        const teacher = guide({ cond: conditional, uncond: unconditional, guidanceScale });
        const apart = { generated, teacher: conditional, fake, conditional, unconditional };
        expectClose(
          g(decoupledDmd({ guidanceScale }), apart, level),
          g(dmd2({ guidanceScale }), { generated, teacher, fake }, level),
          1e-5,
        );
      }),
  );

  test.prop([seeds, batches, fc.constantFrom(2, 7.5, -1)])(
    "guided VSD is VSD without guidance and κ − 1 times CSD",
    (seed, [shape, level], guidanceScale) =>
      free(() => {
        const { generated, conditional, unconditional, fake } = asked(seed, shape);
        const teacher = guide({ cond: conditional, uncond: unconditional, guidanceScale });
        const matching = g(vsd(), { generated, teacher: conditional, fake }, level);
        const pulling = g(csd(), { generated, conditional, unconditional }, level);
        expectClose(
          g(vsd(), { generated, teacher, fake }, level),
          add(matching, mul(pulling, guidanceScale - 1)),
          1e-5,
        );
      }),
  );

  test.prop([seeds, batches])(
    "DMD is DMD2 times a; DMD2 without M is Diff-Instruct, over other elements",
    (seed, [shape, level]) =>
      free(() => {
        const { generated, conditional: teacher, fake } = asked(seed, shape);
        const tensors = { generated, teacher, fake };
        const flat: NoiseLevel = { alpha: level.alpha.map(() => 0.25), sigma: level.sigma };
        expectClose(g(dmd(), tensors, flat), mul(g(dmd2(), tensors, flat), 0.25), 1e-6);
        const size = generated.size / (shape[0] as number);
        expectClose(mul(g(dmd2({ weight: "none" }), tensors, level), size), g(diffInstruct(), tensors, level), 1e-6);
      }),
  );

  test.prop([seeds, batches])("φ = ψ and equal κ: nothing moves, but with SDS and CSD (Q10)", (seed, [shape, level]) =>
    free(() => {
      const { generated, conditional, unconditional } = asked(seed, shape);
      const logit = tensor1d(level.alpha.map((_, i) => i - 1));
      const same = { generated, teacher: conditional, fake: conditional, conditional, unconditional, logit };
      const still = [vsd(), swiftBrush(), diffInstruct(), dmd(), dmd2(), tdm(), fDistill()];
      for (const method of [...still, decoupledDmd({ guidanceScale: 1 })])
        for (const value of numbers(g(method, same, level))) expect(Math.abs(value), method.name).toBe(0);
      for (const method of [sds(), csd()]) expect(Math.max(...numbers(g(method, same, level)))).not.toBe(0);
    }),
  );

  test.prop([seeds, batches])("samples that do not count may hold anything", (seed, [shape, level]) =>
    free(() => {
      const clean = asked(seed, shape);
      const count = shape[0] as number;
      const noise = mul(clean.generated, Number.NaN);
      const valid = tensor1d(Array<number>(count).fill(0));
      const spoilt = { generated: noise, teacher: noise, fake: noise, conditional: noise, unconditional: noise };
      const logit = tensor1d(Array<number>(count).fill(Number.NaN));
      for (const method of all) {
        const { loss, ...rest } = method.generator.cotangents({ ...spoilt, logit }, { ...at(level), valid });
        expect(numbers(loss)[0], method.name).toBe(0);
        for (const x of Object.values(rest)) for (const value of numbers(x as Tensor)) expect(Math.abs(value)).toBe(0);
      }
    }),
  );
});

const all: readonly ScoreMethod[] = [
  ...[sds(), csd(), vsd(), swiftBrush(), diffInstruct(), dmd(), dmd2(), decoupledDmd(), tdm(), fDistill()],
  ...[dmd2({ adversarialWeight: 1e-3 }), fDistill({ adversarialWeight: 0 })],
];

describe("defaults", () => {
  const fakeOf = ({ fakeScore }: Method) => fakeScore as FakeScoreUpdate;

  test.each<[string, ScoreMethod, Record<string, unknown>, Record<string, unknown> | undefined]>([
    ["sds", sds(), { guidanceScale: 101, weight: "alpha-sigma", reduction: "sum" }, undefined],
    ["csd", csd(), { weight: "alpha-sigma", reduction: "sum" }, undefined],
    [
      "vsd",
      vsd(),
      { guidanceScale: 7.5, weight: "alpha-sigma", reduction: "sum" },
      { weight: "none", reduction: "mean", updates: 1, first: "generator" },
    ],
    [
      "swiftBrush",
      swiftBrush(),
      { guidanceScale: 4.5, fakeGuidanceScale: 4.5, weight: "alpha-sigma", reduction: "mean" },
      { reduction: "mean", updates: 1, first: "generator", contextDropout: 0.1 },
    ],
    [
      "diffInstruct",
      diffInstruct(),
      { guidanceScale: 1, weight: "none", reduction: "sum" },
      { reduction: "sum", updates: 1 },
    ],
    [
      "dmd",
      dmd(),
      { guidanceScale: 3, weight: "alpha-l1", reduction: "mean" },
      { reduction: "mean", updates: 1, first: "generator" },
    ],
    [
      "dmd2",
      dmd2(),
      { guidanceScale: 1.75, weight: "l1", reduction: "mean", steps: "random", adversarialWeight: 0 },
      { reduction: "mean", updates: 10, first: "generator" },
    ],
    [
      "decoupledDmd",
      decoupledDmd(),
      { guidanceScale: 1.75, weight: "l1", reduction: "mean", steps: "random" },
      { reduction: "mean", updates: 10, first: "generator" },
    ],
    [
      "tdm",
      tdm(),
      { guidanceScale: 4.5, weight: "l1", reduction: "mean", steps: "random", distance: { huber: 1e-3 } },
      { weight: "min-snr", reduction: "mean", updates: 1 },
    ],
    [
      "fDistill",
      fDistill(),
      {
        guidanceScale: 1.75,
        divergence: "jensen-shannon",
        clip: [0.1, 20],
        bins: 10,
        normalize: true,
        adversarialWeight: 1e-3,
        discriminatorWeight: 1,
      },
      { weight: "x0", reduction: "mean", updates: 9 },
    ],
  ])("%s", (name, method, settings, fakeScore) => {
    expect(checkMethod("distill", method)).toBe(method);
    expect(method.name).toBe(name);
    expect(method.settings).toMatchObject(settings);
    expect(JSON.parse(JSON.stringify(method.settings))).toEqual(method.settings);
    if (fakeScore === undefined) expect(method.fakeScore).toBeUndefined();
    else expect(method.fakeScore).toMatchObject(fakeScore);
  });

  test("whom each asks: no answer lets the gradient through but a discriminator's", () => {
    for (const method of all)
      for (const [name, question] of Object.entries(method.generator.asks))
        expect(question.gradient ?? false, `${method.name} ${name}`).toBe(
          name === "logit" && Number(method.settings["adversarialWeight"]) > 0,
        );
    expect(sds().generator.asks).toEqual({ teacher: { of: "teacher", guidanceScale: 101 } });
    expect(csd().generator.asks).toEqual({
      conditional: { of: "teacher", guidanceScale: 1 },
      unconditional: { of: "teacher", guidanceScale: 0 },
    });
    expect(swiftBrush({ guidanceScale: 7.5 }).generator.asks["fake"]).toMatchObject({ guidanceScale: 7.5 });
    expect(decoupledDmd().generator.asks).toMatchObject({
      teacher: { of: "teacher", guidanceScale: 1 },
      conditional: { of: "teacher", guidanceScale: 1, at: "other" },
      unconditional: { of: "teacher", guidanceScale: 0, at: "other" },
    });
    expect(dmd2({ adversarialWeight: 1e-3 }).generator.asks["logit"]).toEqual({
      of: "discriminator",
      at: "other",
      gradient: true,
    });
    expect(dmd2().generator.asks["logit"]).toBeUndefined();
    expect(tdm().noising).toBe("interval");
  });

  test("recipes", () => {
    expect(sds().recipe).toBeUndefined();
    expect(vsd().recipe).toEqual({ fakeLearningRate: 1e-4, beta1: 0.9, beta2: 0.99 });
    expect(swiftBrush().recipe).toMatchObject({ learningRate: 1e-6, fakeLearningRate: 1e-3, clipNorm: 1 });
    expect(diffInstruct().recipe).toEqual({ learningRate: 1e-5, beta1: 0, beta2: 0.999 });
    const adamW = { beta1: 0.9, beta2: 0.999, weightDecay: 0.01, clipNorm: 10 };
    for (const method of [dmd(), dmd2(), decoupledDmd(), fDistill()])
      expect(method.recipe).toEqual({ ...adamW, learningRate: 1e-5 });
    expect(dmd2({ adversarialWeight: 5e-3 }).recipe).toEqual({ ...adamW, learningRate: 5e-7 });
    expect(tdm().recipe).toEqual({
      ...{ learningRate: 4e-6, fakeLearningRate: 2e-5, beta1: 0, beta2: 0.95, weightDecay: 0.01, clipNorm: 1 },
    });
  });

  test("ψ's weights that are functions, as factors of the error of x0", () => {
    const weigh = (method: Method) => fakeOf(method).weight as (a: number, s: number) => number;
    // a² times the error of ε is a²·(a/s)² times that of x0.
    expect(weigh(swiftBrush())(0.8, 0.6)).toBeCloseTo(0.64 * (0.8 / 0.6) ** 2, 12);
    for (const method of [dmd(), dmd2(), decoupledDmd(), diffInstruct()]) {
      expect(weigh(method)(0.8, 0.6)).toBeCloseTo((0.8 / 0.6) ** 2, 12);
      expect(weigh(method)(1, 0.5)).toBe(8); // λ of EDM: 1/σ² + 1/0.5²
    }
    expect(fakeOf(dmd2({ fakeWeight: "v" })).weight).toBe("v");
    expect(fakeOf(vsd({ reduction: "sum" })).reduction).toBe("sum");
  });
});

describe("bad options", () => {
  test.each<[SidErrorCode, () => unknown, RegExp]>([
    ["invalid-argument", () => sds({ guidance: 100 } as object), /sds: options has no "guidance".*guidanceScale/],
    ["not-finite", () => sds({ guidanceScale: Number.NaN }), /sds: guidanceScale/],
    ["invalid-argument", () => sds({ fakeUpdates: 2 } as object), /sds: options has no "fakeUpdates"/],
    ["invalid-argument", () => csd({ guidanceScale: 2 } as object), /csd: options has no "guidanceScale"/],
    ["invalid-argument", () => vsd({ weight: "snrr" as "snr" }), /vsd: weight must be one of.*"snr"/],
    ["invalid-argument", () => vsd({ reduction: "max" as "sum" }), /vsd: reduction/],
    ["out-of-range", () => dmd2({ fakeUpdates: 0 }), /dmd2: fakeUpdates/],
    ["invalid-argument", () => dmd2({ fakeUpdates: 2.5 }), /dmd2: fakeUpdates must be an integer/],
    ["out-of-range", () => dmd2({ adversarialWeight: -1 }), /dmd2: adversarialWeight/],
    ["not-finite", () => dmd2({ discriminatorWeight: Number.POSITIVE_INFINITY }), /dmd2: discriminatorWeight/],
    ["out-of-range", () => dmd({ lossScale: 0 }), /dmd: lossScale/],
    ["invalid-argument", () => diffInstruct({ timesteps: 3 as never }), /diffInstruct: timesteps/],
    ["out-of-range", () => swiftBrush({ contextDropout: 1.5 }), /swiftBrush: contextDropout/],
    ["not-finite", () => swiftBrush({ fakeGuidanceScale: Number.NaN }), /swiftBrush: fakeGuidanceScale/],
    ["invalid-argument", () => swiftBrush(null as never), /swiftBrush: options must be an object, got null/],
    ["invalid-argument", () => decoupledDmd({ adversarialWeight: 1 } as object), /decoupledDmd: options has no/],
    [
      "invalid-argument",
      () => tdm({ distance: "huber" as "squared" }),
      /tdm: distance must be "squared" or \{ huber \}/,
    ],
    ["out-of-range", () => tdm({ distance: { huber: 0 } }), /tdm: distance.huber must be above 0/],
    ["invalid-argument", () => tdm({ distance: { hubert: 1 } as never }), /did you mean huber/],
    ["invalid-argument", () => tdm({ steps: "one" as "all" }), /tdm: steps/],
  ])("%s %s", (code, make, message) => expectSidError(code, make, message));
});
