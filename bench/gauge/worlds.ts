/** Teachers, generators and fake scores whose laws are Gaussians or mixtures, so that every divergence is known. */
import {
  add,
  cast,
  div,
  exp,
  matMul,
  mul,
  oneHot,
  sub,
  type Tensor,
  type Tensor2D,
  tensor1d,
  tensor2d,
  tidy,
  type Variable,
  variable,
  zeros,
} from "@tensorflow/tfjs-core";
import { ddpmSchedule, functionModel, type RandomStream, randomStream, type ScoreModel } from "sid-lsg";
import { type GeneratorModel, gaussianMixtureModel, gaussianModel } from "sid-lsg/models";
import type { ConditionSource } from "sid-lsg/train";

export const schedule = ddpmSchedule();
/** A Gaussian of independent coordinates. */
export interface Law {
  readonly mean: readonly number[];
  readonly variance: readonly number[];
}

/** A task whose divergence is known. */
export interface World {
  readonly name: string;
  readonly teacher: ScoreModel;
  readonly conditions: ConditionSource | undefined;
  /** Conditions, 1 where there are none. */
  readonly count: number;
  /** Coordinates of a sample. */
  readonly dim: number;
  /** `KL(generator ‖ teacher)` in nats, the mean over the conditions, given the generator's law under each. */
  divergence(laws: readonly Law[]): number;
}

const hot: ConditionSource = {
  sample: (stream, count) => tidy(() => cast(oneHot(tensor1d(stream.integers(count, 0, 4), "int32"), 4), "float32")),
  unconditional: () => zeros([1, 4]),
};

/** Four conditions, each with a Gaussian of its own. */
export function fourGaussians(): World {
  const laws: readonly Law[] = [
    { mean: [1.5, 1], variance: [0.2, 0.3] },
    { mean: [-1, 1.5], variance: [0.4, 0.1] },
    { mean: [-1.5, -1], variance: [0.1, 0.2] },
    { mean: [1, -1.5], variance: [0.3, 0.4] },
  ];
  const means = tensor2d(laws.map(({ mean }) => [...mean]));
  const variances = tensor2d(laws.map(({ variance }) => [...variance]));
  const predict = (xt: Tensor, t: readonly number[], cond?: Tensor) =>
    posterior(xt, t, matMul(cond as Tensor2D, means), matMul(cond as Tensor2D, variances));
  return {
    name: "four Gaussians",
    teacher: functionModel({ name: "phi", predicts: "x0", schedule, variables: [], predict }),
    conditions: hot,
    count: 4,
    dim: 2,
    divergence: (own) => own.reduce((sum, law, i) => sum + gaussianDivergence(law, laws[i] as Law) / own.length, 0),
  };
}

/** One mixture of three Gaussians without conditions. */
export function mixture(): World {
  const [weights, variances] = [
    [0.5, 0.3, 0.2],
    [0.3, 0.2, 0.25],
  ] as const;
  const means = [
    [1, 0],
    [-1, 0.8],
    [-0.5, -1],
  ] as const;
  const logDensity = (x: number, y: number) =>
    Math.log(
      means.reduce((sum, [a, b], i) => {
        const v = variances[i] as number;
        const density = Math.exp(-((x - a) ** 2 + (y - b) ** 2) / (2 * v)) / (2 * Math.PI * v);
        return sum + (weights[i] as number) * density;
      }, 0),
    );
  return {
    name: "mixture",
    teacher: gaussianMixtureModel({ weights, means, variances, schedule }),
    conditions: undefined,
    count: 1,
    dim: 2,
    // A sum over ±7 standard deviations of the generator's law; smooth integrands make it exact.
    divergence([law]) {
      const { mean, variance } = law as Law;
      const [sx = 1, sy = 1] = variance.map(Math.sqrt);
      let total = 0;
      const h = 0.05;
      for (let u = -7; u <= 7; u += h)
        for (let v = -7; v <= 7; v += h) {
          const density = Math.exp(-(u * u + v * v) / 2) / (2 * Math.PI);
          const own = Math.log(density / (sx * sy));
          total += h * h * density * (own - logDensity((mean[0] as number) + sx * u, (mean[1] as number) + sy * v));
        }
      return total;
    },
  };
}

