import { add, dispose, mul, type Tensor, tensor1d, tensor2d, tidy, variable } from "@tensorflow/tfjs-core";
import { describe, expect, test } from "vitest";
import { randomStream, type SidErrorCode, valueAndGradients } from "../../src/core";
import { type LcmOptions, lcm } from "../../src/methods";
import { checkMethod } from "../../src/methods/check-method";
import { functionModel, type GeneratorModel, generatorFrom } from "../../src/models";
import { ddpmSchedule, edmSchedule, flowSchedule, type NoiseSchedule } from "../../src/schedules";
import { expectSidError } from "../support/errors";
import { expectClose } from "../support/matchers";
import { free } from "../support/values";

const moment = (schedule: NoiseSchedule) => ({ schedule, nimg: 0, iteration: 0 });
const timesOf = (options: LcmOptions, schedule: NoiseSchedule, count = 500) =>
  [...new Set(lcm(options).generator.timesteps(randomStream(1), count, moment(schedule)))].sort((a, b) => a - b);

const gains = { generator: 0.5, average: 0.4, teacher: 0.7 };

/** Networks that say `gain·x + text` of the noise, or of the flow, at every time. */
function scene(schedule: NoiseSchedule, tInit: number) {
  const weights = Object.entries(gains).map(
    ([name, gain]) => [name, tidy(() => variable(tensor2d([[gain]]), true, name))] as const,
  );
  const models = Object.fromEntries(
    weights.map(([name, gain]) => [
      name,
      functionModel({
        ...{ name, predicts: schedule.kind === "flow" ? "flow" : "eps", schedule, variables: [gain] },
        predict: (xt, _, cond) => add(mul(xt, gain), cond as Tensor),
      }),
    ]),
  );
  const [teacher, generator, average] = [
    models["teacher"] as ReturnType<typeof functionModel>,
    generatorFrom(models["generator"] as ReturnType<typeof functionModel>, { tInit }),
    generatorFrom(models["average"] as ReturnType<typeof functionModel>, { tInit }),
  ];
  return { teacher, generator, average, free: () => void dispose(weights.map(([, v]) => v)) };
}

const images = [1, -0.5, 0.25];
const noise = [0.3, -1.2, 0.8];
const text = [0.1, 0.2, -0.3];
const empty = -0.05;
const uniforms = [0.125, 0.5, 0.9375];
const column = (values: readonly number[]) => tensor2d(values.map((x) => [x]));

/** The published loss in float64, sample by sample. */
function byHand(
  schedule: NoiseSchedule,
  t: readonly number[],
  earlier: readonly number[],
  scales: readonly [number, number],
  d = (e: number) => e * e,
  unit = 1,
) {
  const x0 = (gain: number, c: number, x: number, time: number) => {
    const [a, s] = [schedule.alpha(time), schedule.sigma(time)];
    const p = gain * x + c;
    return schedule.kind === "flow" ? x - s * p : (x - s * p) / a;
  };
  const output = (gain: number, c: number, x: number, time: number) => {
    const k = 10 * time * unit;
    return (0.25 / (k * k + 0.25)) * x + (k / Math.sqrt(k * k + 0.25)) * x0(gain, c, x, time);
  };
  const each = images.map((y, i) => {
    const [now, next, c] = [t[i], earlier[i], text[i]] as [number, number, number];
    const [a, s] = [schedule.alpha(now), schedule.sigma(now)];
    const xt = a * y + s * (noise[i] as number);
    const kappa = scales[0] + (scales[1] - scales[0]) * (uniforms[i] as number);
    const [within, without] = [x0(gains.teacher, c, xt, now), x0(gains.teacher, empty, xt, now)];
    const f = without + kappa * (within - without);
    const stepped = schedule.alpha(next) * f + (schedule.sigma(next) * (xt - a * f)) / s;
    return d(output(gains.generator, c, xt, now) - output(gains.average, c, stepped, next));
  });
  return each.reduce((all, x) => all + x, 0) / 3;
}

