import { fc, test } from "@fast-check/vitest";
import { type Tensor, tensor, tensor1d } from "@tensorflow/tfjs-core";
import { describe, expect } from "vitest";
import type { SidErrorCode } from "../../src/core";
import { lsg } from "../../src/guidance";
import type { LossWeight } from "../../src/losses";
import { type SidaOptions, sid, sida } from "../../src/methods";
import { checkMethod } from "../../src/methods/check-method";
import type { NoiseLevel } from "../../src/predict";
import { edmSchedule } from "../../src/schedules";
import { expectSidError } from "../support/errors";
import { expectClose, numbers } from "../support/matchers";
import { draw, free, levels, seeds, shapes } from "../support/values";

const batches = shapes.chain((shape) => fc.tuple(fc.constant(shape), levels(shape[0] as number)));
const names = ["loss", "generated", "teacher", "fake"] as const;

const circumstances = (level: NoiseLevel, valid = level.alpha.map(() => 1)) => ({
  level,
  t: level.alpha.map(() => 1),
  moment: { schedule: edmSchedule(), nimg: 300_000, iteration: 1 },
  valid: tensor1d(valid),
});

/** Inputs, and logits of two places per sample. */
function tensorsOf(seed: number, shape: readonly number[]) {
  const [generated, teacher, fake] = draw(seed, shape, 3) as [Tensor, Tensor, Tensor];
  const [logit] = draw(seed + 1, [shape[0] as number, 2], 1) as [Tensor];
  return { generated, teacher, fake, logit };
}

const entropy = (logit: number) => Math.log1p(Math.exp(-logit));
const slope = (logit: number) => -1 / (1 + Math.exp(logit));
const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
const size = (shape: readonly number[]) => shape.slice(1).reduce((a, b) => a * b, 1);

