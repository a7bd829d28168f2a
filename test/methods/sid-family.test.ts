import { fc, test } from "@fast-check/vitest";
import { mul, type Tensor, tensor1d } from "@tensorflow/tfjs-core";
import { describe, expect } from "vitest";
import { randomStream, type SidErrorCode } from "../../src/core";
import { antiCfg, lsg, noGuidance, shortGuidance, zeroCfg } from "../../src/guidance";
import { type LossInputs, type LossWeight, type SimDistance, sidLoss, simLoss } from "../../src/losses";
import {
  cotangentsOf,
  fewStepSid,
  type Moment,
  type ScoreMethod,
  type SidOptions,
  type SimOptions,
  sid,
  sidDit,
  sidLsg,
  sim,
} from "../../src/methods";
import { checkMethod } from "../../src/methods/check-method";
import type { NoiseLevel } from "../../src/predict";
import { ddpmSchedule, edmSchedule, flowSchedule, type NoiseSchedule } from "../../src/schedules";
import { expectSidError } from "../support/errors";
import { expectClose } from "../support/matchers";
import { draw, free, levels, seeds, shapes } from "../support/values";

const batches = shapes.chain((shape) => fc.tuple(fc.constant(shape), levels(shape[0] as number)));
const reductions = fc.constantFrom("sum" as const, "mean" as const);
const weights = fc.constantFrom<LossWeight>("l1", "none", "snr", "one-minus-sigma", "inverse-sigma-squared");
const names = ["loss", "generated", "teacher", "fake"] as const;
const makers = { sid, sidLsg, fewStepSid, sidDit };
const moment = (schedule: NoiseSchedule): Moment => ({ schedule, nimg: 0, iteration: 0 });

function inputsOf(seed: number, shape: readonly number[]): LossInputs {
  const [generated, teacher, fake] = draw(seed, shape, 3) as [Tensor, Tensor, Tensor];
  return { generated, teacher, fake };
}

const circumstances = (level: NoiseLevel, valid = level.alpha.map(() => 1)) => ({
  level,
  t: level.alpha.map(() => 1),
  moment: moment(ddpmSchedule()),
  valid: tensor1d(valid),
});

