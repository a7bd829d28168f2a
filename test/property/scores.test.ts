import { fc, test } from "@fast-check/vitest";
import { add, mul, type Tensor, tensor1d, tensor2d, tidy, type Variable, variable } from "@tensorflow/tfjs-core";
import { describe, expect } from "vitest";
import { type PredictionType, valueAndGradients } from "../../src/core";
import { fakeScoreLoss } from "../../src/losses";
import { gaussianMixtureModel, gaussianModel } from "../../src/models";
import { addNoise, convertPrediction, noiseLevel } from "../../src/predict";
import { ddpmSchedule } from "../../src/schedules";
import { expectClose, numbers } from "../support/matchers";
import { between, fourPoints, standing } from "./laws";

const schedule = ddpmSchedule();
const point = fc.tuple(between(-2, 2), between(-2, 2));

describe("P1 (Tweedie): the score of an exact posterior mean is the gradient of log p_t", () => {
  test.prop({
    weights: fc.tuple(between(0.1, 1), between(0.1, 1), between(0.1, 1)),
    means: fc.tuple(point, point, point),
    variances: fc.tuple(between(0.05, 1), between(0.05, 1), between(0.05, 1)),
    x: point,
    t: fc.integer({ min: 50, max: 999 }),
    component: fc.constantFrom(undefined, 0, 1, 2),
  })("for mixtures and each of their components, as finite differences of log p_t say", (p) => {
    const [alpha, sigma] = [schedule.alpha(p.t), schedule.sigma(p.t)];
    const w = p.component === undefined ? p.weights : p.weights.map((_, k) => (k === p.component ? 1 : 0));
    const logDensity = (x: readonly [number, number]) => {
      const terms = w.map((weight, k) => {
        const total = alpha ** 2 * (p.variances[k] as number) + sigma ** 2;
        const mean = p.means[k] as [number, number];
        const distance = x.reduce((sum, v, i) => sum + (v - alpha * (mean[i] as number)) ** 2, 0);
        return Math.log(weight) - Math.log(total) - distance / (2 * total);
      });
      const top = Math.max(...terms);
      return top + Math.log(terms.reduce((sum, term) => sum + Math.exp(term - top), 0));
    };
    const h = 1e-4;
    const [x, y] = p.x;
    const wanted = [
      (logDensity([x + h, y]) - logDensity([x - h, y])) / (2 * h),
      (logDensity([x, y + h]) - logDensity([x, y - h])) / (2 * h),
    ];
    tidy(() => {
      const xt = tensor2d([[x, y]]);
      const cond = p.component === undefined ? undefined : tensor2d([w]);
      const law = { weights: p.weights, means: p.means, variances: p.variances, schedule };
      const score = gaussianMixtureModel({ ...law, predicts: "score" }).predict(xt, [p.t], cond);
      // The score may vanish, so errors are measured by the scale of scores, 1/σ.
      const error = (s: Tensor) => Math.hypot(...numbers(s).map((v, i) => v - (wanted[i] as number))) * sigma;
      expect(error(score)).toBeLessThan(1e-5);
      const prediction = gaussianMixtureModel(law).predict(xt, [p.t], cond);
      const level = noiseLevel(schedule, [p.t]);
      const converted = convertPrediction({ prediction, xt, level, predicts: "x0", to: "score" });
      // (α·f − x_t)/σ² loses digits to cancellation where σ is small.
      expect(error(converted)).toBeLessThan(1e-5 / sigma);
    });
  });
});

describe("P2: the fake score's loss is at its minimum where it predicts E[x_g | x_t]", () => {
  const laws = fc.record({
    mu: point,
    tau: between(0.3, 1.5),
    alpha: between(0.2, 0.95),
    predicts: fc.constantFrom<PredictionType>("eps", "x0", "v", "score", "flow"),
    weight: fc.constantFrom("eps" as const, "none" as const),
  });

  test.prop({ law: laws, move: fc.constantFrom(-0.3, 0.2) }, { numRuns: 40 })(
    "over all affine predictions: its gradient is 0 there and not beside it",
    ({ law: { mu, tau, alpha, predicts, weight }, move }) => {
      const level = standing(alpha, Math.sqrt(1 - alpha ** 2));
      const optimum = gaussianModel({ mean: mu, variance: tau ** 2, schedule: level, predicts });
      /** Gradient of the exact loss over (slope, offset) of `prediction = slope·x_t + offset`. */
      const gradient = (by: number): number[] =>
        tidy(() => {
          const at = (value: number) => numbers(optimum.predict(tensor2d([[value, value]]), [0]));
          const [zero, one] = [at(0), at(1)] as [[number, number], [number, number]];
          const slope = variable(tensor1d([one[0] - zero[0] + by]), true, "slope");
          const offset = variable(tensor1d(zero), true, "offset");
          const { z, noise } = fourPoints(2);
          const generated = add(mul(z, tau), tensor1d(mu));
          const levels = noiseLevel(level, [0, 0, 0, 0]);
          const xt = addNoise({ x0: generated, noise, level: levels });
          const loss = () => {
            const prediction = add(mul(xt, slope), offset);
            return fakeScoreLoss({ prediction, generated, noise, level: levels }, { predicts, weight });
          };
          const { gradients } = valueAndGradients(loss, [slope, offset] as Variable[]);
          const read = gradients.flatMap((g) => numbers(g));
          slope.dispose();
          offset.dispose();
          return read;
        });
      const size = (g: number[]) => Math.hypot(...g);
      const beside = size(gradient(move));
      expect(beside).toBeGreaterThan(1e-3);
      expect(size(gradient(0))).toBeLessThan(1e-4 * beside + 2e-5);
    },
  );

  test("the loss there is the mean posterior variance, on four points as in closed form", () =>
    tidy(() => {
      const [mu, tau, alpha, sigma] = [[0.3, -1], 0.7, 0.8, 0.6] as const;
      const model = gaussianModel({ mean: mu, variance: tau ** 2, schedule: standing(alpha, sigma) });
      const { z, noise } = fourPoints(2);
      const generated = add(mul(z, tau), tensor1d([...mu]));
      const level = noiseLevel(model.schedule, [0, 0, 0, 0]);
      const prediction = model.predict(addNoise({ x0: generated, noise, level }), [0, 0, 0, 0]);
      const loss = fakeScoreLoss({ prediction, generated, noise, level }, { predicts: "x0", weight: "none" });
      expectClose(loss, [(2 * (tau * sigma) ** 2) / ((alpha * tau) ** 2 + sigma ** 2)], 1e-6);
    }));
});
