/** Divergences of the clean laws as integrals over all levels of noise (Q6, Q7), by the library's own networks and losses. */
import { dispose, mul, square, sub, sum, type Tensor, tensor1d, tensor2d, tidy } from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { type FDivergenceName, fDivergenceWeights } from "../../src/losses";
import { sidLsg } from "../../src/methods";
import { gaussianModel, predictX0 } from "../../src/models";
import { generatorGradients } from "../../src/train";
import { numbers } from "../support/matchers";
import { data, start } from "./golden-law";
import { affineGenerator, fourPoints, standing } from "./laws";
import { gaussLegendre } from "./quadrature";

/** Levels of variance-preserving noise from SNR e^−12 to e^15, and `dSNR` of each. */
const levels = gaussLegendre(60, -12, 15).map(({ at, weight }) => {
  const snr = Math.exp(at);
  return { a: Math.sqrt(snr / (1 + snr)), s: Math.sqrt(1 / (1 + snr)), dSnr: weight * snr };
});

test("Q6: KL(p_θ ‖ p_data) is ½∫E‖f_φ − f_ψ‖² dSNR, and its gradient is SiD's at α = ½ over all levels", () => {
  const tau = Math.sqrt(start.variance);
  const generator = affineGenerator(start.mean, tau);
  const { z, noise } = fourPoints(3);
  let kl = 0;
  const gradient = [0, 0, 0, 0];
  for (const { a, s, dSnr } of levels) {
    const schedule = standing(a, s);
    const teacher = gaussianModel({ ...data, schedule });
    const fakeScore = gaussianModel({ ...start, schedule });
    const objective = { generator, teacher, fakeScore, method: sidLsg({ alpha: 0.5, weight: "none" }) };
    const result = generatorGradients(objective, { noises: [z], noise, t: [0, 0, 0, 0] });
    kl += 0.5 * dSnr * (numbers(result.deltaSquared)[0] as number);
    result.gradients.flatMap(numbers).forEach((g, i) => {
      gradient[i] = (gradient[i] as number) + dSnr * g;
    });
    dispose([...Object.values(result), ...result.gradients] as Tensor[]);
  }
  expect(kl).toBeCloseTo(1.47057524, 5);
  const wanted = [-0.612244898, 0.8163265306, -1.2244897959, 4.0074211503];
  gradient.forEach((g, i) => {
    expect(Math.abs(g - (wanted[i] as number))).toBeLessThan(2e-5 * Math.max(1, Math.abs(wanted[i] as number)));
  });
  dispose([z, noise]);
  generator.dispose();
});

test.each<[FDivergenceName, (r: number) => number]>([
  ["reverse-kl", (r) => -Math.log(r)],
  ["forward-kl", (r) => r * Math.log(r)],
  ["jensen-shannon", (r) => r * Math.log(r) - (1 + r) * Math.log((1 + r) / 2)],
  ["hellinger", (r) => 4 * (1 - Math.sqrt(r))],
  ["jeffreys", (r) => (r - 1) * Math.log(r)],
])("Q7: D_f(p_data ‖ p_θ) of %s is ½∫E[h(r)·‖f_φ − f_ψ‖²] dSNR", (divergence, f) => {
  // One coordinate: N(.5, .49) against N(.2, 1.21).
  const [theirs, own] = [
    { mean: [0.5], variance: 0.49 },
    { mean: [0.2], variance: 1.21 },
  ];
  const nodes = gaussLegendre(80, -9, 9);
  const density = (n: number) => Math.exp((-n * n) / 2) / Math.sqrt(2 * Math.PI);
  const logRatio = (x: number, a: number, s: number) => {
    const term = ({ mean, variance }: typeof own) => {
      const spread = a * a * variance + s * s;
      return -((x - a * (mean[0] as number)) ** 2) / (2 * spread) - 0.5 * Math.log(spread);
    };
    return term(theirs) - term(own);
  };
  const atLevel = (a: number, s: number): number => {
    const [schedule, spread] = [standing(a, s), Math.sqrt(a * a * own.variance + s * s)];
    const xs = nodes.map(({ at }) => a * (own.mean[0] as number) + spread * at);
    return tidy(() => {
      const xt = tensor2d(xs.map((x) => [x]));
      const t = Array<number>(xs.length).fill(0);
      const [teacher, fake] = [theirs, own].map((law) => predictX0(gaussianModel({ ...law, schedule }), { xt, t }));
      const logit = tensor1d(xs.map((x) => logRatio(x, a, s)));
      const weights = fDivergenceWeights({ logit }, { divergence, clip: null });
      const terms = numbers(mul(weights, sum(square(sub(teacher as Tensor, fake as Tensor)), 1)));
      return nodes.reduce((all, { at, weight }, i) => all + weight * density(at) * (terms[i] as number), 0);
    });
  };
  const integral = levels.reduce((all, { a, s, dSnr }) => all + 0.5 * dSnr * atLevel(a, s), 0);
  const spread = Math.sqrt(own.variance);
  const exact = nodes.reduce((all, { at, weight }) => {
    const r = Math.exp(logRatio((own.mean[0] as number) + spread * at, 1, 0));
    return all + weight * density(at) * f(r);
  }, 0);
  expect(Math.abs(integral - exact)).toBeLessThan(2e-5 * Math.max(1, exact));
});
