import { dispose, tidy } from "@tensorflow/tfjs-core";
import { describe, expect, test } from "vitest";
import { randomStream, valueAndGradients } from "../../src/core";
import { sidLoss } from "../../src/losses";
import { sidLsg } from "../../src/methods";
import { gaussianModel, predictX0 } from "../../src/models";
import { addNoise, noiseLevel } from "../../src/predict";
import { generatorGradients } from "../../src/train";
import { expectClose, numbers } from "../support/matchers";
import { affineGenerator, estimate, fourPoints, standing } from "./laws";

const [a, s] = [0.8, 0.6];
const data = { mean: [0.5, -0.3, 1], variance: 0.49 };
const start = { mu: [0.2, 0.1, 0.4], tau: 1.1 };

/** F = E‖f_φ − f_ψ*(θ)‖², its gradient over (μ, τ), and the gradient of the loss for each α. */
const golden = {
  F: 0.4248445211,
  gradient: [-0.17137683, 0.22850243, -0.34275365, 1.22045913],
  byAlpha: new Map([
    [0, [-0.12049555, 0.16066074, -0.24099111, 0.7657571]],
    [0.5, [-0.17137683 / 2, 0.22850243 / 2, -0.34275365 / 2, 1.22045913 / 2]],
    [1, [-0.05088127, 0.0678417, -0.10176254, 0.45470203]],
    [1.2, [-0.03695842, 0.04927789, -0.07391683, 0.39249102]],
  ]),
};

describe("in closed form, float64", () => {
  /** Sum over coordinates of the expectation of f(x_g's coordinate, x_t's, z), exact on the four points. */
  const expectation = (mu: number[], tau: number, f: (i: number, x: number, xt: number, z: number) => number) =>
    mu.reduce((sum, mean, i) => {
      const points = [1, -1].flatMap((z) => [1, -1].map((e) => ({ z, x: mean + tau * z, e })));
      return sum + points.reduce((all, { z, x, e }) => all + f(i, x, a * x + s * e, z), 0) / points.length;
    }, 0);
  const gain = (variance: number) => (a * variance) / (a * a * variance + s * s);
  const posterior = (mean: number, variance: number, xt: number) => mean + gain(variance) * (xt - a * mean);
  const teacher = (i: number, xt: number) => posterior(data.mean[i] as number, data.variance, xt);
  const fake = (mu: number[], tau: number) => (i: number, xt: number) => posterior(mu[i] as number, tau * tau, xt);

  const F = (mu: number[], tau: number) =>
    expectation(mu, tau, (i, _, xt) => (teacher(i, xt) - fake(mu, tau)(i, xt)) ** 2);
  /** ∂E[δ·(r − α·δ)] at frozen φ and ψ, r = f_φ − x_g; `own` is ∂x_g/∂θ. */
  const lossGradient = (alpha: number, own: (i: number, z: number) => number) =>
    expectation(start.mu, start.tau, (i, x, xt, z) => {
      const delta = teacher(i, xt) - fake(start.mu, start.tau)(i, xt);
      const r = teacher(i, xt) - x;
      const dDelta = (gain(data.variance) - gain(start.tau ** 2)) * a * own(i, z);
      const dR = (gain(data.variance) * a - 1) * own(i, z);
      return dDelta * (r - alpha * delta) + delta * (dR - alpha * dDelta);
    });
  const overParameters = (f: (own: (i: number, z: number) => number) => number) => [
    ...start.mu.map((_, j) => f((i) => (i === j ? 1 : 0))),
    f((_, z) => z),
  ];
  const close = (actual: number[], wanted: readonly number[]) => {
    actual.forEach((value, i) => {
      expect(Math.abs(value - (wanted[i] as number))).toBeLessThan(1e-8);
    });
  };

  test("F and its gradient", () => {
    expect(Math.abs(F(start.mu, start.tau) - golden.F)).toBeLessThan(1e-10);
    const h = 1e-4;
    const slope = (at: (by: number) => number) => (at(h) - at(-h)) / (2 * h);
    const moved = (j: number, by: number) => start.mu.map((m, i) => (i === j ? m + by : m));
    const gradient = [
      ...start.mu.map((_, j) => slope((by) => F(moved(j, by), start.tau))),
      slope((by) => F(start.mu, start.tau + by)),
    ];
    gradient.forEach((g, i) => {
      expect(Math.abs(g - (golden.gradient[i] as number))).toBeLessThan(2e-8);
    });
  });

  test("the loss's gradient at every α; at 0.5 it is half of F's", () => {
    for (const [alpha, wanted] of golden.byAlpha)
      close(
        overParameters((own) => lossGradient(alpha, own)),
        wanted,
      );
  });

  test("∂E‖δ‖² at frozen ψ is close to ∇F in angle, not in size: values must be compared", () => {
    const [zero, one] = [golden.byAlpha.get(0), golden.byAlpha.get(1)] as [number[], number[]];
    const naive = zero.map((g, i) => g - (one[i] as number));
    const dot = (x: readonly number[], y: readonly number[]) => x.reduce((sum, v, i) => sum + v * (y[i] as number), 0);
    const cosine = dot(naive, golden.gradient) / Math.sqrt(dot(naive, naive) * dot(golden.gradient, golden.gradient));
    expect(cosine).toBeCloseTo(0.98, 2);
  });
});

