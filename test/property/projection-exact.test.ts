import { fc, test } from "@fast-check/vitest";
import {
  abs,
  add,
  concat,
  dispose,
  mul,
  ones,
  square,
  sub,
  sum,
  type Tensor,
  tensor1d,
  tidy,
  zeros,
} from "@tensorflow/tfjs-core";
import { describe, expect } from "vitest";
import { guidanceWarnings, lsg } from "../../src/guidance";
import { sidLoss } from "../../src/losses";
import { functionModel, gaussianModel, predictX0 } from "../../src/models";
import { addNoise } from "../../src/predict";
import { between, fourPoints, standing } from "./laws";

/** Everything here is of degree 2 in the two normal numbers, so four points give its exact expectation. */
const times = [0, 0, 0, 0];
const law = fc.record({ mean: fc.tuple(between(-2, 2), between(-2, 2)), std: between(0.2, 2) });
const affine = fc.record({ slope: between(-2, 2), offset: between(-2, 2) });
const alpha = between(0.1, 0.95);
/** Scales away from 0, where guidance has no inverse. */
const kappas = fc.oneof(between(0.3, 5), between(-2, -0.3));

interface Scene {
  readonly generated: Tensor;
  readonly xt: Tensor;
  readonly level: { alpha: number[]; sigma: number[] };
  /** The exact posterior mean under a Gaussian law. */
  readonly posterior: (law: { mean: number[]; std: number }) => Tensor;
}

/** The four samples of the generator's law N(mean, std²), noisy. */
function scene<T>(alpha: number, own: { mean: number[]; std: number }, run: (scene: Scene) => T): T {
  const sigma = Math.sqrt(1 - alpha ** 2);
  const schedule = standing(alpha, sigma);
  const { z, noise } = fourPoints(2);
  const result = tidy(() => {
    const generated = add(tensor1d(own.mean), mul(z, own.std));
    const level = { alpha: times.map(() => alpha), sigma: times.map(() => sigma) };
    const xt = addNoise({ x0: generated, noise, level });
    const posterior: Scene["posterior"] = ({ mean, std }) =>
      predictX0(gaussianModel({ mean, variance: std ** 2, schedule }), { xt, t: times });
    return run({ generated, xt, level, posterior }) as never;
  });
  dispose([z, noise]);
  return result;
}

/** `E[a·b]`, and what its terms sum to without their signs: the measure of rounding. */
function expectation(a: Tensor, b: Tensor): { value: number; size: number } {
  const [value, size] = [sum(mul(a, b)), sum(abs(mul(a, b)))].map((x) => x.dataSync()[0] as number);
  return { value: (value as number) / 4, size: (size as number) / 4 };
}

function expectZero({ value, size }: { value: number; size: number }): void {
  expect(Math.abs(value)).toBeLessThanOrEqual(1e-5 * size + 1e-6);
}

describe("on Gaussian laws, exactly", () => {
  test.prop({ alpha, own: law, u: affine })("P3: E[u·(f_ψ* − x_g)] = 0 for every affine u of x_t", (p) => {
    scene(p.alpha, p.own, ({ generated, xt, posterior }) => {
      expectZero(expectation(add(mul(xt, p.u.slope), p.u.offset), sub(posterior(p.own), generated)));
    });
  });

  test.prop({ alpha, own: law, shift: between(0.2, 1) })("P3 needs ψ to be ψ*", (p) => {
    scene(p.alpha, p.own, ({ generated, posterior }) => {
      const [m1, m2] = p.own.mean;
      const wrong = posterior({ ...p.own, mean: [m1 + p.shift, m2] });
      const { value } = expectation(sub(wrong, posterior(p.own)), sub(wrong, generated));
      // E[u·(f − x_g)] = E‖u‖² for the error u of f.
      const error = (p.shift * (1 - p.alpha ** 2)) / (p.alpha ** 2 * p.own.std ** 2 + 1 - p.alpha ** 2);
      expect(Math.abs(value / error ** 2 - 1)).toBeLessThan(1e-2);
    });
  });

  test.prop({ alpha, own: law, data: law, weight: between(0.1, 3) })(
    "P4: E[w‖δ‖²] = E[w·δ·(f_φ − x_g)], so sidLoss is 0 at α = 1 and −E[w‖δ‖²]/2 at α = 1.5",
    (p) => {
      scene(p.alpha, p.own, ({ generated, level, posterior }) => {
        const [teacher, fake] = [posterior(p.data), posterior(p.own)];
        const weight = () => tensor1d(times.map(() => p.weight));
        const loss = (alpha: number) =>
          sidLoss({ generated, teacher, fake }, { alpha, weight, level }).dataSync()[0] as number;
        const delta = sub(teacher, fake);
        const { size } = expectation(delta, sub(teacher, generated));
        const squared = (p.weight * (sum(square(delta)).dataSync()[0] as number)) / 4;
        const rounding = 1e-5 * p.weight * (size + squared) + 1e-6;
        expect(Math.abs(loss(1))).toBeLessThanOrEqual(rounding);
        expect(Math.abs(loss(1.5) + squared / 2)).toBeLessThanOrEqual(rounding);
      });
    },
  );

  test.prop({ alpha, own: law, data: law, blind: affine, kappa1: kappas, kappa2: kappas, kappa4: kappas })(
    "P6: it holds for κ1 = κ2, whatever the rest, and fails for κ1 ≠ κ2, as the warning says",
    (p) => {
      scene(p.alpha, p.own, ({ generated, xt, posterior }) => {
        const best = posterior(p.own);
        const blind = add(mul(xt, p.blind.slope), p.blind.offset);
        /** Trained to its optimum under κ1: guided by it, the posterior mean. */
        const fake = functionModel({
          name: "fake",
          predicts: "x0",
          schedule: standing(p.alpha, Math.sqrt(1 - p.alpha ** 2)),
          // Guidance asks about both halves of a batch at once: without the condition, then with it.
          predict: (x, _, cond) => {
            const half = (y: Tensor) => (x.shape[0] === 4 ? y : concat([y, y]));
            return add(half(blind), mul(mul(cond as Tensor, half(sub(best, blind))), 1 / p.kappa1));
          },
        });
        const at = { xt, t: times, cond: ones([4, 1]), uncond: zeros([1, 1]) };
        const guided = (kappa: number) => predictX0(fake, { ...at, guidanceScale: kappa });
        const teacher = posterior(p.data);
        expect(guidanceWarnings({ ...lsg(p.kappa1), kappa4: p.kappa4 })).toEqual([]);
        expectZero(expectation(sub(mul(teacher, p.kappa4), guided(p.kappa1)), sub(guided(p.kappa1), generated)));

        const share = p.kappa2 / p.kappa1 - 1;
        const gap = sub(best, blind);
        const { value } = expectation(gap, sub(guided(p.kappa2), generated));
        // E[u·(f_κ2 − x_g)] = (κ2/κ1 − 1)·E‖u‖² for u = f* − f_∅.
        const wanted = (share * (sum(square(gap)).dataSync()[0] as number)) / 4;
        const { size } = expectation(gap, sub(guided(p.kappa2), generated));
        expect(Math.abs(value - wanted)).toBeLessThanOrEqual(1e-5 * (size + Math.abs(wanted)) + 1e-5);
        const warned = guidanceWarnings({ ...lsg(p.kappa1), kappa2: p.kappa2 }).length > 0;
        expect(warned).toBe(p.kappa1 !== p.kappa2);
      });
    },
  );
});
