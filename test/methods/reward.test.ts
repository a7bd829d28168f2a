import { fc, test } from "@fast-check/vitest";
import {
  add,
  mul,
  sqrt,
  square,
  sum,
  type Tensor,
  type Tensor1D,
  tensor1d,
  tensor2d,
  zeros,
} from "@tensorflow/tfjs-core";
import { describe, expect } from "vitest";
import { lcm, type RewardOptions, sid, sidLsg, withReward } from "../../src/methods";
import { checkMethod } from "../../src/methods/check-method";
import { ddpmSchedule } from "../../src/schedules";
import { expectSidError } from "../support/errors";
import { expectClose, numbers } from "../support/matchers";
import { draw, free, seeds } from "../support/values";

const shape = [3, 2];
const level = { alpha: [0.9, 0.6, 0.3], sigma: [0.4, 0.8, 0.95] };
const at = (nimg = 0, valid = [1, 1, 1], cond?: Tensor) => ({
  level,
  t: [1, 2, 3],
  moment: { schedule: ddpmSchedule(), nimg, iteration: 0 },
  valid: tensor1d(valid),
  cond,
});
const inputsOf = (seed: number) => {
  const [generated, teacher, fake] = draw(seed, shape, 3) as [Tensor, Tensor, Tensor];
  return { generated, teacher, fake };
};
/** R = −½‖x‖², whose gradient is −x. */
const near: RewardOptions["reward"] = (x) => mul(sum(square(x), 1), -0.5) as Tensor1D;

describe("withReward", () => {
  test.prop([seeds, fc.double({ min: -3, max: 3, noNaN: true })])(
    "adds −w·∇R/B at the samples and −w·mean R to the loss, and nothing else",
    (seed, weight) =>
      free(() => {
        const inputs = inputsOf(seed);
        const base = sid({ alpha: 1 });
        const [own, alone] = [withReward(base, { reward: near, weight }), base].map(({ generator }) =>
          generator.cotangents(inputs, at()),
        );
        const x = numbers(inputs.generated);
        const gradient = numbers(alone?.generated as Tensor).map((g, i) => g + (weight * (x[i] as number)) / 3);
        expectClose(own?.generated as Tensor, gradient, 1e-5);
        const mean = x.reduce((all, v) => all - (v * v) / 2, 0) / 3;
        expectClose(
          [numbers(own?.loss as Tensor)[0] as number],
          [(numbers(alone?.loss as Tensor)[0] as number) - weight * mean],
          1e-4,
        );
        for (const name of ["teacher", "fake"] as const) expectClose(own?.[name] as Tensor, alone?.[name] as Tensor, 0);
      }),
  );

  test("two rewards add up, each from when it begins; the condition is handed on", () =>
    free(() => {
      const text = tensor2d([[1], [2], [3]]);
      const along: RewardOptions["reward"] = (x, cond) => sum(mul(x, cond as Tensor), 1) as Tensor1D;
      const late = withReward(sidLsg(), { reward: along, weight: 3, startsAt: 100 });
      const both = withReward(late, { reward: near, weight: 1 });
      const inputs = inputsOf(1);
      const at0 = (method: typeof both, nimg: number) =>
        method.generator.cotangents(inputs, at(nimg, [1, 1, 1], text)).generated as Tensor;
      const alone = at0(sidLsg(), 0);
      expectClose(at0(late, 99), alone, 0);
      expectClose(at0(late, 100), add(alone, mul(text, -1)), 1e-6);
      expectClose(at0(both, 100), add(add(alone, mul(text, -1)), mul(inputs.generated, 1 / 3)), 1e-6);
    }));

  test("samples that do not count get no reward, whatever they hold", () =>
    free(() => {
      const inputs = inputsOf(2);
      const spoilt = tensor2d(
        numbers(inputs.generated).map((x, i) => (i < 2 ? Number.NaN : x)),
        [3, 2],
      );
      const method = withReward(sid(), { reward: near, weight: 1 });
      const [own, clean] = [spoilt, inputs.generated].map((generated) =>
        method.generator.cotangents({ ...inputs, generated }, at(0, [0, 1, 1])),
      );
      expectClose(own?.generated as Tensor, clean?.generated as Tensor, 1e-6);
      expectClose(own?.loss as Tensor, clean?.loss as Tensor, 1e-6);
      for (const x of numbers(own?.generated as Tensor).slice(0, 2)) expect(Math.abs(x)).toBe(0);
    }));

  test("a sample whose reward is not finite goes without, the others keep theirs", () =>
    free(() => {
      const generated = tensor2d([-2, -2, 1, 2, 3, 4], [3, 2]);
      const inputs = { ...inputsOf(3), generated };
      // NaN of the first sample, with a gradient that is NaN as well.
      const reward: RewardOptions["reward"] = (x) => sum(sqrt(x), 1) as Tensor1D;
      const [own, alone] = [withReward(sid(), { reward, weight: 1 }), sid()].map(({ generator }) =>
        generator.cotangents(inputs, at()),
      );
      const slopes = [0, 0, 1, 2, 3, 4].map((x) => (x === 0 ? 0 : -0.5 / Math.sqrt(x) / 3));
      const wanted = numbers(alone?.generated as Tensor).map((g, i) => g + (slopes[i] as number));
      expectClose(own?.generated as Tensor, wanted, 1e-6);
      const rewards = [1, 2, 3, 4].reduce((all, x) => all + Math.sqrt(x), 0) / 3;
      expectClose(
        [numbers(own?.loss as Tensor)[0] as number],
        [(numbers(alone?.loss as Tensor)[0] as number) - rewards],
        1e-5,
      );
    }));

  test("it is a method of another name and other settings", () => {
    const method = checkMethod("distill", withReward(sidLsg(), { reward: near, weight: 2 }));
    expect(method.name).toBe("sidLsg+reward");
    expect(method.settings).toMatchObject({ ...sidLsg().settings, "reward of sidLsg": { weight: 2, startsAt: 0 } });
    const twice = withReward(method, { reward: near, weight: 5 });
    expect(Object.keys(twice.settings).filter((key) => key.startsWith("reward of"))).toHaveLength(2);
  });

  test("methods without samples and rewards that are none are refused", () =>
    free(() => {
      const options = { reward: near, weight: 1 };
      expectSidError("invalid-argument", () => withReward(lcm(), options), /"lcm" learns from real images.*sidLsg/);
      expectSidError(
        "invalid-argument",
        () => withReward(sid(), { ...options, reward: 3 as never }),
        /reward must be a f/,
      );
      expectSidError("not-finite", () => withReward(sid(), { ...options, weight: Number.NaN }), /weight/);
      expectSidError("out-of-range", () => withReward(sid(), { ...options, startsAt: -1 }), /startsAt/);
      expectSidError("invalid-argument", () => withReward(sid(), { ...options, wieght: 1 } as never), /no "wieght"/);
      const computed = (reward: RewardOptions["reward"]) => () =>
        withReward(sid(), { reward, weight: 1 }).generator.cotangents(inputsOf(1), at());
      expectSidError(
        "shape-mismatch",
        computed((x) => x as Tensor1D),
        /the reward must be \[3\].*got \[3, 2\]/,
      );
      expectSidError(
        "invalid-argument",
        computed(() => zeros([3]) as Tensor1D),
        /depend on generated/,
      );
      expectSidError(
        "invalid-argument",
        computed(() => 3 as never),
        /the reward must be a tensor/,
      );
    }));
});
