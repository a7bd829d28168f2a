/** Laws in the plane whose scores are known: mixtures of round Gaussians of one size, in one class or two. */
import { type Tensor, tensor2d } from "@tensorflow/tfjs-core";

/** A mixture of Gaussians. */
export interface Law {
  /** How often each Gaussian occurs; scaled to sum 1 where it matters. */
  readonly weights: readonly number[];
  readonly means: readonly (readonly [number, number])[];
  /** Of each Gaussian, along both axes. */
  readonly variance: number;
  /** The class of each Gaussian: 0, or 1. */
  readonly classes: readonly number[];
}

/** Six Gaussians on a ring, the first three of class 0, the others of class 1. */
export const ring: Law = {
  weights: [1, 2, 1, 2, 1, 2],
  means: Array.from({ length: 6 }, (_, k) => {
    const angle = (2 * Math.PI * k) / 6;
    return [1.4 * Math.cos(angle), 1.4 * Math.sin(angle)] as const;
  }),
  variance: 0.03,
  classes: [0, 0, 0, 1, 1, 1],
};

const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);

/** How often each class occurs. */
export function classShares({ weights, classes }: Law): number[] {
  const total = sum(weights);
  const count = Math.max(...classes) + 1;
  return Array.from({ length: count }, (_, c) => sum(weights.filter((_, k) => classes[k] === c)) / total);
}

/** A Gaussian of a class, and how often it occurs within the class. */
export interface Mode {
  readonly centre: readonly [number, number];
  readonly share: number;
}

/** The Gaussians of a class. */
export function modesOf({ weights, means, classes }: Law, c: number): Mode[] {
  const own = means.flatMap((centre, k) => (classes[k] === c ? [{ centre, weight: weights[k] as number }] : []));
  const total = sum(own.map(({ weight }) => weight));
  return own.map(({ centre, weight }) => ({ centre, share: weight / total }));
}

/** The conditions "it is of this class": the weights of its Gaussians, or of all where no class is told. */
export function classConditions({ weights, classes }: Law, told: readonly (number | undefined)[]): Tensor {
  return tensor2d(
    told.map((c) => {
      const own = weights.map((w, k) => (c === undefined || classes[k] === c ? w : 0));
      const total = sum(own);
      return own.map((w) => w / total);
    }),
  );
}
