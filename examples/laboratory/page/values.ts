/** The terms of an equation in numbers, at each sample that is looked at. */
import type { FDivergenceName } from "sid-lsg";
import type { Contestant } from "../state";
import type { Terms } from "../views";
import { asksDistance } from "./equations";
import { factorOf, type Numbers, numbersOf, type TermName } from "./notation";

/** Whether a term is one number for each sample; all others are points or arrows of the plane, x and y in turn. */
export const isNumber = (name: TermName) => ["meanDistance", "weight", "ratio"].includes(name);

/** What is known of each term; the gradient and its parts without the factor that stands before them. */
export interface Values {
  readonly count: number;
  /** `x_t = alpha·x_g + sigma·ε`. */
  readonly alpha: number;
  readonly sigma: number;
  readonly of: Readonly<Partial<Record<TermName, ArrayLike<number>>>>;
}

/** A weight on the level of noise, by its name; written by itself, so that the tests compare the equation with the library. */
const ofLevel: Readonly<Record<string, (a: number, s: number) => number>> = {
  snr: (a, s) => (a / s) ** 2,
  "alpha-l1": (a) => a,
  "alpha-sigma": (a, s) => a * s,
  "alpha-squared-sigma": (a, s) => a * a * s,
  "alpha-over-sigma": (a, s) => a / s,
  "one-minus-sigma": (a, s) => a / (a + s),
  "one-minus-sigma-squared": (a, s) => (a / (a + s)) ** 2,
  "inverse-sigma": (a, s) => (a + s) / s,
  "inverse-sigma-squared": (a, s) => ((a + s) / s) ** 2,
};

/** h of the f-divergences. */
const h: Readonly<Record<FDivergenceName, (r: number) => number>> = {
  "reverse-kl": () => 1,
  "forward-kl": (r) => r,
  "jensen-shannon": (r) => r / (1 + r),
  "softened-reverse-kl": (r) => 1 / (1 + r),
  hellinger: Math.sqrt,
  jeffreys: (r) => 1 + r,
  neyman: (r) => 1 / r,
};

type Numeric = ArrayLike<number>;
type Combine = (...values: number[]) => number;

/** Applies a function number by number. */
function each(combine: Combine, ...arrays: Numeric[]): number[] {
  return Array.from({ length: arrays[0]?.length ?? 0 }, (_, i) =>
    combine(...arrays.map((array) => array[i] as number)),
  );
}

const minus = (a: Numeric, b: Numeric) => each((x, y) => (x as number) - (y as number), a, b);
const plus = (a: Numeric, b: Numeric) => each((x, y) => (x as number) + (y as number), a, b);
const scaled = (factor: number, a: Numeric) => each((x) => factor * (x as number), a);
/** Each sample's arrow times its own number. */
const weighted = (weights: Numeric, a: Numeric) => Array.from(a, (x, i) => (weights[i >> 1] as number) * x);
const mean = (a: Numeric) => Array.from(a).reduce((sum, x) => sum + x, 0) / a.length;

/** All values of a contestant's terms. */
export function valuesOf(contestant: Contestant, terms: Terms): Values {
  const numbers = numbersOf(contestant);
  const { generated, xt, answers, alpha, sigma } = terms;
  const count = generated.length / 2;
  const { teacher, fake, conditional, unconditional, logit } = answers;
  const own: Partial<Record<TermName, Numeric>> = {
    ...{ generated, noisy: xt, gradient: scaled(1 / factorOf(numbers), terms.gradient) },
    ...(teacher && { teacher }),
    ...(fake && { fake }),
    ...(teacher && fake && { delta: minus(teacher, fake) }),
    ...(conditional && unconditional && { conditional, unconditional }),
  };
  if (numbers.method === "decoupled-dmd" && conditional && unconditional)
    own.pull = scaled(numbers.kappa4 - 1, minus(unconditional, conditional));
  const answer = answerOf(own);
  const distances =
    answer && Array.from({ length: count }, (_, i) => mean([0, 1].map((axis) => distance(generated, answer, i, axis))));
  if (distances && asksDistance(numbers.weight)) own.meanDistance = distances;
  const weight = weightsOf(numbers, { count, alpha, sigma, distances });
  if (weight) own.weight = weight;
  if (numbers.method === "f-distill" && logit) own.ratio = ratiosOf(numbers.divergence, logit);
  if (own.delta) Object.assign(own, identityOf(numbers, own.delta, own));
  const unweighted = pushOf(numbers.method, own);
  if (unweighted) {
    const times = weight ? weighted(weight, unweighted) : unweighted;
    own.direct = own.ratio ? weighted(own.ratio, times) : times;
    own.through = minus(own.gradient as Numeric, own.direct);
  }
  return { count, alpha, sigma, of: own };
}

