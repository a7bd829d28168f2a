/** f-distill's weights, the adversarial terms of the stopped-gradient family and their discriminators' losses. */
import { fc, test } from "@fast-check/vitest";
import {
  add,
  mean as meanOf,
  mul,
  scalar,
  softplus,
  Tensor,
  type Tensor1D,
  tensor1d,
  tensor2d,
} from "@tensorflow/tfjs-core";
import { describe, expect, vi } from "vitest";
import { SidError, vjp } from "../../src/core";
import { type FDivergenceName, fDivergences } from "../../src/losses";
import { type DiscriminatorUpdate, dmd2, type FDistillOptions, fDistill, type Method } from "../../src/methods";
import { ddpmSchedule } from "../../src/schedules";
import { expectSidError } from "../support/errors";
import { expectClose, numbers } from "../support/matchers";
import { draw, free, seeds } from "../support/values";

const moment = { schedule: ddpmSchedule(), nimg: 0, iteration: 0 };
const around = (t: number[], valid = t.map(() => 1)) => ({
  level: { alpha: t.map(() => 0.8), sigma: t.map(() => 0.6) },
  t,
  moment,
  valid: tensor1d(valid),
});

const byHand: Readonly<Record<FDivergenceName, (r: number) => number>> = {
  "reverse-kl": () => 1,
  "forward-kl": (r) => r,
  "jensen-shannon": (r) => 1 - 1 / (1 + r),
  "softened-reverse-kl": (r) => 1 / (1 + r),
  hellinger: (r) => r ** 0.5,
  jeffreys: (r) => 1 + r,
  neyman: (r) => 1 / r,
};
const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

