/** The golden law of the tests: data N((.5, −.3, 1), .49·I), no text N(0, I), x_g = (.2, .1, .4) + 1.1·z, a = .8, s = .6. */
import { add, mul, type Tensor, tidy } from "@tensorflow/tfjs-core";
import { expect } from "vitest";
import { gaussianModel, predictX0 } from "../../src/models";
import { addNoise } from "../../src/predict";
import { fourPoints, standing } from "./laws";
import { type Nodes, nodesAlong, overParameters } from "./quadrature";

export const [a, s] = [0.8, 0.6];
export const data = { mean: [0.5, -0.3, 1], variance: 0.49 };
export const start = { mean: [0.2, 0.1, 0.4], variance: 1.21 };
const schedule = standing(a, s);
export const [teacher, noText, fakeScore] = [
  gaussianModel({ ...data, schedule }),
  gaussianModel({ mean: [0, 0, 0], variance: 1, schedule }),
  gaussianModel({ ...start, schedule }),
];

export interface Scene {
  readonly generated: Tensor;
  readonly xt: Tensor;
  readonly level: { alpha: number[]; sigma: number[] };
  /** f_φ with the text, without it, and f_ψ*. */
  readonly cond: Tensor;
  readonly uncond: Tensor;
  readonly fake: Tensor;
}

/** The generator's samples at the nodes and what exact networks say of them. */
export function sceneAt({ z, noise }: { z: Tensor; noise: Tensor }): Scene {
  const count = z.shape[0] as number;
  const t = Array<number>(count).fill(0);
  const level = { alpha: t.map(() => a), sigma: t.map(() => s) };
  const generated = add(mul(z, Math.sqrt(start.variance)), start.mean);
  const xt = addNoise({ x0: generated, noise, level });
  const [cond, uncond, fake] = [teacher, noText, fakeScore].map((model) => predictX0(model, { xt, t }));
  return { generated, xt, level, cond: cond as Tensor, uncond: uncond as Tensor, fake: fake as Tensor };
}

/** `E[g·∂x_g]` over (μ, τ) of a batch's cotangent g/B. */
export function expected(nodes: () => Nodes, cotangent: (scene: Scene) => Tensor): number[] {
  let result: number[] = [];
  tidy(() => {
    const at = nodes();
    const count = at.weights.length;
    result = overParameters(at, mul(cotangent(sceneAt(at)), count));
  });
  return result;
}

/** Four points are exact where g is affine in the normal variables. */
export const four = (): Nodes => ({ ...fourPoints(3), weights: new Float64Array(4).fill(0.25) });

/** Slope and offset of a posterior mean, or of a guided one, in x_t. */
export const gain = (variance: number) => (a * variance) / (a * a * variance + s * s);
const guided = (kappa: number) => {
  const [of, none] = [gain(data.variance), gain(1)];
  return {
    slope: none + kappa * (of - none),
    offset: data.mean.map((m) => kappa * (m - of * a * m)),
  };
};
/** Nodes along x_g − f_φ,κ, whose mean's absolute value the weights divide by. */
export const alongError = (kappa: number) => () => {
  const { slope, offset } = guided(kappa);
  const tau = Math.sqrt(start.variance);
  return nodesAlong(
    {
      offset: start.mean.map((m, i) => m - (offset[i] as number) - slope * a * m),
      ofZ: tau - slope * a * tau,
      ofNoise: -slope * s,
    },
    kappa > 2 ? 20 : 14,
  );
};
/** Nodes along x_t. */
export const alongXt = () => nodesAlong({ offset: [0, 0, 0], ofZ: a * Math.sqrt(start.variance), ofNoise: s }, 16);

export function expectRow(actual: readonly number[], wanted: readonly number[], tolerance = 5e-6): void {
  actual.forEach((value, i) => {
    const at = wanted[i] as number;
    expect(Math.abs(value - at), `component ${i}: ${value}, wanted ${at}`).toBeLessThan(
      tolerance * Math.max(1, Math.abs(at)),
    );
  });
}

/** Nodes along f_ψ − f_φ, where a distance may have a pole. */
export const alongDelta = () => {
  const [own, theirs] = [gain(start.variance), gain(data.variance)];
  const slope = own - theirs;
  const offset = start.mean.map((m, i) => {
    const at = data.mean[i] as number;
    return m - own * a * m - (at - theirs * a * at) + slope * a * m;
  });
  return nodesAlong({ offset, ofZ: slope * a * Math.sqrt(start.variance), ofNoise: slope * s }, 13, true);
};

/** `E[·]` of what stands for the gradient in μ, per coordinate, and in τ, summed over them. */
export function expectedOver(nodes: () => Nodes, parts: (scene: Scene) => { ofMu: Tensor; ofTau: Tensor }): number[] {
  let result: number[] = [];
  tidy(() => {
    const at = nodes();
    const { ofMu, ofTau } = parts(sceneAt(at));
    const sums = (x: Tensor) => overParameters(at, x).slice(0, 3);
    result = [...sums(ofMu), sums(ofTau).reduce((p, q) => p + q, 0)];
  });
  return result;
}