describe("sida", () => {
  const means = fc.constantFrom("batch" as const, "sample" as const);
  const reductions = fc.constantFrom("sum" as const, "mean" as const);
  const weights = fc.constantFrom<LossWeight>("l1", "none", "one-minus-sigma");

  test.prop([seeds, batches, means, reductions, weights])(
    "½·SiD and ½·0.01·d·BCE·ω: by hand, and its gradient at the logits",
    (seed, [shape, level], adversarialMean, reduction, weight) =>
      free(() => {
        const { logit, ...inputs } = tensorsOf(seed, shape);
        const at = circumstances(level);
        const { generator } = sida({ adversarialMean, reduction, weight });
        const own = generator.cotangents({ ...inputs, logit }, at);
        const alone = sid({ alpha: 1, reduction, weight }).generator.cotangents(inputs, at);
        for (const name of ["generated", "teacher", "fake"] as const)
          expectClose(
            own[name] as Tensor,
            numbers(alone[name] as Tensor).map((x) => x / 2),
            1e-5,
          );

        const d = reduction === "sum" ? size(shape) : 1;
        const count = shape[0] as number;
        const [g, f] = [numbers(inputs.generated), numbers(inputs.teacher)];
        const logits = numbers(logit);
        const omega = level.alpha.map((a, i) => {
          const of = Array.from({ length: size(shape) }, (_, j) => i * size(shape) + j);
          if (weight === "none") return 1;
          if (weight === "one-minus-sigma") return a / (a + (level.sigma[i] as number));
          return 1 / Math.max(mean(of.map((j) => Math.abs((g[j] as number) - (f[j] as number)))), 1e-5);
        });
        const each = omega.map((_, i) => mean([0, 1].map((j) => entropy(logits[2 * i + j] as number))));
        const bce =
          adversarialMean === "batch" ? mean(each) * mean(omega) : mean(each.map((x, i) => x * (omega[i] as number)));
        const scale = generator.lossScale as number;
        const [loss] = numbers(own.loss);
        const [half] = numbers(alone.loss).map((x) => x / 2);
        expectClose([(loss as number) * scale], [(half as number) * 100 + 0.5 * 0.01 * d * bce], 1e-4);
        const wanted = logits.map((x, k) => {
          const w = adversarialMean === "batch" ? mean(omega) : (omega[Math.floor(k / 2)] as number);
          return (0.5 * 0.01 * d * w * slope(x)) / (2 * count);
        });
        expectClose(
          numbers(own.logit as Tensor).map((x) => x * scale),
          wanted,
          1e-5,
        );
      }),
  );

  test("until the adversarial term begins, SiD alone, whole and not half", () =>
    free(() => {
      const { logit, ...inputs } = tensorsOf(3, [2, 3]);
      const at = circumstances({ alpha: [1, 1], sigma: [0.5, 2] });
      const early = sida().generator.cotangents(inputs as typeof inputs & { logit: typeof logit }, at);
      const alone = sid({ alpha: 1 }).generator.cotangents(inputs, at);
      expect(early.logit).toBeUndefined();
      for (const name of names) expectClose(early[name] as Tensor, alone[name] as Tensor, 0);
    }));

  test("a sample that does not count leaves nothing anywhere, whatever it holds", () =>
    free(() => {
      const { logit, ...inputs } = tensorsOf(4, [2, 3]);
      const spoil = (x: Tensor) =>
        tensor(
          numbers(x).map((v, i) => (i < x.size / 2 ? Number.NaN : v)),
          x.shape,
        );
      const spoilt = Object.fromEntries(Object.entries({ ...inputs, logit }).map(([k, x]) => [k, spoil(x)]));
      const at = circumstances({ alpha: [1, 1], sigma: [0.5, 2] }, [0, 1]);
      const { generator, fakeScore } = sida();
      const [own, clean] = [spoilt as typeof inputs & { logit: Tensor }, { ...inputs, logit }].map((tensors) =>
        generator.cotangents(tensors, at),
      );
      for (const name of [...names, "logit"] as const)
        expectClose(own?.[name] as Tensor, clean?.[name] as Tensor, 1e-6);
      for (const x of numbers(own?.logit as Tensor).slice(0, 2)) expect(Math.abs(x)).toBe(0);
      const loss = (generated: Tensor) => fakeScore?.discriminator?.loss({ generated, real: logit }, at) as Tensor;
      expectClose(loss(spoilt["logit"] as Tensor), loss(logit), 1e-6);
    }));

  test.prop([seeds, batches])("the discriminator's loss, by hand", (seed, [shape, level]) =>
    free(() => {
      const [generated, real] = [tensorsOf(seed, shape).logit, tensorsOf(seed + 9, shape).logit];
      const on = (x: Tensor, sign: number) => mean(numbers(x).map((v) => entropy(sign * v)));
      const lambda = mean(level.alpha.map((a, i) => (a / (level.sigma[i] as number)) ** 2 + (a === 1 ? 4 : 0)));
      const loss = sida().fakeScore?.discriminator?.loss({ generated, real }, circumstances(level)) as Tensor;
      expectClose(loss, [(lambda * (on(generated, -1) + on(real, 1))) / 2], 1e-5);
      const own = sida({ discriminatorWeight: () => 6 }).fakeScore?.discriminator?.loss;
      expectClose(
        own?.({ generated, real }, circumstances(level)) as Tensor,
        [3 * (on(generated, -1) + on(real, 1))],
        1e-5,
      );
    }),
  );

  test("its defaults, and SiD-DiT's variant", () => {
    const method = checkMethod("distill", sida());
    expect(method.settings).toMatchObject({
      ...{ alpha: 1, weight: "l1", lossScale: 100, adversarialScale: 0.01, adversarialMean: "batch" },
      ...{ startsAt: 100_000, adversarialStartsAt: 200_000, discriminatorWeight: "default", fakeWeight: "default" },
    });
    expect(method.generator.startsAt).toBe(100_000);
    expect(method.generator.asks.logit).toEqual({ of: "discriminator", gradient: true, startsAt: 200_000 });
    expect(method.recipe).toEqual({ learningRate: 1e-5, beta1: 0, beta2: 0.999, fakeClipValue: 1 });
    const options = { guidance: lsg(4.5), contextDropout: 0, weight: "one-minus-sigma", adversarialScale: 1 } as const;
    const dit = sida({ ...options, adversarialMean: "sample", startsAt: 20_000, adversarialStartsAt: 40_000 });
    expect(checkMethod("distill", dit).generator.asks.teacher.guidanceScale).toBe(4.5);
    expect(dit.fakeScore?.contextDropout).toBe(0);
    expect(sida({ guidance: lsg(2) }).settings["contextDropout"]).toBe(0.1);
  });

  test.each<[object, SidErrorCode, RegExp]>([
    [{ adversarialScale: 0 }, "out-of-range", /sida: adversarialScale must be above 0/],
    [{ adversarialMean: "map" }, "invalid-argument", /adversarialMean must be one of "batch", "sample"/],
    [{ startsAt: -1 }, "out-of-range", /startsAt/],
    [{ adversarialStartsAt: Number.NaN }, "not-finite", /adversarialStartsAt/],
    [{ discriminatorWeight: "edm" }, "invalid-argument", /discriminatorWeight must be a function/],
    [{ startAt: 0 }, "invalid-argument", /options has no "startAt"; did you mean startsAt\?/],
    [{ alpha: Number.NaN }, "not-finite", /sida: alpha/],
    [{ weight: "l2" }, "invalid-argument", /sida: weight/],
  ])("%o is refused", (options, code, message) => {
    expectSidError(code, () => sida(options as SidaOptions), message);
  });
});