/** The golden law of the tests: data `N((.5, −.3, 1), .49)`; {@link goldenStart} is 1.47057524 nats from it. */
export function goldenLaw(): World {
  const data = { mean: [0.5, -0.3, 1], variance: 0.49 };
  const law = { mean: data.mean, variance: [0.49, 0.49, 0.49] };
  return {
    name: "golden law",
    teacher: gaussianModel({ ...data, schedule }),
    conditions: undefined,
    count: 1,
    dim: 3,
    divergence: ([own]) => gaussianDivergence(own as Law, law),
  };
}

/** The generator's law there. */
export const goldenStart: Law = { mean: [0.2, 0.1, 0.4], variance: [1.21, 1.21, 1.21] };

/** `KL(p ‖ q)` of two Gaussians. */
export function gaussianDivergence(p: Law, q: Law): number {
  return p.mean.reduce((sum, m, i) => {
    const [v, w] = [p.variance[i] as number, q.variance[i] as number];
    return sum + 0.5 * (v / w - 1 - Math.log(v / w) + (m - (q.mean[i] as number)) ** 2 / w);
  }, 0);
}

/** `E[x0 | x_t]` of Gaussians, their means and variances per sample. */
function posterior(xt: Tensor, t: readonly number[], mean: Tensor, variance: Tensor): Tensor {
  return tidy(() => {
    const alpha = tensor2d(t.map((at) => [schedule.alpha(at)]));
    const noise = tensor2d(t.map((at) => [schedule.sigma(at) ** 2]));
    const gain = div(mul(variance, alpha), add(mul(mul(alpha, alpha), variance), noise));
    return add(mean, mul(gain, sub(xt, mul(alpha, mean))));
  });
}

let made = 0;

/** Variables of a mean and a log-variance per condition: drawn, or those of a law. */
function lawVariables(name: string, { count, dim }: World, stream: RandomStream, law?: Law): [Variable, Variable] {
  const make = (part: string, scale: number, given: readonly number[] | undefined) =>
    variable(
      tidy(() => (given ? tensor2d([[...given]]) : mul(stream.normal([count, dim]), scale))),
      true,
      `${name}-${made++}/${part}`,
    );
  return [make("mean", 0.7, law?.mean), make("logVariance", 0.3, law?.variance.map(Math.log))];
}

const row = (x: Variable, cond: Tensor | undefined) => (cond ? matMul(cond as Tensor2D, x as Tensor as Tensor2D) : x);

/** A fake score that can be exact for {@link affineGenerator}. */
export function gaussianScore(world: World, seed: number): ScoreModel {
  const [mean, logVariance] = lawVariables("psi", world, randomStream(seed));
  return functionModel({
    ...{ name: `psi-${made}`, predicts: "x0", schedule, variables: [mean, logVariance] },
    predict: (xt, t, cond) => posterior(xt, t, row(mean, cond), exp(row(logVariance, cond))),
  });
}

/** `x = m_c + exp(½·l_c)·z`. */
export function affineGenerator(world: World, seed: number, law?: Law): GeneratorModel & { laws(): Law[] } {
  const [mean, logVariance] = lawVariables("G", world, randomStream(seed), law);
  return {
    name: `G-${made}`,
    steps: 1,
    variables: [mean, logVariance],
    generate: ([z], cond) => tidy(() => add(row(mean, cond), mul(exp(mul(row(logVariance, cond), 0.5)), z as Tensor))),
    dispose: () => {
      mean.dispose();
      logVariance.dispose();
    },
    laws() {
      const [m, l] = [mean, logVariance].map((v) => v.arraySync() as number[][]) as [number[][], number[][]];
      return m.map((of, i) => ({ mean: of, variance: (l[i] as number[]).map(Math.exp) }));
    },
  };
}
