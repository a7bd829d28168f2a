import { test } from "@fast-check/vitest";
import { dispose, mul, tensor2d, tidy } from "@tensorflow/tfjs-core";
import { describe, expect } from "vitest";
import { pullback, randomStream } from "../../src/core";
import { lsg } from "../../src/guidance";
import { sidCotangents } from "../../src/losses";
import { sidLsg } from "../../src/methods";
import { copyWeights, gaussianMixtureModel, gaussianModel, generatorFrom, mlp, predictX0 } from "../../src/models";
import { addNoise, noiseLevel } from "../../src/predict";
import { ddpmSchedule } from "../../src/schedules";
import { generatorGradients } from "../../src/train";
import { numbers } from "../support/matchers";
import { affineGenerator, between, standing } from "./laws";

describe("P5: E[(f_ψ* − f_φ)·∂x_g/∂θ] = (σ²/α²)·∇KL(p_θ,t ‖ p_data,t)", () => {
  /** Trapezoidal rule over two standard normals: exact to rounding for functions as smooth as these. */
  const nodes = Array.from({ length: 65 }, (_, i) => -6 + (12 * i) / 64);
  const grid = nodes.flatMap((z) => nodes.map((e) => ({ z, e, w: Math.exp(-(z * z + e * e) / 2) })));
  const mass = grid.reduce((sum, { w }) => sum + w, 0);

  test.prop(
    {
      mu: between(-1, 1),
      tau: between(0.5, 1.5),
      alpha: between(0.4, 0.9),
      centres: between(0.2, 1.2),
      variance: between(0.1, 0.6),
    },
    { numRuns: 12 },
  )(
    "for a Gaussian generator and mixture data, KL by numerical integration",
    ({ mu, tau, alpha, centres, variance }) => {
      const sigma = Math.sqrt(1 - alpha ** 2);
      const data = { weights: [1, 2], means: [[-centres], [centres]], variances: [variance, 2 * variance] };
      const normal = (x: number, mean: number, v: number) =>
        Math.exp(-((x - mean) ** 2) / (2 * v)) / Math.sqrt(2 * Math.PI * v);
      const noisy = (v: number) => alpha ** 2 * v + sigma ** 2;
      const ofData = (x: number) =>
        [0, 1].reduce((sum, k) => {
          const [mean, v] = [data.means[k]?.[0] as number, data.variances[k] as number];
          return sum + ((data.weights[k] as number) / 3) * normal(x, alpha * mean, noisy(v));
        }, 0);
      const divergence = (m: number, s: number) => {
        const [centre, deviation] = [alpha * m, Math.sqrt(noisy(s * s))];
        let sum = 0;
        const h = 1 / 32;
        for (let u = -9; u <= 9; u += h) {
          const x = centre + u * deviation;
          const p = normal(x, centre, deviation ** 2);
          sum += p * (Math.log(p) - Math.log(ofData(x))) * h * deviation;
        }
        return sum;
      };
      const h = 1e-4;
      const wanted = [
        (divergence(mu + h, tau) - divergence(mu - h, tau)) / (2 * h),
        (divergence(mu, tau + h) - divergence(mu, tau - h)) / (2 * h),
      ].map((g) => (g * sigma ** 2) / alpha ** 2);

      const schedule = standing(alpha, sigma);
      const generator = affineGenerator([mu], tau);
      const actual = tidy(() => {
        const column = (f: (node: (typeof grid)[number]) => number) => tensor2d(grid.map((node) => [f(node)]));
        const t = grid.map(() => 0);
        const z = column(({ z }) => z);
        const generated = generator.generate([z]);
        const xt = addNoise({ x0: generated, noise: column(({ e }) => e), level: noiseLevel(schedule, t) });
        const teacher = predictX0(gaussianMixtureModel({ ...data, schedule, predicts: "eps" }), { xt, t });
        const fake = predictX0(gaussianModel({ mean: [mu], variance: tau ** 2, schedule, predicts: "v" }), { xt, t });
        // The part of the score-identity gradient that flows into x_g directly is this very direction.
        const { generated: direct } = sidCotangents({ generated, teacher, fake }, { weight: "none" });
        const cotangent = mul(
          direct,
          column(({ w }) => (w * grid.length) / mass),
        );
        return pullback(() => generator.generate([z]), cotangent, generator.variables).flatMap(numbers);
      });
      generator.dispose();
      expect(Math.hypot(...actual.map((g, i) => g - (wanted[i] as number)))).toBeLessThan(
        1e-4 * Math.hypot(...wanted) + 2e-5,
      );
    },
  );
});

describe("P7: where teacher, fake score and generator are one network, the first gradient is exactly 0", () => {
  const schedule = ddpmSchedule();
  const network = (name: string, seed: number) =>
    mlp({ dim: 2, hidden: 16, condDim: 3 }, { name, schedule, predicts: "eps", weights: randomStream(seed) });
  const first = (kappas: { fake: number; teacher: number }, backward: "joint" | "staged", weight: "l1" | "none") => {
    const [teacher, fakeScore, student] = [network("teacher", 1), network("fake", 2), network("student", 3)];
    copyWeights(teacher, fakeScore);
    copyWeights(teacher, student);
    const stream = randomStream(5);
    const batch = {
      noises: [stream.normal([6, 2])],
      noise: stream.normal([6, 2]),
      t: stream.integers(6, 20, 980),
      cond: stream.normal([6, 3]),
      uncond: stream.normal([1, 3]),
    };
    const guidance = { ...lsg(kappas.fake), kappa4: kappas.teacher };
    const method = sidLsg({ guidance, alpha: 1.2, weight });
    const objective = { generator: generatorFrom(student), teacher, fakeScore, method, backward };
    const result = generatorGradients(objective, batch);
    const gradients = result.gradients.flatMap(numbers);
    const { noises, noise, cond, uncond } = batch;
    dispose([{ ...result }, noises, noise, cond, uncond] as never);
    for (const model of [teacher, fakeScore, student]) model.dispose();
    return gradients.map(Math.abs);
  };
  for (const backward of ["joint", "staged"] as const)
    for (const weight of ["l1", "none"] as const)
      for (const kappa of [1, 1.5, 4.5])
        test(`${backward}, weight "${weight}", κ2 = κ4 = ${kappa}`, () => {
          expect(Math.max(...first({ fake: kappa, teacher: kappa }, backward, weight))).toBe(0);
        });
  test("with κ2 ≠ κ4 it is not", () => {
    expect(Math.max(...first({ fake: 1, teacher: 1.5 }, "staged", "l1"))).toBeGreaterThan(1e-3);
  });
});