describe("lcm", () => {
  const half = flowSchedule();
  const edm = edmSchedule();
  const rung = (u: number) => (0.002 ** (1 / 7) + u * (80 ** (1 / 7) - 0.002 ** (1 / 7))) ** 7;
  test.each<[string, NoiseSchedule, number[], number[], LcmOptions, number]>([
    ["50 DDIM times", ddpmSchedule(), [19, 499, 999], [0, 479, 979], {}, 1],
    ["κ fixed, 4 times", ddpmSchedule(), [249, 499, 999], [0, 249, 749], { guidanceScales: [8, 8], solverSteps: 4 }, 1],
    ["pseudo-Huber", ddpmSchedule(), [19, 259, 779], [0, 239, 759], { huber: 1e-3 }, 1],
    ["rectified flow", half, [0.02, 0.5, 1], [0, 0.48, 0.98], { guidanceScales: [1, 3] }, 1000],
    ["EDM's ladder", edm, [rung(0.5), rung(0.02), 80], [rung(0.48), 0.002, rung(0.98)], {}, 1],
  ])("%s: the published loss, and a gradient at the generator alone", (_, schedule, t, earlier, options, unit) => {
    const all = scene(schedule, schedule.discrete ? 999 : schedule.tMax);
    free(() => {
      const { generator, settings } = lcm(options);
      const inputs = {
        ...all,
        images: column(images),
        noise: column(noise),
        cond: column(text),
        uncond: column([empty]),
        valid: tensor1d([1, 1, 1]),
      };
      const variables = [...all.generator.variables, ...all.average.variables, ...all.teacher.variables];
      const loss = () => generator.loss({ ...inputs, t, uniforms });
      const { value, gradients } = valueAndGradients(loss, all.generator.variables);
      const d = options.huber ? (e: number) => Math.sqrt(e * e + 1e-6) - 1e-3 : undefined;
      const scales = settings["guidanceScales"] as [number, number];
      expectClose(value, [byHand(schedule, t, earlier, scales, d, unit)], 1e-4);
      expect(gradients).toHaveLength(1);
      for (const frozen of variables.slice(1))
        expectSidError("invalid-argument", () => valueAndGradients(loss, [frozen]), /does not depend/);
    });
    all.free();
  });

  test("its times: DDIM's, as many as are asked for, and those of the other schedules", () => {
    const ddim = timesOf({}, ddpmSchedule(), 2000);
    expect(ddim).toEqual(Array.from({ length: 50 }, (_, i) => 20 * i + 19));
    expect(timesOf({ solverSteps: 1000 }, ddpmSchedule(), 20_000)).toHaveLength(1000);
    expectSidError(
      "out-of-range",
      () => timesOf({ solverSteps: 1001 }, ddpmSchedule()),
      /solverSteps must be at most 1000/,
    );
    expect(timesOf({ solverSteps: 4 }, ddpmSchedule())).toEqual([249, 499, 749, 999]);
    expect(timesOf({ solverSteps: 4 }, half)).toEqual([0.25, 0.5, 0.75, 1]);
    expectClose(timesOf({ solverSteps: 4 }, edm), [rung(0.25), rung(0.5), rung(0.75), 80], 1e-12);
    expect(timesOf({ solverSteps: 4 }, edm).at(-1)).toBeLessThanOrEqual(80);
  });

  test("its defaults; guidance of 1 needs no empty condition", () => {
    const method = checkMethod("distill", lcm());
    expect(method.settings).toEqual({
      ...{
        timesteps: "default",
        lossScale: 1,
        reduction: "mean",
        guidanceScales: [6, 16],
        solverSteps: 50,
        huber: null,
      },
    });
    expect(method.recipe).toEqual({ learningRate: 1e-4, beta1: 0.9, beta2: 0.999, weightDecay: 0.01, clipNorm: 1 });
    expect(method.generator.guided).toBe(true);
    expect(lcm({ guidanceScales: [1, 1] }).generator.guided).toBe(false);
  });

  test("a generator without a network is refused", () => {
    const all = scene(ddpmSchedule(), 999);
    free(() => {
      const { network: _, ...blind } = all.generator;
      const inputs = {
        ...all,
        images: column(images),
        noise: column(noise),
        cond: column(text),
        uncond: column([empty]),
        valid: tensor1d([1, 1, 1]),
      };
      const ask = (generator: GeneratorModel) => () =>
        lcm().generator.loss({ ...inputs, generator, t: [19, 39, 59], uniforms });
      expectSidError("invalid-argument", ask(blind), /generator "generator" has no network.*generatorFrom/);
    });
    all.free();
  });

  test.each<[object, SidErrorCode, RegExp]>([
    [{ guidanceScales: [3, 2] }, "out-of-range", /guidanceScales must be \[least, most\].*got \[3, 2\]/],
    [{ guidanceScales: [8] }, "out-of-range", /for one κ give it twice/],
    [{ guidanceScales: 8 }, "invalid-argument", /guidanceScales must be an array/],
    [{ guidanceScales: [1, Number.NaN] }, "not-finite", /guidanceScales\[1\]/],
    [{ solverSteps: 0 }, "out-of-range", /solverSteps/],
    [{ solverSteps: 2.5 }, "invalid-argument", /solverSteps must be an integer/],
    [{ huber: -1 }, "out-of-range", /huber/],
    [{ reduction: "max" }, "invalid-argument", /reduction/],
    [{ lossScale: 0 }, "out-of-range", /lossScale/],
    [{ timesteps: 3 }, "invalid-argument", /timesteps must be a function/],
    [{ guidanceScale: 8 }, "invalid-argument", /did you mean guidanceScales\?/],
    [{ weight: "l1" }, "invalid-argument", /options has no "weight"/],
  ])("%o is refused", (options, code, message) => {
    expectSidError(code, () => lcm(options as LcmOptions), message);
  });
});
