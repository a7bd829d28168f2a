import { dispose, type Tensor } from "@tensorflow/tfjs-core";
import { randomStream } from "sid-lsg";
import { slicedWasserstein } from "sid-lsg/metrics";
import { copyWeights, type Discriminator, type GeneratorModel, generatorFrom, type ScoreModel } from "sid-lsg/models";
import {
  cosineRate,
  type DistillMetrics,
  type DistillRun,
  type Divergence,
  distill,
  type LearningRateSchedule,
} from "sid-lsg/train";
import { classConditions, classShares, ring } from "./law";
import type { PlaneMethod } from "./methods";
import type { Point } from "./plot";
import type { World } from "./world";

/** Points of both classes. */
export type Cloud = readonly [readonly Point[], readonly Point[]];

/** Points and how far they are from the mixture. */
export interface Drawn {
  readonly cloud: Cloud;
  /** Sliced Wasserstein distance to real samples of the same class, by how often the class occurs. */
  readonly distance: number;
  /** Root mean square distance to the class's mean, that of the mixture being 1. */
  readonly spread: number;
}

/** What a method made of a generator. */
export interface Outcome {
  readonly before: Drawn;
  readonly after: Drawn;
  readonly seconds: number;
  /** What the gauge told last, of methods that have one. */
  readonly divergence: Divergence | undefined;
  /** The trained fake score, if there is one; the caller disposes of it. */
  readonly fakeScore: ScoreModel | undefined;
}

/** Where and how {@link distillInPlane} works. */
export interface Workplace {
  readonly world: World;
  /** The pretrained network that all start from; borrowed. */
  readonly student: ScoreModel;
  /** Real samples to measure with. */
  readonly truth: Cloud;
  readonly seed: number;
  readonly batch?: number;
  /** @defaultValue the method's own */
  readonly iterations?: number;
  /** @defaultValue `"staged"` */
  readonly backward?: "staged" | "joint";
  readonly onMetrics?: (metrics: DistillMetrics) => void;
}

/** All that trains, and the average that is kept. */
export interface Networks {
  readonly fakeScore: ScoreModel | undefined;
  readonly generator: GeneratorModel;
  readonly average: GeneratorModel;
  readonly discriminator: Discriminator | undefined;
}

/** Distills the ring's exact teacher by one method: fake score, generator and its average start as copies of the student. */
export async function distillInPlane(entry: PlaneMethod, workplace: Workplace): Promise<Outcome> {
  const { truth, seed } = workplace;
  const networks = networksOf(entry, workplace);
  const { fakeScore, generator, average, discriminator } = networks;
  const size = truth[0].length + truth[1].length;
  const look = async () => measure(await drawGenerator(average, size, seed), truth);
  const before = await look();
  const { seconds, divergence } = await train(entry, networks, workplace);
  const after = await look();
  for (const network of [generator, average, discriminator]) network?.dispose();
  return { before, after, seconds, divergence, fakeScore };
}

/** Copies of the student for a method, each as `watch` hands it on, and its discriminator, their names behind the prefix; the caller disposes of them. */
export function networksOf(
  entry: PlaneMethod,
  { world, student, seed }: Pick<Workplace, "world" | "student" | "seed">,
  watch = (network: ScoreModel) => network,
  prefix = "",
): Networks {
  const copy = (name: string) => {
    const network = world.network(`${prefix}${name}`, randomStream(seed));
    copyWeights(student, network);
    return watch(network);
  };
  return {
    fakeScore: entry.method.fakeScore && copy("fake-score"),
    generator: generatorFrom(copy("generator"), entry.generator),
    average: generatorFrom(copy("average"), entry.generator),
    discriminator: entry.discriminator?.(world, randomStream(seed), prefix),
  };
}

/** Trains them. Returns the seconds that it took, and what the gauge told last. */
export async function train(
  entry: PlaneMethod,
  networks: Networks,
  workplace: Training & Pick<Workplace, "onMetrics">,
): Promise<Pick<Outcome, "seconds" | "divergence">> {
  const started = performance.now();
  let divergence: Divergence | undefined;
  for await (const metrics of trainingRun(entry, networks, workplace)) {
    ({ divergence } = metrics);
    workplace.onMetrics?.(metrics);
  }
  return { seconds: (performance.now() - started) / 1000, divergence };
}

