/** What the stopped-gradient family descends (Q1 to Q5) and the golden gradients of its methods, at their own weights. */
import { add, mul, ones, sub, sum, type Tensor, type Tensor1D, tidy } from "@tensorflow/tfjs-core";
import { describe, expect, test } from "vitest";
import { vjp } from "../../src/core";
import { guide } from "../../src/guidance";
import {
  adversarialLoss,
  type FDivergenceName,
  fDivergenceWeights,
  type LossWeight,
  stoppedGradientCotangent,
} from "../../src/losses";
import { expectClose } from "../support/matchers";
import { a, alongError, alongXt, data, expected, expectRow, four, type Scene, s, sceneAt, start } from "./golden-law";
import { fourPoints } from "./laws";

/** (s²/a²)·∇KL(p_θ,t ‖ p_t). */
const kl = [-0.1603325416, 0.2137767221, -0.3206650831, 0.7164083099];

describe("golden gradients over (μ, τ), exactly", () => {
  const at = (weight: LossWeight, kappa: number) => (scene: Scene) => {
    const guidedTeacher = guide({ cond: scene.cond, uncond: scene.uncond, guidanceScale: kappa });
    const { generated, fake, level } = scene;
    return stoppedGradientCotangent({ generated, fake, teacher: guidedTeacher }, { weight, level });
  };
  test.each<[string, LossWeight, number, number[]]>([
    ["Diff-Instruct", "none", 1, kl],
    ["VSD, κ 1", "alpha-sigma", 1, [-0.07695962, 0.1026128266, -0.1539192399, 0.3438759887]],
    ["VSD, κ 7.5", "alpha-sigma", 7.5, [-0.8018371496, 0.6572761995, -1.6036742993, 2.1399288153]],
    ["weight 1, κ 7.5", "none", 7.5, [-1.67049406, 1.36932542, -3.34098812, 4.45818503]],
    ["weight 1, κ 1.75", "none", 1.75, [-0.3345819477, 0.3471092637, -0.6691638955, 1.1481517778]],
    ["weight 1, κ 8", "none", 8, [-1.7866603325, 1.4582137767, -3.5733206651, 4.7460140106]],
  ])("%s", (_, weight, kappa, wanted) => {
    expectRow(expected(four, at(weight, kappa)), wanted);
  });

  test.each<[string, LossWeight, number, number[]]>([
    ["DMD2, κ 1", "l1", 1, [-0.3357499483, 0.4477383696, -0.6719122074, 1.2307919563]],
    ["DMD, κ 1: a/M", "alpha-l1", 1, [-0.2685999586, 0.3581906957, -0.5375297659, 0.984633565]],
    ["DMD2, κ 1.75", "l1", 1.75, [-0.5232933958, 0.5429462815, -1.0509780757, 1.2805401161]],
    ["DMD2, κ 8", "l1", 8, [-0.6632911707, 0.5386952079, -1.3751841251, 1.3016116768]],
  ])("%s, by its own normaliser", (_, weight, kappa, wanted) => {
    expectRow(expected(alongError(kappa), at(weight, kappa)), wanted, 2e-5);
  });

  test.each<[string, number, LossWeight, number[]]>([
    ["κ 1, weight 1", 1, "none", [-0.1603325416, 0.2137767221, -0.3206650831, 1.7636579572]],
    ["κ 1", 1, "alpha-sigma", [-0.07695962, 0.1026128266, -0.1539192399, 0.8465558195]],
    ["κ 101", 101, "alpha-sigma", [-11.2289216152, 8.6358954869, -22.4578432304, 28.4781377672]],
  ])("SDS, x_g in the place of f_ψ: %s", (_, kappa, weight, wanted) => {
    const row = expected(four, ({ generated, cond, uncond, level }) => {
      const guidedTeacher = guide({ cond, uncond, guidanceScale: kappa });
      return stoppedGradientCotangent({ generated, fake: generated, teacher: guidedTeacher }, { weight, level });
    });
    expectRow(row, wanted);
  });

  test.each<[LossWeight, number[]]>([
    ["none", [-0.2323325416, 0.1777767221, -0.4646650831, 0.5756579572]],
    ["alpha-sigma", [-0.11151962, 0.0853328266, -0.2230392399, 0.2763158195]],
  ])("CSD, the teacher without and with the text: weight %s", (weight, wanted) => {
    const row = expected(four, ({ generated, cond, uncond, level }) =>
      stoppedGradientCotangent({ generated, fake: uncond, teacher: cond }, { weight, level }),
    );
    expectRow(row, wanted);
  });
});

