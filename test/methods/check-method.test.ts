import { mul, type Scalar, scalar, sum, type Tensor, tensor1d, zerosLike } from "@tensorflow/tfjs-core";
import { describe, expect, test } from "vitest";
import { randomStream, type SidErrorCode } from "../../src/core";
import { bySchedule, cotangentsOf, type Method, type Moment, type ScoreMethod, sid } from "../../src/methods";
import { checkMethod } from "../../src/methods/check-method";
import { ddpmSchedule, edmSchedule, flowSchedule, type NoiseSchedule } from "../../src/schedules";
import { expectSidError } from "../support/errors";
import { expectClose } from "../support/matchers";
import { free } from "../support/values";

const law = () => [1];
const own = {
  name: "mine",
  settings: {},
  generator: {
    timesteps: law,
    asks: { teacher: { of: "teacher" }, fake: { of: "fakeScore", gradient: true } },
    cotangents: () => ({ loss: scalar(0) }),
  },
  fakeScore: { timesteps: law },
} as const satisfies ScoreMethod<"teacher" | "fake">;
/** The method with other values at a path. */
const changed = (path: string, value: unknown): Method => {
  const copy = (node: unknown, [key, ...rest]: readonly string[]): unknown =>
    key === undefined ? value : { ...(node as object), [key]: copy((node as Record<string, unknown>)[key], rest) };
  return copy(own, path.split(".")) as Method;
};

describe("checkMethod", () => {
  test("a well-formed method passes as it is, and so does one that learns from real images", () => {
    expect(checkMethod("distill", own)).toBe(own);
    const images = { name: "mine", settings: {}, generator: { timesteps: law, guided: false, loss: () => scalar(0) } };
    expect(checkMethod("distill", images)).toBe(images);
    expect(checkMethod("distill", changed("generator.otherTimesteps", law)).name).toBe("mine");
  });

  test.each<[string, unknown, SidErrorCode, RegExp]>([
    ["name", "", "invalid-argument", /distill: method\.name must be a non-empty string/],
    ["nmae", "x", "invalid-argument", /method has no "nmae"; it takes name, settings/],
    ["settings", undefined, "invalid-argument", /the method "mine": settings must be an object/],
    ["steps", "some", "invalid-argument", /steps must be one of "all", "random"/],
    ["noising", "step", "invalid-argument", /noising must be one of/],
    ["warnings", "doubtful", "invalid-argument", /warnings must be an array/],
    ["warnings", [1], "invalid-argument", /warnings\[0\]/],
    ["recipe", { learningrate: 1 }, "invalid-argument", /did you mean learningRate\?/],
    ["recipe", { learningRate: 0 }, "out-of-range", /recipe\.learningRate must be above 0/],
    ["recipe", { beta2: 1 }, "out-of-range", /recipe\.beta2 must be less than 1/],
    ["recipe", { weightDecay: -1 }, "out-of-range", /recipe\.weightDecay/],
    ["recipe", { fakeClipValue: Number.NaN }, "not-finite", /recipe\.fakeClipValue/],
    ["generator", undefined, "invalid-argument", /generator must be an object/],
    ["generator.timesteps", [20, 980], "invalid-argument", /generator\.timesteps must be a function, got an array/],
    ["generator.otherTimesteps", 3, "invalid-argument", /otherTimesteps must be a function/],
    ["generator.cotangents", undefined, "invalid-argument", /generator\.cotangents must be a function/],
    ["generator.lossScale", 0, "out-of-range", /generator\.lossScale must be above 0/],
    ["generator.lossScale", Number.POSITIVE_INFINITY, "not-finite", /generator\.lossScale/],
    ["generator.startsAt", -1, "out-of-range", /generator\.startsAt/],
    ["generator.asks", undefined, "invalid-argument", /generator\.asks must be an object/],
    ["generator.asks.generated", { of: "teacher" }, "invalid-argument", /"generated".*give it another name/],
    ["generator.asks.loss", { of: "teacher" }, "invalid-argument", /"loss".*give it another name/],
    ["generator.asks.fake.of", "fake", "invalid-argument", /asks\.fake\.of must be one of "teacher", "fakeScore"/],
    ["generator.asks.fake.kappa", 2, "invalid-argument", /asks\.fake has no "kappa"/],
    ["generator.asks.fake.guidanceScale", Number.NaN, "not-finite", /asks\.fake\.guidanceScale/],
    ["generator.asks.fake.at", "other", "invalid-argument", /"fake" is asked at the other x_t.*otherTimesteps/],
    ["generator.asks.fake.at", "there", "invalid-argument", /asks\.fake\.at must be one of/],
    ["generator.asks.fake.gradient", 1, "invalid-argument", /asks\.fake\.gradient must be true or false/],
    ["generator.asks.fake.startsAt", -5, "out-of-range", /asks\.fake\.startsAt/],
    ["generator.asks.logit", { of: "discriminator" }, "invalid-argument", /discriminator.*fakeScore\.discriminator/],
    ["fakeScore", undefined, "invalid-argument", /"fake" is put to the fake score.*describe its update in fakeScore/],
    ["generator.asks", {}, "invalid-argument", /trains a fake score that no question.*leave fakeScore out/],
    ["fakeScore.timesteps", undefined, "invalid-argument", /fakeScore\.timesteps must be a function/],
    ["fakeScore.weight", "ddpm", "invalid-argument", /fakeScore\.weight must be one of "none", "eps"/],
    ["fakeScore.reduction", "max", "invalid-argument", /fakeScore\.reduction/],
    ["fakeScore.lossScale", -1, "out-of-range", /fakeScore\.lossScale/],
    ["fakeScore.contextDropout", 1.5, "out-of-range", /fakeScore\.contextDropout/],
    ["fakeScore.updates", 0, "out-of-range", /fakeScore\.updates/],
    ["fakeScore.updates", 1.5, "invalid-argument", /fakeScore\.updates must be an integer/],
    ["fakeScore.first", "psi", "invalid-argument", /fakeScore\.first/],
    ["fakeScore.discriminator", { loss: 1 }, "invalid-argument", /discriminator\.loss must be a function/],
    ["fakeScore.discriminator", { loss: law }, "invalid-argument", /trains a discriminator that no question/],
    ["generator", { timesteps: law, loss: law, guided: true }, "invalid-argument", /real images.*leave fakeScore out/],
    ["generator", { timesteps: law, loss: law }, "invalid-argument", /generator\.guided must be true or false/],
    ["generator.loss", law, "invalid-argument", /generator has no "asks"/],
  ])("%s = %o is refused", (path, value, code, message) => {
    expectSidError(code, () => checkMethod("distill", changed(path, value)), message);
  });

  test("a discriminator takes no scale, and what is no method is named", () => {
    const question = { of: "discriminator", guidanceScale: 2 } as const;
    const method = {
      ...own,
      generator: { ...own.generator, asks: { ...own.generator.asks, logit: question } },
      fakeScore: { ...own.fakeScore, discriminator: { loss: () => scalar(0) } },
    };
    expectSidError("invalid-argument", () => checkMethod("distill", method), /always sees the condition/);
    for (const nothing of [undefined, null, "sid", sid])
      expectSidError("invalid-argument", () => checkMethod("distill", nothing as unknown as Method), /method must be/);
    expectSidError("invalid-argument", () => checkMethod("distill", sid as unknown as Method), /function sid.*call it/);
  });
});