/** How networks train. */
export interface Training extends Pick<Workplace, "world" | "seed" | "batch" | "iterations" | "backward"> {
  /** @defaultValue the exact one of the world */
  readonly teacher?: ScoreModel;
  /** @defaultValue the method's, which fall to 0 along a cosine */
  readonly rates?: Rates;
}

/** Both step sizes, by the steps that were taken before. */
export type Rates = Readonly<Record<"learningRate" | "fakeLearningRate", LearningRateSchedule>>;

/** The run that trains them, an iteration at a time. */
export function trainingRun(
  entry: PlaneMethod,
  { average, ...networks }: Networks,
  { world, seed, batch = 256, iterations = entry.iterations, backward, teacher, rates }: Training,
): DistillRun {
  const { method } = entry;
  return distill({
    ...{ teacher: teacher ?? world.teacher, method, ...networks },
    ...{ conditions: world.conditions, images: world.images, sampleShape: [2] },
    ema: { target: average, halfLife: 20 * batch, rampUp: null },
    ...{ batch, iterations, backward, seed, ...(rates ?? ratesOf(entry, iterations)) },
    // One that was hardly trained declares rightly what it predicts badly.
    checkTeacher: teacher === undefined || teacher === world.teacher,
    onWarning: () => {},
  });
}

/** Both step sizes, which fall to 0 along a cosine. */
function ratesOf({ learningRate, fakeLearningRate = learningRate, method }: PlaneMethod, iterations: number): Rates {
  const fakeSteps = iterations * (method.fakeScore?.updates ?? 1);
  return {
    learningRate: cosineRate(learningRate, { totalSteps: iterations }),
    fakeLearningRate: cosineRate(fakeLearningRate, { totalSteps: fakeSteps }),
  };
}

/** About `count` real samples of both classes, as often as they occur. */
export async function drawTruth(world: World, count: number, seed: number): Promise<Cloud> {
  const stream = randomStream(seed);
  return drawClasses(count, (c, few) => world.sampleClass(stream, c, few));
}

/** As many samples of the generator. */
export async function drawGenerator(generator: GeneratorModel, count: number, seed: number): Promise<Cloud> {
  const stream = randomStream(seed);
  return drawClasses(count, (c, few) => {
    const noises = Array.from({ length: generator.steps }, () => stream.normal([few, 2]));
    const cond = classConditions(ring, Array<number>(few).fill(c));
    const samples = generator.generate(noises, cond);
    dispose([...noises, cond]);
    return samples;
  });
}

async function drawClasses(count: number, draw: (c: number, few: number) => Tensor): Promise<Cloud> {
  const clouds: Point[][] = [];
  for (const [c, share] of classShares(ring).entries()) {
    const samples = draw(c, Math.round(share * count));
    clouds.push(await points(samples));
    samples.dispose();
  }
  return clouds as [Point[], Point[]];
}

/** The rows of `[N, 2]`. */
export async function points(tensor: Tensor): Promise<Point[]> {
  const numbers = await tensor.data();
  return Array.from({ length: numbers.length / 2 }, (_, i) => [numbers[2 * i] ?? 0, numbers[2 * i + 1] ?? 0]);
}

/** Measures a cloud against real samples, as many of each class. */
export function measure(cloud: Cloud, truth: Cloud): Drawn {
  const distances = cloud.map((few, c) =>
    slicedWasserstein(few.flat(), (truth[c] as readonly Point[]).flat(), { dimension: 2 }),
  );
  const distance = classShares(ring).reduce((all, share, c) => all + share * (distances[c] as number), 0);
  return { cloud, distance, spread: spreadOf(cloud) / spreadOf(truth) };
}

/** Root mean square distance of samples to their class's mean. */
function spreadOf(cloud: Cloud): number {
  const squares = cloud.flatMap((few) => {
    const mean = (axis: 0 | 1) => few.reduce((sum, point) => sum + point[axis], 0) / few.length;
    const [x, y] = [mean(0), mean(1)];
    return few.map((point) => (point[0] - x) ** 2 + (point[1] - y) ** 2);
  });
  return Math.sqrt(squares.reduce((a, b) => a + b, 0) / squares.length);
}
