/** What is descended where the teacher is guided: at one level a tilted law, over all levels the law of no data. */
import { add, mul, type Tensor, tidy } from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { vjp } from "../../src/core";
import { guide } from "../../src/guidance";
import { sidCotangents, stoppedGradientCotangent } from "../../src/losses";
import { gaussianModel, predictX0 } from "../../src/models";
import { addNoise } from "../../src/predict";
import { a, data, expected, expectRow, fakeScore, four, gain, noText, s, start, teacher } from "./golden-law";
import { fourPoints, standing } from "./laws";
import { overParameters } from "./quadrature";

interface Gaussian {
  readonly mean: readonly number[];
  readonly variance: number;
}

const noisy = ({ mean, variance }: Gaussian): Gaussian => ({
  mean: mean.map((m) => a * m),
  variance: a * a * variance + s * s,
});
const own = (mu: readonly number[], tau: number): Gaussian => ({ mean: mu, variance: tau * tau });
const nothing: Gaussian = { mean: [0, 0, 0], variance: 1 };

/** The law of density ∝ p^κ·q^(1−κ), where q is centred. */
function tilted(p: Gaussian, q: Gaussian, kappa: number): Gaussian {
  const variance = 1 / (kappa / p.variance + (1 - kappa) / q.variance);
  return { mean: p.mean.map((m) => (variance * kappa * m) / p.variance), variance };
}

function klOf(p: Gaussian, q: Gaussian): number {
  const ratio = p.variance / q.variance;
  const squares = p.mean.reduce((all, m, i) => all + (m - (q.mean[i] as number)) ** 2, 0);
  return 0.5 * (p.mean.length * (ratio - 1 - Math.log(ratio)) + squares / q.variance);
}

/** ∇ of a function of (μ, τ), by differences. */
function slopes(f: (mu: readonly number[], tau: number) => number): number[] {
  const [h, tau] = [1e-4, Math.sqrt(start.variance)];
  const moved = (j: number, by: number) => start.mean.map((m, i) => (i === j ? m + by : m));
  return [
    ...start.mean.map((_, j) => (f(moved(j, h), tau) - f(moved(j, -h), tau)) / (2 * h)),
    (f(start.mean, tau + h) - f(start.mean, tau - h)) / (2 * h),
  ];
}
const ratio = (s * s) / (a * a);

test.each([1, 1.75, 4])("G1: at one level g of κ = %d is (σ²/α²)·∇KL(p_θ,t ‖ ∝ p_c,t^κ·p_∅,t^(1−κ))", (kappa) => {
  const goal = tilted(noisy(data), noisy(nothing), kappa);
  const wanted = slopes((mu, tau) => klOf(noisy(own(mu, tau)), goal)).map((x) => ratio * x);
  const row = expected(four, ({ generated, cond, uncond, fake }) =>
    stoppedGradientCotangent({ generated, fake, teacher: guide({ cond, uncond, guidanceScale: kappa }) }),
  );
  expectRow(row, wanted);
});

test("G2: but the tilted laws of two levels are no one law with noise: its own law gets a gradient at κ ≠ 1", () => {
  const gradientAt = (kappa: number) => {
    let row: number[] = [];
    tidy(() => {
      const law = tilted(data, nothing, kappa);
      const nodes = { ...fourPoints(3), weights: new Float64Array(4).fill(0.25) };
      const [t, level] = [[0, 0, 0, 0], { alpha: [a, a, a, a], sigma: [s, s, s, s] }];
      const generated = add(mul(nodes.z, Math.sqrt(law.variance)), [...law.mean]);
      const xt = addNoise({ x0: generated, noise: nodes.noise, level });
      const psi = gaussianModel({ mean: [...law.mean], variance: law.variance, schedule: standing(a, s) });
      const [cond, uncond, fake] = [teacher, noText, psi].map((model) => predictX0(model, { xt, t })) as Tensor[];
      const goal = guide({ cond: cond as Tensor, uncond: uncond as Tensor, guidanceScale: kappa });
      const g = stoppedGradientCotangent({ generated, fake: fake as Tensor, teacher: goal });
      row = overParameters(nodes, mul(g, 4));
    });
    return Math.max(...row.map(Math.abs));
  };
  expect(gradientAt(1)).toBeLessThan(1e-6);
  expect(gradientAt(1.75)).toBeGreaterThan(0.05);
});

test("G3: CSD is (σ²/α²)·∇[KL(p_θ,t ‖ p_c,t) − KL(p_θ,t ‖ p_∅,t)], the mean of −log p(c | x_t) but for a constant", () => {
  const wanted = slopes((mu, tau) => {
    const law = noisy(own(mu, tau));
    return ratio * (klOf(law, noisy(data)) - klOf(law, noisy(nothing)));
  });
  const row = expected(four, ({ generated, cond, uncond }) =>
    stoppedGradientCotangent({ generated, fake: uncond, teacher: cond }),
  );
  expectRow(row, wanted);
});

test.each([1, 1.75, 4])("G4: SiD at α = ½ is half of ∇E‖f_φ,κ − f_ψ*‖² for any κ = %d", (kappa) => {
  const [of, none] = [gain(data.variance), gain(1)];
  const slope = none + kappa * (of - none);
  // f_φ,κ − f_ψ* = y·x_t + c in each coordinate, and x_t is normal.
  const distance = (mu: readonly number[], tau: number) => {
    const psi = gain(tau * tau);
    const y = slope - psi;
    return mu.reduce((all, m, i) => {
      const c = kappa * (data.mean[i] as number) * (1 - of * a) - m * (1 - psi * a);
      return all + (y * a * m + c) ** 2 + y * y * (a * a * tau * tau + s * s);
    }, 0);
  };
  const row = expected(four, ({ generated, cond, uncond, fake, xt }) => {
    const goal = guide({ cond, uncond, guidanceScale: kappa });
    const cotangents = sidCotangents({ generated, teacher: goal, fake }, { alpha: 0.5, weight: "none" });
    const t = Array<number>(xt.shape[0] as number).fill(0);
    const through = (model: typeof teacher, dy: Tensor) => vjp((x) => predictX0(model, { xt: x, t }), [xt], dy)[0];
    const viaTeacher = add(
      mul(through(teacher, cotangents.teacher) as Tensor, kappa),
      mul(through(noText, cotangents.teacher) as Tensor, 1 - kappa),
    );
    const viaFake = through(fakeScore, cotangents.fake) as Tensor;
    return add(cotangents.generated, mul(add(viaTeacher, viaFake), a));
  });
  expectRow(
    row,
    slopes(distance).map((x) => x / 2),
  );
});
