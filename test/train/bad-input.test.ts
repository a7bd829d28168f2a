import { fc, test } from "@fast-check/vitest";
import { dispose, tensor, tidy } from "@tensorflow/tfjs-core";
import { describe, expect } from "vitest";
import { SidError } from "../../src/core";
import { lsg } from "../../src/guidance";
import { sidLsg } from "../../src/methods";
import { generatorFrom, type ScoreModel } from "../../src/models";
import {
  adam,
  type DistillOptions,
  distill,
  emaBeta,
  fakeScoreGradients,
  generatorGradients,
  updateEma,
} from "../../src/train";
import { tinyBatch, tinyNetwork } from "../support/tiny-network";
import { weight } from "../support/weights";

/** Numbers that no option of training takes. */
const notFinite = fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY);
const notNumbers = fc.constantFrom<unknown>("1", null, {}, [1], true);
const negative = fc.double({ min: -1e6, max: -1e-6, noNaN: true });

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof SidError) {
      expect(error.message).toMatch(/^\w[\w. ]*: .*\.$/s);
      return error.code;
    }
    return String(error);
  }
  return "no error";
}

describe("bad numbers", () => {
  test.prop({ name: fc.constantFrom("learningRate", "beta1", "beta2", "epsilon"), value: notFinite })(
    "adam refuses what is not finite",
    ({ name, value }) => {
      const w = weight("bad/w", [1]);
      expect(codeOf(() => adam([w], { learningRate: 1, [name]: value }))).toBe("not-finite");
      w.dispose();
    },
  );
  test.prop({ name: fc.constantFrom("learningRate", "beta1", "beta2", "epsilon"), value: negative })(
    "adam refuses negative numbers",
    ({ name, value }) => {
      const w = weight("bad/w", [1]);
      expect(codeOf(() => adam([w], { learningRate: 1, [name]: value }))).toBe("out-of-range");
      w.dispose();
    },
  );
  test.prop({
    name: fc.constantFrom("nimg", "batch", "halfLife", "rampUp"),
    bad: fc.oneof(
      notFinite.map((value) => ({ value, code: "not-finite" })),
      negative.map((value) => ({ value, code: "out-of-range" })),
      notNumbers.filter((x) => x !== null).map((value) => ({ value, code: "invalid-argument" })),
    ),
  })("emaBeta refuses them", ({ name, bad }) => {
    expect(codeOf(() => emaBeta({ nimg: 1, batch: 1, halfLife: 1, rampUp: 1, [name]: bad.value }))).toBe(bad.code);
  });
  test.prop({ beta: fc.oneof(notFinite, negative, fc.double({ min: 1.0001, max: 10, noNaN: true })) })(
    "updateEma refuses shares outside [0, 1]",
    ({ beta }) => {
      const w = weight("bad/w", [1]);
      expect(codeOf(() => updateEma([w], [w], beta))).toMatch(/not-finite|out-of-range/);
      w.dispose();
    },
  );
});

describe("bad batches", () => {
  test.prop({
    times: fc.array(fc.oneof(fc.constantFrom(-1, 1000, 3.5), notFinite), { minLength: 4, maxLength: 4 }),
    kappa: fc.oneof(notFinite, fc.constant(1)),
    count: fc.constantFrom(3, 4, 5),
    which: fc.constantFrom("fake", "staged", "joint"),
  })("both gradient functions refuse times, scales and shapes that do not fit", ({ times, kappa, count, which }) => {
    const nets = ["t", "f", "g"].map((name) => tinyNetwork(`bad/${name}`, 1)) as [ScoreModel, ScoreModel, ScoreModel];
    const batch = tinyBatch(1, 4);
    const other = tidy(() => tensor(Array<number>(count * 3).fill(0), [count, 3]));
    const objective = { teacher: nets[0], fakeScore: nets[1], generator: generatorFrom(nets[2]) };
    const run = (changes: object, guidance = lsg(1.5)) =>
      codeOf(() => {
        const method = sidLsg({ guidance });
        return which === "fake"
          ? fakeScoreGradients({ ...objective, method }, { ...batch, ...changes })
          : generatorGradients({ ...objective, method, backward: which as "joint" }, { ...batch, ...changes });
      });
    expect(run({ t: times })).toMatch(/not-finite|out-of-range|invalid-argument/);
    expect(run({ t: times.slice(1) })).toBe("shape-mismatch");
    if (kappa !== 1) expect(run({}, { kappa1: kappa, kappa2: kappa, kappa4: kappa })).toBe("not-finite");
    if (count !== 4) {
      expect(run({ noise: other })).toBe("shape-mismatch");
      expect(run({ noises: [other] })).toBe("shape-mismatch");
      expect(run({ cond: other })).toBe("shape-mismatch");
      expect(run({ uncond: other })).toBe("shape-mismatch");
    }
    for (const m of nets) m.dispose();
    dispose([...batch.noises, batch.noise, batch.cond, batch.uncond, other]);
  });
});

describe("bad runs", () => {
  const numeric = [
    ...["iterations", "batch", "accumulationRounds", "seed", "learningRate", "fakeLearningRate"],
    ...["adam.beta1", "adam.beta2", "adam.epsilon", "fakeAdam.beta1"],
  ];
  test.prop({
    name: fc.constantFrom(...numeric),
    bad: fc.oneof(
      notFinite.map((value) => ({ value: value as unknown, code: /^not-finite/ })),
      negative.map((value) => ({ value: value as unknown, code: /^out-of-range/ })),
      notNumbers.filter((x) => x !== null).map((value) => ({ value, code: /^invalid-argument/ })),
    ),
  })("distill refuses them at the call, by name", ({ name, bad }) => {
    const nets = ["t", "f", "g"].map((n) => tinyNetwork(`bad/${n}`, 1)) as [ScoreModel, ScoreModel, ScoreModel];
    const options: DistillOptions = {
      teacher: nets[0],
      fakeScore: nets[1],
      generator: generatorFrom(nets[2]),
      sampleShape: [3],
      iterations: 1,
    };
    const start = (changes: object) => distill({ ...options, ...changes } as DistillOptions);
    const [option = "", setting] = name.split(".");
    const changes = { [option]: setting ? { [setting]: bad.value } : bad.value };
    expect(codeOf(() => start(changes))).toMatch(bad.code);
    expect(() => start(changes)).toThrow(new RegExp(`^distill: ${setting ?? option} `));
    for (const m of nets) m.dispose();
  });

  test.each([
    ["no options", undefined],
    ["a number for options", 3],
    ["no method", { method: null }],
    ["a method's name in place of a method", { method: "dmd2" }],
    ["an option of a method", { guidance: lsg(1.5) }],
    ["an unknown backward pass", { backward: "reverse" }],
    ["a path with a NUL byte", { checkpoint: { path: "a\0b" } }],
    ["a callback that is none", { onIteration: 3 }],
  ])("distill refuses %s at the call", (_, changes) => {
    const nets = ["t", "f", "g"].map((n) => tinyNetwork(`bad/${n}`, 1)) as [ScoreModel, ScoreModel, ScoreModel];
    const [teacher, fakeScore, model] = nets;
    const options = { teacher, fakeScore, generator: generatorFrom(model), sampleShape: [3], iterations: 1 };
    const given = typeof changes === "object" ? { ...options, ...changes } : changes;
    expect(codeOf(() => distill(given as never))).toBe("invalid-argument");
    for (const m of nets) m.dispose();
  });
});