describe("f-distill", () => {
  const logits = fc.array(fc.double({ min: -12, max: 12, noNaN: true }), { minLength: 5, maxLength: 5 });
  const times = fc.array(fc.integer({ min: 0, max: 999 }), { minLength: 5, maxLength: 5 });
  const names = fc.constantFrom(...fDivergences);

  test.prop([seeds, logits, times, names, fc.constantFrom(10, 3, 0), fc.boolean(), fc.boolean()])(
    "g and its loss by the official formula, over the samples that count",
    (seed, logit, t, divergence, bins, normalize, drop) =>
      free(() => {
        const [generated, teacher, fake] = draw(seed, [5, 4], 3) as [Tensor, Tensor, Tensor];
        const method = fDistill({ divergence, bins, normalize, adversarialWeight: 0 });
        const counts = (i: number) => !drop || i !== 2;
        const given = logit.map((value, i) => (counts(i) ? value : Number.NaN));
        const valid = t.map((_, i) => Number(counts(i)));
        const tensors = { generated, teacher, fake, logit: tensor1d(given) };
        const cotangents = method.generator.cotangents(tensors, around(t, valid));
        const r = logit.map((x) => Math.min(Math.max(Math.exp(Math.min(Math.max(x, -10), 10)), 0.1), 20));
        const bin = (i: number) => Math.min(Math.floor(((t[i] as number) / 999) * bins), bins - 1);
        const others = (i: number) => r.filter((_, j) => counts(j) && bin(j) === bin(i));
        const h = r.map((x, i) => byHand[divergence](bins === 0 ? x : x / (mean(others(i)) + 1e-6)));
        const whole = normalize ? mean(h.filter((_, i) => counts(i))) + 1e-6 : 1;
        const [x, f, p] = [generated, teacher, fake].map(numbers) as [number[], number[], number[]];
        const wanted = x.map((_, k) => {
          const i = Math.floor(k / 4);
          if (!counts(i)) return 0;
          const m = mean([0, 1, 2, 3].map((j) => Math.abs((x[4 * i + j] as number) - (f[4 * i + j] as number))));
          return (((h[i] as number) / whole / (m + 1e-6)) * ((p[k] as number) - (f[k] as number))) / 20;
        });
        expectClose(cotangents.generated as Tensor, wanted, 1e-5);
        expect(cotangents.logit).toBeUndefined();
        expectClose(cotangents.loss, [wanted.reduce((sum, g) => sum + g * g * 10, 0)], 1e-5);
      }),
  );

  test("the weights of a batch with r = (r, 0.5) in one bin, both normalised: the golden fixture", () =>
    free(() => {
      const same = tensor2d([
        [0, 0],
        [0, 0],
      ]);
      const method = fDistill({ weight: "none", reduction: "sum", adversarialWeight: 0 });
      const tensors = {
        generated: same,
        teacher: same,
        fake: add(same, 1),
        logit: tensor1d([1.0471755426, Math.log(0.5)]),
      };
      const g = numbers(method.generator.cotangents(tensors, around([510, 520])).generated as Tensor);
      expectClose([2 * (g[0] as number), 2 * (g[2] as number)], [1.4651657984, 0.5348295491], 1e-6);
    }));

  test("a map of logits counts by its mean", () =>
    free(() => {
      const [generated, teacher, fake] = draw(3, [2, 3], 3) as [Tensor, Tensor, Tensor];
      const method = fDistill({ bins: 0, normalize: false });
      const map = tensor2d([
        [1, 3, 2],
        [-1, 0, 1],
      ]);
      const tensors = { generated, teacher, fake };
      const whole = method.generator.cotangents({ ...tensors, logit: map }, around([1, 2]));
      const one = method.generator.cotangents({ ...tensors, logit: tensor1d([2, 0]) }, around([1, 2]));
      expectClose(whole.generated as Tensor, one.generated as Tensor, 1e-6);
      expect((whole.logit as Tensor).shape).toEqual([2, 3]);
    }));

  test("an h of one's own is the named one where it is the same", () =>
    free(() => {
      const [generated, teacher, fake] = draw(4, [3, 2], 3) as [Tensor, Tensor, Tensor];
      const tensors = { generated, teacher, fake, logit: tensor1d([-1, 0.5, 2]) };
      const own = fDistill({ divergence: (r) => add(r, 1) });
      const named = fDistill({ divergence: "jeffreys" });
      const [one, two] = [own, named].map((method) => method.generator.cotangents(tensors, around([10, 500, 990])));
      expectClose(one?.generated as Tensor, two?.generated as Tensor, 1e-7);
      expect(own.settings["divergence"]).toBe("custom");
      expect(own.warnings).toEqual([]);
    }));

  test.each<[string, (r: Tensor1D) => Tensor, RegExp]>([
    ["negative below 1", (r) => add(r, -1), /not f-convex.*nowhere negative, got -0\.999.* at r = 0\.00100/],
    ["negative above 100", (r) => add(mul(r, -0.01), 1), /not f-convex.*at r = 126/],
    ["NaN", (r) => mul(r, Number.NaN), /not f-convex.*got NaN/],
    ["infinite", (r) => mul(r, Number.POSITIVE_INFINITY), /not f-convex.*got Infinity/],
  ])("an h that is %s is refused when the method is made", (_, divergence, message) =>
    free(() => expectSidError("invalid-argument", () => fDistill({ divergence }), message)),
  );

  test("where values cannot be waited for, an h is left unchecked, with a warning", () => {
    const { prototype } = Tensor;
    const read = vi.spyOn(prototype, "dataSync").mockImplementation(() => {
      throw new SidError("unsupported", "webgpu backend: dataSync() cannot wait");
    });
    try {
      expect(fDistill({ divergence: (r) => add(r, -1) }).warnings).toEqual([
        expect.stringMatching(/could not be checked/),
      ]);
      read.mockImplementation(() => {
        throw new Error("broken");
      });
      expect(() => fDistill({ divergence: (r) => add(r, 1) })).toThrow("broken");
    } finally {
      read.mockRestore();
    }
  });

  test.each<[FDistillOptions, RegExp]>([
    [{ divergence: "kl" as "neyman" }, /divergence must be one of/],
    [{ clip: [2, 1] }, /clip must be \[least, most\]/],
    [{ bins: -1 }, /fDistill: bins/],
    [{ normalize: 1 as never }, /fDistill: normalize must be true or false/],
    [{ adversarialWeight: Number.NaN }, /fDistill: adversarialWeight/],
    [{ divergnce: "neyman" } as FDistillOptions, /did you mean divergence/],
  ])("bad options: %o", (options, message) => {
    const codes = ["invalid-argument", "out-of-range", "not-finite"];
    try {
      fDistill(options);
    } catch (error) {
      expect(codes).toContain((error as { code?: string }).code);
      expect((error as Error).message).toMatch(message);
      return;
    }
    expect.unreachable();
  });
});