describe("the methods on the score-identity loss", () => {
  const makes = fc.constantFrom(...Object.values(makers));
  test.prop([makes, seeds, batches, weights, reductions, fc.double({ min: 0, max: 2, noNaN: true })])(
    "cotangents are the tape's gradient of the published loss",
    (make, seed, [shape, level], weight, reduction, alpha) =>
      free(() => {
        const inputs = inputsOf(seed, shape);
        const valid = level.alpha.map((_, i) => Number(i !== 1));
        const at = circumstances(level, valid);
        const method = make({ alpha, weight, reduction });
        const closed = method.generator.cotangents(inputs, at);
        const how = { alpha, weight, reduction, level, valid: at.valid };
        const tape = cotangentsOf((given) => sidLoss(given, how), inputs, ["generated", "teacher", "fake"]);
        for (const name of names) expectClose(closed[name] as Tensor, tape[name] as Tensor, 1e-6);
      }),
  );

  test.prop([seeds, batches, reductions])(
    "SIM with the squared distance is twice SiD at α = 1",
    (seed, [shape, level], reduction) =>
      free(() => {
        const [inputs, at] = [inputsOf(seed, shape), circumstances(level)];
        const twice = sid({ alpha: 1, weight: "none", reduction }).generator.cotangents(inputs, at);
        const own = sim({ reduction }).generator.cotangents(inputs, at);
        for (const name of names) expectClose(own[name] as Tensor, mul(twice[name] as Tensor, 2), 1e-5);
      }),
  );

  const distances = fc.constantFrom<SimDistance>("squared", { huber: 0.5 }, (y) => mul(y, 3));
  test.prop([distances, seeds, batches, weights, reductions])(
    "SIM's cotangents are the tape's gradient of its loss, for each distance",
    (distance, seed, [shape, level], weight, reduction) =>
      free(() => {
        const inputs = inputsOf(seed, shape);
        const at = circumstances(
          level,
          level.alpha.map((_, i) => Number(i !== 0)),
        );
        const closed = sim({ distance, weight, reduction }).generator.cotangents(inputs, at);
        const how = { distance, weight, reduction, level, valid: at.valid };
        const tape = cotangentsOf((given) => simLoss(given, how), inputs, ["generated", "teacher", "fake"]);
        for (const name of names) expectClose(closed[name] as Tensor, tape[name] as Tensor, 1e-6);
      }),
  );

  test.prop([seeds, batches])(
    "few-step SiD is SiD-LSG with its scales and a random number of passes",
    (seed, [shape, level]) =>
      free(() => {
        for (const guidance of [zeroCfg(), antiCfg(-0.5)]) {
          const few = fewStepSid({ guidance });
          const same = sidLsg({ guidance, steps: "random" });
          expect({ ...few.settings }).toEqual({ ...same.settings });
          expect(few.generator.asks).toEqual(same.generator.asks);
          const [inputs, at] = [inputsOf(seed, shape), circumstances(level)];
          const [one, other] = [few, same].map(({ generator }) => generator.cotangents(inputs, at));
          for (const name of names) expectClose(one?.[name] as Tensor, other?.[name] as Tensor, 0);
        }
        expect(fewStepSid().settings["guidance"]).toEqual(zeroCfg());
      }),
  );

  test.each<[string, ScoreMethod, object]>([
    ["sid", sid(), { alpha: 1.2, weight: "l1", lossScale: 100, fakeLossScale: 1, fakeUpdates: 1, steps: "all" }],
    ["sidLsg", sidLsg(), { alpha: 1, weight: "l1", fakeWeight: "eps", lossScale: 1, reduction: "sum", steps: "all" }],
    ["fewStepSid", fewStepSid(), { alpha: 1, weight: "l1", guidance: zeroCfg(), lossScale: 1, steps: "random" }],
    ["sidDit", sidDit(), { weight: "one-minus-sigma", fakeWeight: "flow", lossScale: 100, contextDropout: 0 }],
    ["sim", sim(), { distance: "squared", weight: "none", fakeWeight: "default", lossScale: 1, steps: "all" }],
  ])("%s is well-formed and has the published defaults", (name, method, settings) => {
    expect(checkMethod("distill", method)).toBe(method);
    expect(method.name).toBe(name);
    expect(method.settings).toMatchObject(settings);
    expect(JSON.parse(JSON.stringify(method.settings))).toEqual(method.settings);
  });

  test.each([
    [sid(), 1e-5, noGuidance(), 0],
    [sidLsg(), 1e-6, noGuidance(), 0],
    [sidLsg({ guidance: lsg(1.5) }), 1e-6, lsg(1.5), 0.1],
    [fewStepSid(), 1e-6, zeroCfg(), 0.1],
    [sidDit(), 5e-6, lsg(4.5), 0],
    [sim(), 1e-5, noGuidance(), 0],
  ] as const)(
    "recipes, scales and dropped texts as published",
    ({ recipe, generator, fakeScore }, rate, kappas, dropout) => {
      expect(recipe).toEqual({ learningRate: rate, beta1: 0, beta2: 0.999 });
      expect(generator.asks.teacher).toEqual({ of: "teacher", guidanceScale: kappas.kappa4, gradient: true });
      expect(generator.asks.fake).toEqual({ of: "fakeScore", guidanceScale: kappas.kappa2, gradient: true });
      expect(fakeScore?.guidanceScale).toBe(kappas.kappa1);
      expect(fakeScore?.contextDropout).toBe(dropout);
    },
  );

  test.each<[SimOptions["distance"], SidErrorCode, RegExp]>([
    ["cubed" as "squared", "invalid-argument", /sim: distance must be one of "squared"/],
    [{ huber: -1 }, "out-of-range", /distance\.huber/],
    [{ hubre: 1 } as never, "invalid-argument", /distance has no "hubre"; it takes huber/],
    [null as never, "invalid-argument", /distance must be an object/],
  ])("distance %o is refused", (distance, code, message) => {
    expectSidError(code, () => sim({ distance }), message);
  });

  test("sid's laws: SiD's ladder and EDM's law for σ, Stable Diffusion's timesteps, SiD-DiT's times for flow", () => {
    const { generator, fakeScore } = sid();
    const draws = (law: typeof generator.timesteps, schedule: NoiseSchedule) =>
      law(randomStream(1), 4000, moment(schedule)).sort((a, b) => a - b);
    const median = (sorted: readonly number[]) => sorted[sorted.length / 2] as number;
    const ladder = draws(generator.timesteps, edmSchedule());
    expect(ladder.at(-1)).toBeLessThan(24.5);
    expect(ladder.at(-1)).toBeGreaterThan(23.5);
    expect(median(draws(fakeScore?.timesteps as typeof generator.timesteps, edmSchedule()))).toBeCloseTo(
      Math.exp(-1.2),
      1,
    );
    for (const law of [generator.timesteps, fakeScore?.timesteps as typeof generator.timesteps]) {
      const steps = draws(law, ddpmSchedule());
      expect([steps[0], steps.at(-1)]).toEqual([20, 979]);
      expect(Math.abs(median(draws(law, flowSchedule())) - 2 / 3)).toBeLessThan(0.03);
    }
  });

  test("sid's fake score: the error of the noise, or EDM's weight on σ", () => {
    const weight = sid().fakeScore?.weight as (alpha: number, sigma: number) => number;
    expect(weight(0.8, 0.6)).toBeCloseTo(0.64 / 0.36, 12);
    expect(weight(0.25, 0.75)).toBeCloseTo(1 / 9, 12);
    expect(weight(1, 2)).toBeCloseTo(0.25 + 4, 12);
  });

  test("scales go to the passes that they guide; text is dropped only where it is guided away from", () => {
    const guidance = { kappa1: 2, kappa2: 3, kappa4: 4 };
    const { generator, fakeScore, warnings } = sid({ guidance });
    expect(generator.asks.teacher.guidanceScale).toBe(4);
    expect(generator.asks.fake.guidanceScale).toBe(3);
    expect(fakeScore?.guidanceScale).toBe(2);
    expect(fakeScore?.contextDropout).toBe(0.1);
    expect(warnings?.[0]).toMatch(/kappa1 = 2 differs from kappa2 = 3/);
    expect(sid({ guidance: lsg(2) }).warnings).toEqual([]);
    expect(sid({ guidance: { ...noGuidance(), kappa4: 7 } }).fakeScore?.contextDropout).toBe(0);
    expect(sid({ guidance: shortGuidance(0.5), contextDropout: 0.3 }).fakeScore?.contextDropout).toBe(0.3);
    expect(sid({ guidance: antiCfg(-1) }).fakeScore?.guidanceScale).toBe(-1);
  });

  test("an option given as undefined is the default, a law or a weight of one's own is told as such", () => {
    const law = () => [1];
    expect(sid({ alpha: undefined, weight: undefined }).settings).toEqual(sid().settings);
    const settings = sid({ timesteps: law, fakeWeight: () => 1, weight: () => tensor1d([1]) }).settings;
    expect(settings).toMatchObject({ timesteps: "custom", fakeWeight: "custom", weight: "custom" });
    expect(settings["fakeTimesteps"]).toBe("default");
    expect(sid({ timesteps: law }).generator.timesteps).toBe(law);
  });

  test.each<[object, SidErrorCode, RegExp]>([
    [{ wheight: "l1" }, "invalid-argument", /sid: options has no "wheight"; did you mean weight\?/],
    [{ alpha: Number.NaN }, "not-finite", /alpha/],
    [{ alpha: null }, "invalid-argument", /alpha must be a number, got null/],
    [{ weight: "l2" }, "invalid-argument", /weight must be one of "l1"/],
    [{ fakeWeight: "ddpm" }, "invalid-argument", /fakeWeight must be one of/],
    [{ reduction: "max" }, "invalid-argument", /reduction/],
    [{ steps: "some" }, "invalid-argument", /steps/],
    [{ fakeUpdates: 0 }, "out-of-range", /fakeUpdates/],
    [{ lossScale: 0 }, "out-of-range", /lossScale must be above 0/],
    [{ fakeLossScale: -1 }, "out-of-range", /fakeLossScale/],
    [{ timesteps: [20, 980] }, "invalid-argument", /timesteps must be a function/],
    [{ fakeTimesteps: 1 }, "invalid-argument", /fakeTimesteps must be a function/],
    [{ guidance: 1.5 }, "invalid-argument", /guidance must be an object/],
    [{ guidance: { kappa: 2 } }, "invalid-argument", /guidance has no "kappa"/],
    [{ guidance: { kappa1: 1, kappa2: 1 } }, "invalid-argument", /guidance\.kappa4/],
    [{ contextDropout: 2 }, "out-of-range", /contextDropout/],
  ])("%o is refused", (options, code, message) => {
    expectSidError(code, () => sid(options as SidOptions), message);
  });
});