describe("bySchedule", () => {
  const moment = (schedule: NoiseSchedule): Moment => ({ schedule, nimg: 0, iteration: 0 });
  const laws = { discrete: () => [1], ve: () => [2], flow: () => [3] };

  test.each([
    [ddpmSchedule(), 1],
    [edmSchedule(), 2],
    [flowSchedule(), 3],
  ] as const)("the law of the networks' schedule draws", (schedule, wanted) => {
    expect(bySchedule(laws)(randomStream(0), 1, moment(schedule))).toEqual([wanted]);
  });

  test("a schedule that no law is for, and what is no law", () => {
    const flow = () => bySchedule({ discrete: law })(randomStream(0), 1, moment(flowSchedule()));
    expectSidError("unsupported", flow, /continuous times of a "flow" schedule; give the method the option timesteps/);
    const continuous = () => bySchedule(laws)(randomStream(0), 1, moment({ ...ddpmSchedule(), discrete: false }));
    expectSidError("unsupported", continuous, /continuous times of a "vp" schedule/);
    expectSidError("invalid-argument", () => bySchedule({ flow: 3 as never }), /flow must be a function/);
    expectSidError("invalid-argument", () => bySchedule({ edm: law } as never), /laws has no "edm"/);
    expectSidError("invalid-argument", () => bySchedule(laws)(randomStream(0), 1, undefined as never), /schedule/);
  });
});

describe("cotangentsOf", () => {
  const product = ({ a, b }: Readonly<Record<"a" | "b" | "generated", Tensor>>) => sum(mul(a, b)) as Scalar;
  const tensors = () => ({ generated: tensor1d([7, 7]), a: tensor1d([1, 2]), b: tensor1d([3, 5]) });

  test("the loss and the gradients that were named; one tensor under two names gets each place's own", () =>
    free(() => {
      const both = cotangentsOf(product, tensors(), ["a", "b"]);
      expectClose(both.loss, [13], 1e-7);
      expectClose(both.a as Tensor, [3, 5], 1e-7);
      expectClose(both.b as Tensor, [1, 2], 1e-7);
      expect(Object.keys(cotangentsOf(product, tensors(), ["b"])).sort()).toEqual(["b", "loss"]);
      const a = tensor1d([1, 2]);
      expectClose(cotangentsOf(product, { ...tensors(), a, b: a }, ["a"]).a as Tensor, [1, 2], 1e-7);
    }));

  test("what is not there, what the loss does not reach, and what is no loss", () =>
    free(() => {
      const of = (loss: typeof product, names: readonly ("a" | "b" | "generated")[]) => () =>
        cotangentsOf(loss, tensors(), names);
      expectSidError("invalid-argument", of(product, ["c" as "a"]), /no "c" among the tensors.*generated, a, b/);
      expectSidError("invalid-argument", of(product, ["generated"]), /depend on generated \[2\]/);
      expectSidError(
        "shape-mismatch",
        of(({ a }) => zerosLike(a) as unknown as Scalar, ["a"]),
        /wanted a result \[\]/,
      );
      expectSidError("invalid-argument", of(product, []), /tensors to differentiate|names/);
      expectSidError("invalid-argument", () => cotangentsOf(3 as never, tensors(), ["a"]), /loss must be a function/);
    }));
});
