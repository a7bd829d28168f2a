/** The exact law of a generator in the plane: its noise on a grid, pushed forward. */
import { type Tensor, tensor2d, tile } from "@tensorflow/tfjs-core";
import { randomStream } from "sid-lsg";
import type { GeneratorModel } from "sid-lsg/models";
import { type Coverage, coverageOf } from "../plane/coverage";
import { classConditions, classShares, type Law, type Mode, modesOf } from "../plane/law";
import { clippedShare, type SmoothedDensity, smoothedDensity, smoothedKl } from "../plane/smoothed";

/** Points of the plane, x and y in turn, and the mass of each. */
export interface Cloud {
  readonly points: Float32Array;
  readonly masses: Float64Array;
}

/** How finely noise is cut. */
export interface Cut {
  /**
   * Places along an axis where the network is asked.
   * @defaultValue `97`
   */
  readonly nodes?: number;
  /**
   * Parts of a step from node to node, between which the network is interpolated by cubics.
   * @defaultValue `4`
   */
  readonly parts?: number;
  /**
   * Samples of a generator whose noises have more than two numbers, which are drawn instead.
   * @defaultValue `32768`
   */
  readonly draws?: number;
}

/** Beyond this the noise has 1e-5 of its mass, which counts at the edge. */
const edge = 4.6;

/** The law of a class of generator's samples: exact but for the cut where one noise alone has an effect, else drawn samples. */
export async function pushForward(
  generator: GeneratorModel,
  law: Law,
  c: number,
  { nodes = 97, parts = 4, draws = 2 ** 15 }: Cut = {},
  oneNoise = generator.steps === 1,
): Promise<Cloud> {
  if (!oneNoise) {
    const stream = randomStream(draws);
    const noises = Array.from({ length: generator.steps }, () => stream.normal([draws, 2]));
    return { points: await generate(generator, law, c, noises), masses: new Float64Array(draws).fill(1 / draws) };
  }
  const at = Float64Array.from({ length: nodes }, (_, i) => (2 * edge * i) / (nodes - 1) - edge);
  const grid = Float32Array.from({ length: 2 * nodes * nodes }, (_, i) => {
    const node = i >> 1;
    return at[i % 2 === 0 ? node % nodes : Math.floor(node / nodes)] as number;
  });
  const values = await generate(
    generator,
    law,
    c,
    Array.from({ length: generator.steps }, () => tensor2d(grid, [nodes * nodes, 2])),
  );
  return { points: refined(values, nodes, parts), masses: gaussianMasses(nodes, parts) };
}

/** Samples of a class from these noises, which it frees. */
async function generate(generator: GeneratorModel, law: Law, c: number, noises: Tensor[]): Promise<Float32Array> {
  const rows = (noises[0] as Tensor).shape[0] as number;
  const one = classConditions(law, [c]);
  const cond = tile(one, [rows, 1]);
  const samples = generator.generate(noises, cond);
  const numbers = await samples.data<"float32">();
  for (const tensor of [one, cond, samples, ...noises]) tensor.dispose();
  return numbers;
}

/** Where a place between nodes is, and what the four nodes around it count in a cubic (Catmull–Rom). */
function cubics(nodes: number, parts: number) {
  return Array.from({ length: (nodes - 1) * parts + 1 }, (_, i) => {
    const from = Math.min(nodes - 2, Math.floor(i / parts));
    const u = i / parts - from;
    const own = [
      u * (u * (-0.5 * u + 1) - 0.5),
      u * u * (1.5 * u - 2.5) + 1,
      u * (u * (-1.5 * u + 2) + 0.5),
      u * u * (0.5 * u - 0.5),
    ] as const;
    // A node beyond the edge lies on the line through the last two.
    const around = new Map<number, number>();
    const count = (node: number, weight: number) => around.set(node, (around.get(node) ?? 0) + weight);
    own.forEach((weight, k) => {
      const node = from - 1 + k;
      if (node < 0) count(0, 2 * weight).set(1, (around.get(1) ?? 0) - weight);
      else if (node > nodes - 1) count(nodes - 1, 2 * weight).set(nodes - 2, (around.get(nodes - 2) ?? 0) - weight);
      else count(node, weight);
    });
    return [...around];
  });
}

