import { test } from "@fast-check/vitest";
import { add, mul, square, sub, type Tensor, tanh, tidy } from "@tensorflow/tfjs-core";
import { describe, expect } from "vitest";
import { randomStream } from "../../src/core";
import { sumPerSample } from "../../src/core/per-sample";
import { type Guidance, guidanceWarnings, longGuidance, lsg, shortGuidance } from "../../src/guidance";
import { type LossWeight, sidLoss } from "../../src/losses";
import { functionModel, gaussianMixtureModel, predictX0 } from "../../src/models";
import { addNoise, noiseLevel } from "../../src/predict";
import { ddpmSchedule } from "../../src/schedules";
import { numbers } from "../support/matchers";
import { estimate } from "./laws";

const schedule = ddpmSchedule();
/** The generator's law: a mixture, whose component is its condition. */
const own = gaussianMixtureModel({
  name: "own",
  weights: [1, 2],
  means: [
    [-1, 0.5],
    [0.8, -0.4],
  ],
  variances: [0.3, 0.6],
  schedule,
});
/** The data's law, of the same classes. */
const teacher = gaussianMixtureModel({
  name: "teacher",
  weights: [1, 1],
  means: [
    [-0.5, 1],
    [1, 0],
  ],
  variances: [0.2, 0.2],
  schedule,
});

interface Draw {
  readonly generated: Tensor;
  readonly xt: Tensor;
  readonly t: number[];
  readonly cond: Tensor;
  readonly uncond: Tensor;
}

/** The values of `f` on samples of the generator's law at several times: `count` each. */
function perDraw(f: (draw: Draw) => Tensor, count = 1200): number[] {
  return [100, 400, 700].flatMap((time, i) =>
    tidy(() => {
      const stream = randomStream(100 + i);
      const classes = own.components(stream, count);
      const generated = own.sample(stream, classes);
      const t = Array<number>(count).fill(time);
      const noise = stream.normal(generated.shape);
      const xt = addNoise({ x0: generated, noise, level: noiseLevel(schedule, t) });
      return numbers(f({ generated, xt, t, cond: own.condition(classes), uncond: own.marginal() }));
    }),
  );
}

/** How many standard errors the mean is from 0. */
function sigmas(values: readonly number[]): number {
  const { mean, error } = estimate(values);
  return Math.abs(mean) / error;
}

const inner = (a: Tensor, b: Tensor) => sumPerSample(mul(a, b));
const fakeAt = ({ xt, t, cond }: Draw) => predictX0(own, { xt, t, cond });
const teacherAt = ({ xt, t, cond, uncond }: Draw, kappa = 1) =>
  predictX0(teacher, { xt, t, cond, uncond, guidanceScale: kappa });

describe("P3 (projection): E[u·(f_ψ* − x_g)] = 0 for every u of x_t, t and c", () => {
  const directions: [string, (draw: Draw) => Tensor][] = [
    ["x_t", ({ xt }) => xt],
    ["a bounded function of x_t", ({ xt }) => tanh(mul(xt, 3))],
    ["a square", ({ xt }) => square(xt)],
    ["the teacher's prediction", (draw) => teacherAt(draw)],
    ["the guided difference of scores", (draw) => sub(teacherAt(draw, 2), fakeAt(draw))],
    ["the condition's own mean", ({ cond }) => sub(mul(cond, 2), 1)],
  ];
  for (const [name, u] of directions)
    test(`u = ${name}: within four standard errors of 0`, () => {
      expect(sigmas(perDraw((draw) => inner(u(draw), sub(fakeAt(draw), draw.generated))))).toBeLessThan(4);
    });

  test("it needs u to know no more than x_t, t and c", () => {
    expect(sigmas(perDraw((draw) => inner(draw.generated, sub(fakeAt(draw), draw.generated))))).toBeGreaterThan(10);
  });

  test("it needs ψ to be ψ*: of the wrong law, or without the condition, it fails", () => {
    const wrong = (draw: Draw) => inner(draw.xt, sub(teacherAt(draw), draw.generated));
    expect(sigmas(perDraw(wrong))).toBeGreaterThan(10);
    const u = ({ cond }: Draw) => sub(mul(cond, 2), 1);
    const blind = (draw: Draw) => predictX0(own, { xt: draw.xt, t: draw.t });
    expect(sigmas(perDraw((draw) => inner(u(draw), sub(blind(draw), draw.generated))))).toBeGreaterThan(10);
  });
});