type Own = Partial<Record<TermName, Numeric>>;

const distance = (a: Numeric, b: Numeric, i: number, axis: number) =>
  Math.abs((a[2 * i + axis] as number) - (b[2 * i + axis] as number));

/** What stands for the teacher's answer in M. */
function answerOf({ teacher, conditional, pull }: Own): Numeric | undefined {
  return teacher && pull ? minus(teacher, pull) : (teacher ?? conditional);
}

interface Weighing {
  readonly count: number;
  readonly alpha: number;
  readonly sigma: number;
  readonly distances: readonly number[] | undefined;
}

/** ω of each sample; undefined where it is 1. */
function weightsOf({ weight }: Numbers, { count, alpha, sigma, distances }: Weighing): number[] | undefined {
  if (weight === "none") return undefined;
  const level = ofLevel[weight]?.(alpha, sigma) ?? 1;
  if (!asksDistance(weight)) return Array<number>(count).fill(level);
  return distances?.map((M) => level / (weight === "default" ? M + 1e-6 : Math.max(M, 1e-5)));
}

/** h̄(r): the ratio by the logit, over its mean since all are of one time, h of that, over its mean. */
function ratiosOf(divergence: FDivergenceName, logit: Numeric): number[] {
  const clip = (value: number, low: number, high: number) => Math.min(high, Math.max(low, value));
  const ratios = Array.from(logit, (one) => clip(Math.exp(clip(one, -10, 10)), 0.1, 20));
  const over = (values: readonly number[]) => values.map((value) => value / (mean(values) + 1e-6));
  return over(over(ratios).map(h[divergence]));
}

/** What is made of δ. */
function identityOf({ method, alpha, huber }: Numbers, delta: Numeric, { teacher, generated }: Own): Own {
  if (method === "sim") {
    if (huber === undefined) return { slope: scaled(-2, delta) };
    const lengths = Array.from({ length: delta.length / 2 }, (_, i) =>
      Math.hypot(delta[2 * i] as number, delta[2 * i + 1] as number, huber),
    );
    return {
      slope: weighted(
        lengths.map((length) => -1 / length),
        delta,
      ),
    };
  }
  if (!identities.has(method)) return {};
  const alphaDelta = scaled(alpha, delta);
  return { alphaDelta, combination: minus(minus(teacher as Numeric, generated as Numeric), alphaDelta) };
}

const identities: ReadonlySet<Contestant["method"]> = new Set(["sid", "sid-lsg", "few-step-sid", "sid-dit", "sida"]);

/** The direct part of the gradient before ω. */
function pushOf(method: Contestant["method"], own: Own): number[] | undefined {
  const { generated, teacher, conditional, unconditional, delta, slope, pull } = own;
  if (method === "sds") return teacher && generated && minus(generated, teacher);
  if (method === "csd") return unconditional && conditional && minus(unconditional, conditional);
  if (slope) return Array.from(slope);
  const push = delta && scaled(-1, delta);
  return push && pull ? plus(push, pull) : push;
}