/** Values at nodes, `[nodes, nodes, 2]`, at all places between them as well. */
function refined(values: Float32Array, nodes: number, parts: number): Float32Array {
  const places = cubics(nodes, parts);
  const across = places.length;
  const wide = new Float32Array(nodes * across * 2);
  for (let row = 0; row < nodes; row++)
    places.forEach((around, column) => {
      for (let axis = 0; axis < 2; axis++)
        wide[2 * (row * across + column) + axis] = around.reduce(
          (sum, [node, weight]) => sum + weight * (values[2 * (row * nodes + node) + axis] as number),
          0,
        );
    });
  const out = new Float32Array(across * across * 2);
  places.forEach((around, row) => {
    for (const [node, weight] of around)
      for (let i = 0; i < 2 * across; i++)
        out[2 * row * across + i] =
          (out[2 * row * across + i] as number) + weight * (wide[2 * node * across + i] as number);
  });
  return out;
}

/** The Gaussian's mass around each place. */
function gaussianMasses(nodes: number, parts: number): Float64Array {
  const across = (nodes - 1) * parts + 1;
  const step = (2 * edge) / (across - 1);
  const raw = Float64Array.from({ length: across }, (_, i) => Math.exp(-0.5 * (i * step - edge) ** 2));
  const sum = raw.reduce((a, b) => a + b, 0);
  const masses = new Float64Array(across * across);
  for (let row = 0; row < across; row++)
    for (let column = 0; column < across; column++)
      masses[row * across + column] = ((raw[row] as number) / sum) * ((raw[column] as number) / sum);
  return masses;
}

/** Measures generators' laws against a mixture; holds what of the mixture is needed for it. */
export interface Rule {
  readonly law: Law;
  readonly densities: readonly SmoothedDensity[];
}

/** What {@link measure} measures by. */
export function ruleOf(law: Law): Rule {
  return { law, densities: classShares(law).map((_, c) => smoothedDensity(law, c)) };
}

/** What a generator's law is; all by how often the classes occur, and NaN where it draws what is not finite. */
export interface Measured extends Coverage {
  /** KL(generator ‖ law) in nats, both after the same small noise: see `smoothedKl`. */
  readonly kl: number;
  /** Root mean square distance to the class's mean, that of the law being 1. */
  readonly spread: number;
  /** Share of the samples too far away for the divergence, which is too small by that: see `clippedShare`. */
  readonly clipped: number;
}

/**
 * Measures a generator.
 *
 * @param oneNoise - whether the first noise alone has an effect; with K fresh ones samples are drawn, which adds about 2e-3 nats.
 */
export async function measure(
  generator: GeneratorModel,
  rule: Rule,
  cut: Cut = {},
  oneNoise?: boolean,
): Promise<Measured> {
  const { law, densities } = rule;
  let [kl, square, wanted, covered, stray, clipped] = [0, 0, 0, 0, 0, 0];
  for (const [c, share] of classShares(law).entries()) {
    const { points, masses } = await pushForward(generator, law, c, cut, oneNoise);
    if (!points.every(Number.isFinite)) return { kl: Number.NaN, spread: Number.NaN, covered: 0, stray: 1, clipped: 1 };
    const coverage = coverageOf(points, law, c, masses);
    const modes = modesOf(law, c);
    kl += share * smoothedKl(points, densities[c] as SmoothedDensity, masses);
    square += share * squareSpread((i) => [points[2 * i] as number, points[2 * i + 1] as number], masses);
    wanted +=
      share *
      (2 * law.variance +
        squareSpread(
          (k) => (modes[k] as Mode).centre,
          modes.map((mode) => mode.share),
        ));
    covered += coverage.covered;
    stray += share * coverage.stray;
    clipped += share * clippedShare(points, masses);
  }
  return { kl, spread: Math.sqrt(square / wanted), covered, stray, clipped };
}

/** Mean square distance to the mean. */
function squareSpread(at: (i: number) => readonly [number, number], masses: ArrayLike<number>): number {
  let [x, y, square] = [0, 0, 0];
  for (let i = 0; i < masses.length; i++) {
    const [mass, [u, v]] = [masses[i] as number, at(i)];
    x += mass * u;
    y += mass * v;
    square += mass * (u * u + v * v);
  }
  return square - x * x - y * y;
}