describe("P4: at ψ*, E[w‖δ‖²] = E[w·δ·(f_φ − x_g)]: the loss at α = 1 is 0 in expectation", () => {
  /** Loss at α = 1, batch by batch. */
  const losses = (weight: (xt: Tensor) => LossWeight) => {
    const [batches, size] = [30, 300];
    const stream = randomStream(7);
    return Array.from({ length: batches }, () =>
      tidy(() => {
        const t = stream.integers(size, 100, 800);
        const level = noiseLevel(schedule, t);
        const classes = own.components(stream, size);
        const generated = own.sample(stream, classes);
        const xt = addNoise({ x0: generated, noise: stream.normal(generated.shape), level });
        const cond = own.condition(classes);
        const predictions = {
          teacher: predictX0(teacher, { xt, t, cond }),
          fake: predictX0(own, { xt, t, cond }),
        };
        const loss = sidLoss({ generated, ...predictions }, { alpha: 1, weight: weight(xt), level });
        return numbers(loss)[0] as number;
      }),
    );
  };
  for (const weight of ["none", "snr", "one-minus-sigma"] as const)
    test(`with the weight "${weight}": within four standard errors`, () => {
      expect(sigmas(losses(() => weight))).toBeLessThan(4);
    });
  test("with any weight that is a function of x_t", () => {
    expect(sigmas(losses((xt) => () => sumPerSample(square(add(xt, 1)))))).toBeLessThan(4);
  });
  test("but not with the L1 normaliser, which depends on x_g: far outside the error", () => {
    expect(sigmas(losses(() => "l1"))).toBeGreaterThan(10);
  });
});

describe("P6: guidance and projection", () => {
  /**
   * A fake score trained to its optimum under κ1: blind to the condition it is the marginal's, and with the
   * condition whatever makes the κ1-guided prediction the conditional posterior mean. (Both rows of one
   * formula: for the marginal condition, seen = blind.)
   */
  const trainedUnder = (kappa1: number) =>
    functionModel({
      name: "fake",
      schedule,
      predicts: "x0",
      predict: (xt, t, cond) => {
        const blind = own.predict(xt, t);
        return add(blind, mul(sub(own.predict(xt, t, cond), blind), 1 / kappa1));
      },
    });
  /** E[u·(f_ψ,κ2 − x_g)] / its standard error, with u = f_φ,κ4 − f_ψ,κ2. */
  const residual = ({ kappa1, kappa2, kappa4 }: Guidance) => {
    const fake = trainedUnder(kappa1);
    return sigmas(
      perDraw((draw) => {
        const { xt, t, cond, uncond } = draw;
        const guided = (kappa: number) => predictX0(fake, { xt, t, cond, uncond, guidanceScale: kappa });
        const u = sub(teacherAt(draw, kappa4), guided(kappa2));
        return inner(u, sub(guided(kappa2), draw.generated));
      }),
    );
  };
  for (const kappa of [1, 1.5, 3, 4.5])
    test(`κ1 = κ2 = ${kappa}: it holds, and no warning is given`, () => {
      expect(guidanceWarnings(lsg(kappa))).toEqual([]);
      expect(residual(lsg(kappa))).toBeLessThan(4);
    });
  test("guiding the teacher alone leaves it alone", () => {
    expect(guidanceWarnings(longGuidance(3))).toEqual([]);
    expect(residual(longGuidance(3))).toBeLessThan(4);
  });
  for (const bad of [shortGuidance(0.4), { kappa1: 1.5, kappa2: 3, kappa4: 3 }])
    test(`κ1 = ${bad.kappa1}, κ2 = ${bad.kappa2}: it fails, and the warning says so`, () => {
      expect(guidanceWarnings(bad)).toHaveLength(1);
      expect(residual(bad)).toBeGreaterThan(10);
    });
});
