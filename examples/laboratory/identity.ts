/**
 * The identity behind score identity distillation, checked with a fake score that is exact:
 *
 *     E[ω·δ·(f_ψ − x_g)] = 0,   δ = f_φ − f_ψ,   f_ψ = E[x_g | x_t]
 *
 * for any ω that x_g does not move, and so `E[ω·δ·(f_φ − x_g)] = E[ω·‖δ‖²]`, which the loss stands for. The normaliser
 * `l1` depends on x_g, and breaks it.
 */
import { dispose, tensor2d, tidy } from "@tensorflow/tfjs-core";
import { predictX0, randomStream, SidError } from "sid-lsg";
import type { Estimate } from "sid-lsg/train";
import { classConditions, classShares } from "../plane/law";
import type { Contender } from "./contest";
import { pushForward } from "./density";
import { hasOneNoise } from "./methods";
import type { Stage } from "./stage";

/** By how much the loss misses the distance that it stands for, as a share of the distance; 0 where the identity holds. */
export type IdentityGaps = Readonly<Record<"none" | "l1", Estimate>>;

/** ω is `1/max(mean|x_g − f_φ|, 1e-5)` with the weight `l1`. */
const smallestMean = 1e-5;

/** f_ψ is a sum over so few samples: for the law that they make up it is exact, however few. */
const coarse = { nodes: 49, parts: 1, draws: 49 ** 2 } as const;

/**
 * Measures at `count` samples of each class, noised to the time `t`. Its samples are those of a coarse grid of noise, so
 * that f_ψ is a sum.
 *
 * @throws SidError `out-of-range` for a time without noise.
 */
export async function identityGaps(
  contender: Contender,
  { world, teacher }: Stage,
  { t, count, seed }: { readonly t: number; readonly count: number; readonly seed: number },
): Promise<IdentityGaps> {
  const stream = randomStream(seed);
  const { average } = contender.networks;
  const [alpha, sigma] = [world.schedule.alpha(t), world.schedule.sigma(t)];
  if (!(sigma > 0))
    throw new SidError(
      "out-of-range",
      `The identity is about noised samples, and at t = ${t} there is no noise (σ = ${sigma}): take a later time.`,
    );
  const lags = { none: [] as number[], l1: [] as number[] };
  const squares = { none: [] as number[], l1: [] as number[] };
  for (const [c, share] of classShares(world.law).entries()) {
    const { points, masses } = await pushForward(average, world.law, c, coarse, hasOneNoise(contender.contestant));
    const chosen = choose(masses, stream.uniform(count));
    const noise = stream.normals(2 * count);
    const xg = Float64Array.from(
      { length: 2 * count },
      (_, i) => points[2 * (chosen[i >> 1] as number) + (i % 2)] as number,
    );
    const xt = xg.map((x, i) => alpha * x + sigma * (noise[i] as number));
    const answer = tidy(() => {
      const at = tensor2d(Float32Array.from(xt), [count, 2]);
      return predictX0(teacher, {
        xt: at,
        t: Array<number>(count).fill(t),
        cond: classConditions(world.law, Array<number>(count).fill(c)),
      });
    });
    const f = await answer.data<"float32">();
    dispose(answer);
    for (let i = 0; i < count; i++) {
      const fake = posteriorMean(points, masses, [xt[2 * i] as number, xt[2 * i + 1] as number], alpha, sigma);
      const pair = [0, 1].map((axis) => {
        const [x, phi, psi] = [xg[2 * i + axis] as number, f[2 * i + axis] as number, fake[axis] as number];
        return { lag: (phi - psi) * (psi - x), square: (phi - psi) ** 2, distance: Math.abs(x - phi) / 2 };
      });
      const sum = (key: "lag" | "square" | "distance") => pair.reduce((all, one) => all + one[key], 0);
      const omega = { none: share, l1: share / Math.max(sum("distance"), smallestMean) };
      for (const weight of ["none", "l1"] as const) {
        lags[weight].push(omega[weight] * sum("lag"));
        squares[weight].push(omega[weight] * sum("square"));
      }
    }
  }
  return { none: ratio(lags.none, squares.none), l1: ratio(lags.l1, squares.l1) };
}

/** Indices drawn by their masses. */
function choose(masses: Float64Array, uniforms: readonly number[]): number[] {
  let sum = 0;
  const bounds = masses.map((mass) => (sum += mass));
  return uniforms.map((u) => {
    let [low, high] = [0, bounds.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((bounds[middle] as number) > u * sum) high = middle;
      else low = middle + 1;
    }
    return low;
  });
}

/** `E[x_g | x_t]` where x_g is one of the points. */
function posteriorMean(
  points: Float32Array,
  masses: Float64Array,
  [x, y]: readonly [number, number],
  alpha: number,
  sigma: number,
): [number, number] {
  const exponents = masses.map((_, j) => {
    return (
      -((x - alpha * (points[2 * j] as number)) ** 2 + (y - alpha * (points[2 * j + 1] as number)) ** 2) /
      (2 * sigma ** 2)
    );
  });
  const top = exponents.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  let [total, sumX, sumY] = [0, 0, 0];
  exponents.forEach((exponent, j) => {
    const weight = (masses[j] as number) * Math.exp(exponent - top);
    total += weight;
    sumX += weight * (points[2 * j] as number);
    sumY += weight * (points[2 * j + 1] as number);
  });
  return [sumX / total, sumY / total];
}

/** Sum over sum, with the error of independent samples. */
function ratio(above: readonly number[], below: readonly number[]): Estimate {
  const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);
  const value = sum(above) / sum(below);
  const spread = sum(above.map((a, i) => (a - value * (below[i] as number)) ** 2));
  return { value, standardError: Math.sqrt(spread) / sum(below) };
}
