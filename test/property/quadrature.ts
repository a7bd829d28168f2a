/** Expectations over a generator `x_g = μ + τ·z` and `x_t = a·x_g + s·ε` in three coordinates, exact to about 1e-8. */
import { type Tensor, tensor2d } from "@tensorflow/tfjs-core";
import { numbers } from "../support/matchers";

/** Samples and the weight of each: `E[f(z, ε)] = Σ weights·f`. */
export interface Nodes {
  readonly z: Tensor;
  readonly noise: Tensor;
  readonly weights: Float64Array;
}

/** In coordinate i: `u_i = offset_i + ofZ·z_i + ofNoise·ε_i`. */
export interface Direction {
  readonly offset: readonly number[];
  readonly ofZ: number;
  readonly ofNoise: number;
}

/**
 * Nodes for integrands that depend in any way on three normal variables `u_i`, with kinks and a pole of order 1 at u = 0
 * allowed, and that are polynomials of degree at most 3 in each variable at right angles to them: ±1 are exact for those.
 * Where products of two coordinates' such variables occur, `apart` takes every pair of signs.
 */
export function nodesAlong({ offset, ofZ, ofNoise }: Direction, perSide = 14, apart = false): Nodes {
  const length = Math.hypot(ofZ, ofNoise);
  const [cos, sin] = [ofZ / length, ofNoise / length];
  const axes = offset.map((c) => halfLines(c / length, perSide));
  const rows: { n: number[]; weight: number }[] = [];
  for (const x of axes[0] as Node[])
    for (const y of axes[1] as Node[])
      for (const w of axes[2] as Node[]) rows.push({ n: [x.at, y.at, w.at], weight: x.weight * y.weight * w.weight });
  const signs = apart ? [0, 1, 2, 3, 4, 5, 6, 7].map((k) => [k & 1, k & 2, k & 4].map((bit) => (bit ? 1 : -1))) : same;
  const both = rows.flatMap(({ n, weight }) => signs.map((sides) => ({ n, sides, weight: weight / signs.length })));
  return {
    z: tensor2d(both.map(({ n, sides }) => n.map((x, i) => cos * x - sin * (sides[i] as number)))),
    noise: tensor2d(both.map(({ n, sides }) => n.map((x, i) => sin * x + cos * (sides[i] as number)))),
    weights: Float64Array.from(both, ({ weight }) => weight),
  };
}

const same = [
  [1, 1, 1],
  [-1, -1, -1],
];

/** `Σ weights·g` over μ (the sum of a column) and over τ (with z), for cotangents `[N, 3]` at x_g. */
export function overParameters({ z, weights }: Nodes, cotangent: Tensor): number[] {
  const [g, zs] = [numbers(cotangent), numbers(z)];
  const result = [0, 0, 0, 0];
  weights.forEach((weight, row) => {
    for (let i = 0; i < 3; i++) {
      const value = weight * (g[3 * row + i] as number);
      result[i] = (result[i] as number) + value;
      result[3] = (result[3] as number) + value * (zs[3 * row + i] as number);
    }
  });
  return result;
}

interface Node {
  readonly at: number;
  readonly weight: number;
}

/** Nodes of a standard normal variable n, parted where `shift + n` is 0 and crowded there: n = −shift ± v². */
function halfLines(shift: number, perSide: number): Node[] {
  const farthest = 7.5;
  const density = (n: number) => Math.exp((-n * n) / 2) / Math.sqrt(2 * Math.PI);
  return [1, -1].flatMap((side) => {
    const end = Math.sqrt(Math.max(farthest + side * shift, 1));
    return gaussLegendre(perSide, 0, end).map(({ at, weight }) => {
      const n = -shift + side * at * at;
      return { at: n, weight: weight * 2 * at * density(n) };
    });
  });
}

/** The nodes of Gauss and Legendre on `[from, to]`, by Newton's method on the polynomial. */
export function gaussLegendre(count: number, from: number, to: number): Node[] {
  return Array.from({ length: count }, (_, k) => {
    let x = Math.cos((Math.PI * (k + 0.75)) / (count + 0.5));
    let slope = 0;
    for (let step = 0; step < 100; step++) {
      let [before, value] = [1, x];
      for (let n = 2; n <= count; n++) [before, value] = [value, ((2 * n - 1) * x * value - (n - 1) * before) / n];
      slope = (count * (x * value - before)) / (x * x - 1);
      const change = value / slope;
      x -= change;
      if (Math.abs(change) < 1e-15) break;
    }
    return { at: (from + to) / 2 + ((to - from) / 2) * x, weight: (to - from) / ((1 - x * x) * slope * slope) };
  });
}