/** The three models of the test, and one batch's worth of arguments. */
const setting = () => {
  const schedule = standing(a, s);
  return {
    schedule,
    generator: affineGenerator(start.mu, start.tau),
    teacher: gaussianModel({ ...data, schedule, predicts: "eps" }),
    fakeScore: gaussianModel({ mean: start.mu, variance: start.tau ** 2, schedule, predicts: "v" }),
  };
};

describe("through the library, on points that make the expectation exact", () => {
  for (const backward of ["joint", "staged"] as const)
    for (const [alpha, wanted] of golden.byAlpha)
      test(`${backward} backward pass, α = ${alpha}`, () => {
        const { generator, teacher, fakeScore } = setting();
        const { z, noise } = fourPoints(3);
        const method = sidLsg({ alpha, weight: "none" });
        const objective = { generator, teacher, fakeScore, method, backward };
        const result = generatorGradients(objective, { noises: [z], noise, t: [0, 0, 0, 0] });
        expectClose(result.gradients.flatMap(numbers), wanted, 3e-6);
        expectClose(result.deltaSquared, [golden.F], 1e-6);
        dispose([{ ...result }, z, noise] as never);
        generator.dispose();
      });
});

describe("through the library, by Monte Carlo", () => {
  test("tape and sidLoss give the gradient at every α within four standard errors of the mean", () => {
    const { generator, teacher, fakeScore, schedule } = setting();
    const [batches, size] = [32, 512];
    const t = Array<number>(size).fill(0);
    const level = noiseLevel(schedule, t);
    const stream = randomStream(11);
    const samples = new Map([...golden.byAlpha.keys()].map((alpha) => [alpha, [] as number[][]]));
    for (let i = 0; i < batches; i++)
      tidy(() => {
        const [z, noise] = [stream.normal([size, 3]), stream.normal([size, 3])];
        for (const [alpha, rows] of samples) {
          const { gradients } = valueAndGradients(() => {
            const generated = generator.generate([z]);
            const xt = addNoise({ x0: generated, noise, level });
            const predictions = { teacher: predictX0(teacher, { xt, t }), fake: predictX0(fakeScore, { xt, t }) };
            return sidLoss({ generated, ...predictions }, { alpha, weight: "none" });
          }, generator.variables);
          rows.push(gradients.flatMap(numbers));
        }
      });
    for (const [alpha, rows] of samples)
      (golden.byAlpha.get(alpha) as number[]).forEach((wanted, i) => {
        const { mean, error } = estimate(rows.map((row) => row[i] as number));
        const where = `α = ${alpha}, component ${i}: ${mean} ± ${error}, wanted ${wanted}`;
        // Errors of about 0.006 for μ and 0.02 for τ keep the test sharp.
        expect(error, where).toBeLessThan(0.03);
        expect(Math.abs(mean - wanted), where).toBeLessThan(4 * error);
      });
    generator.dispose();
  });

  test("at α = 1 the loss itself is 0 within four standard errors; the L1 normaliser moves it to −0.236", () => {
    const { generator, teacher, fakeScore, schedule } = setting();
    const [batches, size] = [40, 500];
    const t = Array<number>(size).fill(0);
    const level = noiseLevel(schedule, t);
    const stream = randomStream(12);
    const losses = Array.from({ length: batches }, () =>
      tidy(() => {
        const generated = generator.generate([stream.normal([size, 3])]);
        const xt = addNoise({ x0: generated, noise: stream.normal([size, 3]), level });
        const inputs = { generated, teacher: predictX0(teacher, { xt, t }), fake: predictX0(fakeScore, { xt, t }) };
        return (["none", "l1"] as const).map((weight) => numbers(sidLoss(inputs, { weight }))[0] as number);
      }),
    );
    [0, -0.236].forEach((wanted, i) => {
      const { mean, error } = estimate(losses.map((pair) => pair[i] as number));
      // An error of about 0.007: −0.236 is thirty of them from 0.
      expect(error).toBeLessThan(0.012);
      expect(Math.abs(mean - wanted)).toBeLessThan(4 * error + 6e-4);
    });
    generator.dispose();
  });
});