describe("what each descends", () => {
  /** ∇ of a function of (μ, τ), by differences. */
  const slopes = (f: (mu: number[], tau: number) => number) => {
    const [h, tau] = [1e-4, Math.sqrt(start.variance)];
    const moved = (j: number, by: number) => start.mean.map((m, i) => (i === j ? m + by : m));
    return [
      ...start.mean.map((_, j) => (f(moved(j, h), tau) - f(moved(j, -h), tau)) / (2 * h)),
      (f(start.mean, tau + h) - f(start.mean, tau - h)) / (2 * h),
    ];
  };
  const noisyKl = (mu: number[], tau: number) => {
    const [own, theirs] = [a * a * tau * tau + s * s, a * a * data.variance + s * s];
    const squares = mu.reduce((all, m, i) => all + (a * (m - (data.mean[i] as number))) ** 2, 0);
    return 0.5 * (3 * (own / theirs - 1 - Math.log(own / theirs)) + squares / theirs);
  };
  const information = (_: number[], tau: number) => 1.5 * Math.log(1 + (a * a * tau * tau) / (s * s));
  const ratio = (s * s) / (a * a);

  test("Q1: weight 1 is (σ²/α²)·∇KL(p_θ,t ‖ p_data,t)", () => {
    const row = expected(four, ({ generated, cond, fake }) =>
      stoppedGradientCotangent({ generated, teacher: cond, fake }),
    );
    expectRow(
      row,
      slopes(noisyKl).map((x) => ratio * x),
    );
  });

  test("Q2: SDS descends KL + I(x_g; x_t): the spread shrinks by design", () => {
    const row = expected(four, ({ generated, cond }) =>
      stoppedGradientCotangent({ generated, teacher: cond, fake: generated }),
    );
    const both = slopes((mu, tau) => noisyKl(mu, tau) + information(mu, tau));
    expectRow(
      row,
      both.map((x) => ratio * x),
    );
    expect((row[3] as number) - (kl[3] as number)).toBeGreaterThan(1);
  });

  test("Q3: a guided teacher is the divergence's part and a part that pulls to the text", () => {
    const kappa = 4;
    tidy(() => {
      const { generated, cond, uncond, fake } = sceneAt(fourPoints(3));
      const whole = stoppedGradientCotangent({
        generated,
        fake,
        teacher: guide({ cond, uncond, guidanceScale: kappa }),
      });
      const matching = stoppedGradientCotangent({ generated, fake, teacher: cond });
      const pulling = stoppedGradientCotangent({ generated, fake: uncond, teacher: cond });
      expectClose(whole, add(matching, mul(pulling, kappa - 1)), 1e-6);
    });
  });

  /** log r at x_t, from exact densities. */
  const logRatio = ({ xt }: Scene): Tensor1D => {
    const term = (mean: readonly number[], variance: number) => {
      const spread = a * a * variance + s * s;
      const distance = sub(xt, mul(mean as number[], a));
      return sub(mul(sum(mul(distance, distance), 1), -0.5 / spread), 1.5 * Math.log(spread));
    };
    return sub(term(data.mean, data.variance), term(start.mean, start.variance)) as Tensor1D;
  };

  // Not Neyman's: where its expectation comes from, 1/r is beyond float32.
  test.each<[FDivergenceName, number[]]>([
    ["reverse-kl", kl],
    ["forward-kl", [-0.0952045134, 0.1269393512, -0.1904090268, 0.3052631788]],
    ["jensen-shannon", [-0.0482377406, 0.0643169874, -0.0964754811, 0.1697813923]],
    ["softened-reverse-kl", [-0.112094801, 0.1494597347, -0.224189602, 0.5466269175]],
    ["hellinger", [-0.1076303335, 0.1435071114, -0.2152606671, 0.395705585]],
    ["jeffreys", [-0.255537055, 0.3407160733, -0.5110741099, 1.0216714887]],
  ])("Q4: h(r) of %s gives the gradient of its divergence", (divergence, wanted) => {
    const row = expected(alongXt, (scene) => {
      const { generated, cond, fake } = scene;
      const weight = () => fDivergenceWeights({ logit: logRatio(scene) }, { divergence, clip: null });
      return stoppedGradientCotangent({ generated, teacher: cond, fake }, { weight });
    });
    expectRow(row, wanted);
  });

  test("Q5: a perfect non-saturating discriminator is the softened reverse KL, sample by sample", () => {
    tidy(() => {
      const { z, noise } = fourPoints(3);
      const scene = sceneAt({ z: mul(z, 0.7), noise: mul(noise, 1.3) });
      const { xt, generated, cond, fake } = scene;
      const [atXt] = vjp((x) => adversarialLoss(logRatio({ ...scene, xt: x })), [xt], ones([]));
      const weight = () =>
        fDivergenceWeights({ logit: logRatio(scene) }, { divergence: "softened-reverse-kl", clip: null });
      const g = stoppedGradientCotangent({ generated, teacher: cond, fake }, { weight });
      expectClose(mul(atXt as Tensor, a), mul(g, (a * a) / (s * s)), 1e-6);
    });
  });
});