describe("the adversarial term", () => {
  const shapes = fc.constantFrom([4], [4, 1], [4, 2, 3]);

  test.prop([seeds, shapes, fc.constantFrom(1e-3, 2)])(
    "adds weight·mean softplus(−D), and its gradient at the logit is the tape's; logits far out still count",
    (seed, shape, adversarialWeight) =>
      free(() => {
        const [generated, teacher, fake] = draw(seed, [4, 3], 3) as [Tensor, Tensor, Tensor];
        const logit = mul(draw(seed + 1, shape, 1)[0] as Tensor, 15);
        for (const make of [dmd2, fDistill] as const) {
          const at = around([20, 200, 300, 980]);
          const tensors = { generated, teacher, fake, logit };
          const method = make({ adversarialWeight });
          const { loss, logit: own } = method.generator.cotangents(tensors, at);
          const plain = make({ adversarialWeight: 0 }).generator.cotangents(tensors, at);
          const term = (x: Tensor) => mul(meanOf(softplus(mul(x, -1))), adversarialWeight);
          const [slope] = vjp(term, [logit], scalar(1));
          expectClose(own as Tensor, slope as Tensor, 1e-5);
          expectClose(loss, add(plain.loss, term(logit)), 1e-5);
        }
      }),
  );

  test("samples that do not count leave it, whatever they hold", () =>
    free(() => {
      const [generated, teacher, fake] = draw(1, [2, 2], 3) as [Tensor, Tensor, Tensor];
      const logit = tensor1d([Number.NaN, 1]);
      const { logit: own } = dmd2({ adversarialWeight: 1 }).generator.cotangents(
        { generated, teacher, fake, logit },
        around([30, 40], [0, 1]),
      );
      expectClose(own as Tensor, [0, -1 / (1 + Math.E) / 2], 1e-6);
    }));

  test.each<[string, Method, number]>([
    ["dmd2", dmd2({ adversarialWeight: 1e-3 }), 1e-2],
    ["fDistill", fDistill(), 1],
  ])(
    "the discriminator of %s learns weight·[softplus(D(fake)) + softplus(−D(real))], each averaged",
    (_, method, weight) =>
      free(() => {
        const update = method.fakeScore?.discriminator as DiscriminatorUpdate;
        const [a, b] = draw(5, [3, 2], 2).map((x) => mul(x, 12)) as [Tensor, Tensor];
        const by = (x: Tensor, sign: number) => mean(numbers(x).map((d) => Math.log1p(Math.exp(sign * d))));
        expectClose(update.loss({ generated: a, real: b }, around([1, 2, 3])), [weight * (by(a, 1) + by(b, -1))], 1e-5);
        const [nan, ok] = [tensor1d([Number.NaN, 1]), tensor1d([Number.NaN, -2])];
        const masked = update.loss({ generated: nan, real: ok }, around([1, 2], [0, 1]));
        expectClose(masked, [(weight * (Math.log1p(Math.E) + Math.log1p(Math.E ** 2))) / 2], 1e-5);
        const slopes = vjp(
          (x, y) => update.loss({ generated: x as Tensor, real: y as Tensor }, around([1, 2, 3])),
          [a, b],
          scalar(1),
        );
        expectClose(
          slopes[0] as Tensor,
          numbers(a).map((d) => weight / (1 + Math.exp(-d)) / 6),
          1e-5,
        );
        expectClose(
          slopes[1] as Tensor,
          numbers(b).map((d) => -weight / (1 + Math.exp(d)) / 6),
          1e-5,
        );
      }),
  );

  test("its times: DMD2's own in both updates, f-distill's those of the updates", () => {
    const { generator, fakeScore } = dmd2({ adversarialWeight: 1e-3 });
    expect(generator.otherTimesteps).toBeDefined();
    expect(generator.otherTimesteps).toBe(fakeScore?.discriminator?.timesteps);
    const other = fDistill();
    expect(other.generator.asks.logit.at ?? "xt").toBe("xt");
    expect(other.fakeScore?.discriminator?.timesteps).toBeUndefined();
  });
});
