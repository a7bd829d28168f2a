/** The gauge against closed forms, and what it takes of guided passes. */

import { fc, test } from "@fast-check/vitest";
import { dispose, mul, square, sub, sum, type Tensor, tidy, tile } from "@tensorflow/tfjs-core";
import { expect } from "vitest";
import { randomStream } from "../../../src/core";
import { antiCfg, type Guidance, longGuidance, lsg, noGuidance, shortGuidance, zeroCfg } from "../../../src/guidance";
import * as methods from "../../../src/methods";
import { gaussianModel, generatorFrom, predictX0, type ScoreModel } from "../../../src/models";
import { addNoise, noiseLevel } from "../../../src/predict";
import { type Divergence, divergenceGauge, generatorGradients } from "../../../src/train";
import { comparedBy, gaugeSamples } from "../../../src/train/gauge/samples";
import { data, start } from "../../property/golden-law";
import { affineGenerator, between, fourPoints } from "../../property/laws";
import { numbers } from "../../support/matchers";
import { tinyBatch, tinyNetwork } from "../../support/tiny-network";
import { logSnrSchedule } from "./laws";

const schedule = logSnrSchedule();

/** The gauge after the exact expectations of many levels, denser at one end than at the other. */
function readingOf(fakeScore: ScoreModel, law = data, generated = start, count = 800): Divergence {
  const gauge = divergenceGauge({ halfLife: Number.POSITIVE_INFINITY });
  const generator = affineGenerator(generated.mean, Math.sqrt(generated.variance));
  const teacher = gaussianModel({ ...law, schedule });
  const points = fourPoints(3);
  const [z, noise] = [tile(points.z, [count + 1, 1]), tile(points.noise, [count + 1, 1])];
  const t = Array.from({ length: 4 * (count + 1) }, (_, i) => -15 + 27 * (Math.floor(i / 4) / count) ** 1.5);
  const result = generatorGradients(
    { generator, teacher, fakeScore, method: methods.sid() },
    { noises: [z], noise, t },
  );
  gauge.add(gaugeSamples(numbers(result.gauge as Tensor)));
  dispose([...Object.values(result), ...result.gradients, points.z, points.noise] as Tensor[]);
  dispose([z, noise]);
  generator.dispose();
  return gauge.reading() as Divergence;
}

test.each([
  ["the generator's own", start, 1.47058, 1.47058],
  ["a little off", { mean: [0.3, 0.2, 0.5], variance: 1.1 }, 1.27342, 1.4499],
  ["further off", { mean: [0.5, 0.4, 0.7], variance: 1.21 }, 1.39381, 1.359],
  ["too wide", { mean: start.mean, variance: 2.5 }, 2.74573, 1.15607],
  ["the teacher's", data, 0, 0],
])("naive and bound of the golden law where the fake score is %s", (_, law, naive, bound) => {
  const reading = readingOf(gaussianModel({ ...law, schedule }));
  expect(Math.abs(reading.naive.value - naive)).toBeLessThan(0.004 * Math.max(1, naive));
  expect(Math.abs(reading.lowerBound.value - bound)).toBeLessThan(0.004 * Math.max(1, bound));
  expect(reading.lag.value).toBeCloseTo(reading.lowerBound.value - reading.naive.value, 6);
  for (const key of ["lowerBound", "naive", "lag"] as const)
    expect(reading.levels.reduce((sum, level) => sum + level[key].value, 0)).toBeCloseTo(reading[key].value, 6);
  expect(reading.levels[0]?.from).toBeCloseTo(-12, 4);
  expect(reading.levels.at(-1)?.to).toBeCloseTo(15, 4);
});

test.prop(
  {
    mean: fc.tuple(between(-2, 2), between(-2, 2), between(-2, 2)),
    variance: between(0.05, 6),
    theirs: between(0.1, 4),
    own: between(0.1, 4),
    shift: between(-2, 2),
  },
  { numRuns: 8 },
)("the bound is never above the divergence, whatever the fake score", ({ mean, variance, theirs, own, shift }) => {
  const [teacher, generated] = [
    { mean: [0, 0, 0], variance: theirs },
    { mean: [shift, shift, 0], variance: own },
  ];
  const ratio = own / theirs;
  const exact = 0.5 * (3 * (ratio - 1 - Math.log(ratio)) + (2 * shift ** 2) / theirs);
  const { lowerBound } = readingOf(gaussianModel({ mean, variance, schedule }), teacher, generated);
  expect(lowerBound.value).toBeLessThan(exact + 0.01 * exact + 1e-3);
  const { lowerBound: tight, naive } = readingOf(gaussianModel({ ...generated, schedule }), teacher, generated);
  expect(Math.abs(tight.value - exact)).toBeLessThan(0.01 * exact + 1e-3);
  expect(Math.abs(naive.value - exact)).toBeLessThan(0.01 * exact + 1e-3);
});

test.each<[string, Guidance, number]>([
  ["no guidance", noGuidance(), 1],
  ["LSG", lsg(1.5), 1.5],
  ["long guidance", longGuidance(2), 1],
  ["short guidance", shortGuidance(0.5), 1],
  ["Zero-CFG", zeroCfg(), 0],
  ["Anti-CFG", antiCfg(-1), -1],
  ["three scales that differ", { kappa1: 1.2, kappa2: 1.5, kappa4: 2 }, 1.2],
])("with %s the teacher is taken at κ = 1 and the fake score as it trains, on both tapes", (_, guidance, trained) => {
  const [teacher, fakeScore, student] = [1, 2, 3].map((seed) => tinyNetwork(`gauge/${seed}`, seed)) as [
    ...[ScoreModel, ScoreModel, ScoreModel],
  ];
  const generator = generatorFrom(student);
  const batch = tinyBatch(7, 4);
  const { t, cond, uncond, noise } = batch;
  const wanted = tidy(() => {
    const level = noiseLevel(teacher.schedule, t);
    const x = generator.generate(batch.noises, cond);
    const xt = addNoise({ x0: x, noise, level });
    const phi = predictX0(teacher, { xt, t, cond });
    const psi = predictX0(fakeScore, { xt, t, cond, uncond, guidanceScale: trained });
    const delta = sub(phi, psi);
    return [numbers(sum(square(delta), -1)), numbers(sum(mul(delta, sub(psi, x)), -1))];
  }) as unknown as [number[], number[]];
  for (const backward of ["staged", "joint"] as const) {
    const objective = { teacher, fakeScore, generator, backward, method: methods.sidLsg({ guidance }) };
    const { loss, gradients, generated, answers, deltaSquared, valid, gauge } = generatorGradients(objective, batch);
    expect(Object.keys(answers).sort()).toEqual(["fake", "teacher"]);
    const samples = gaugeSamples(numbers(gauge as Tensor));
    samples.forEach(({ deltaSquared, lag }, i) => {
      expect(Math.abs(deltaSquared / (wanted[0][i] as number) - 1)).toBeLessThan(1e-4);
      expect(Math.abs(lag / (wanted[1][i] as number) - 1)).toBeLessThan(1e-3);
    });
    expect(samples.length).toBe(4);
    dispose([loss, ...gradients, generated, ...Object.values(answers), deltaSquared, valid, gauge] as Tensor[]);
  }
  for (const network of [teacher, fakeScore, student]) network.dispose();
  dispose([...batch.noises, noise, cond, uncond]);
});

test("old samples fade, and a gauge goes on from its state with the same numbers", () => {
  const gauge = divergenceGauge({ halfLife: 100 });
  const samples = (from: number, deltaSquared: number) =>
    Array.from({ length: 100 }, (_, i) => ({
      logSnr: -2 + i / 25,
      deltaSquared: deltaSquared + from + i / 1000,
      lag: 0.1,
    }));
  gauge.add(samples(0, 8));
  const high = gauge.reading()?.naive.value ?? 0;
  for (let i = 0; i < 10; i++) gauge.add(samples(i / 100, 1));
  const other = divergenceGauge({ halfLife: 100, state: JSON.parse(JSON.stringify(gauge.state())) });
  for (const one of [gauge, other]) one.add(samples(1, 1));
  expect(other.reading()).toEqual(gauge.reading());
  expect((gauge.reading()?.naive.value ?? 0) / high).toBeLessThan(0.25);
  expect(gauge.reading()?.samples).toBeCloseTo(200, 0);
  expect(divergenceGauge().reading()).toBeUndefined();
});

test("samples that left the batch, or whose square is no float32, are not among those that count", () => {
  const [good, left] = [
    [1, -2, 3, 0.5],
    [0, 0, 0, 0],
  ];
  const huge = [1, -2, Number.POSITIVE_INFINITY, Number.NaN];
  expect(gaugeSamples([good, left, huge, good].flat() as number[])).toEqual([
    { logSnr: -2, deltaSquared: 3, lag: 0.5 },
    { logSnr: -2, deltaSquared: 3, lag: 0.5 },
  ]);
});

/** Draws for the gauge in one coordinate: teacher N(0, 1), generator N(1, 2), the fake score exact or not. */
function drawn(
  seed: number,
  count: number,
  own: { mean: number; variance: number },
  level: (normal: number) => number,
) {
  const stream = randomStream(seed);
  const [z, noise, normals] = [1, 2, 3].map(() => stream.normals(count)) as [Float32Array, Float32Array, Float32Array];
  const samples = [...z].map((n, i) => {
    const logSnr = level(normals[i] as number);
    const [a2, s2] = [1 / (1 + Math.exp(-logSnr)), 1 / (1 + Math.exp(logSnr))];
    const x = 1 + Math.SQRT2 * n;
    const xt = Math.sqrt(a2) * x + Math.sqrt(s2) * (noise[i] as number);
    const mean = (m: number, v: number) => m + ((v * Math.sqrt(a2)) / (v * a2 + s2)) * (xt - Math.sqrt(a2) * m);
    const [phi, psi] = [mean(0, 1), mean(own.mean, own.variance)];
    return { logSnr, deltaSquared: (phi - psi) ** 2, lag: (phi - psi) * (psi - x) };
  });
  const gauge = divergenceGauge({ halfLife: Number.POSITIVE_INFINITY });
  gauge.add(samples);
  return gauge.reading() as Divergence;
}

test.each([
  ["exact", { mean: 1, variance: 2 }],
  ["off", { mean: 0.5, variance: 3 }],
  ["far off, so that both parts of L go together", { mean: 4, variance: 0.5 }],
])("its standard errors are those of repeated draws, with a fake score that is %s", (_, own) => {
  const readings = Array.from({ length: 150 }, (_, seed) =>
    drawn(seed, 512, own, (n) => Math.max(-6, Math.min(6, 2 * n))),
  );
  for (const key of ["lowerBound", "naive", "lag"] as const) {
    const values = readings.map((reading) => reading[key].value);
    const mean = values.reduce((sum, x) => sum + x / values.length, 0);
    const spread = Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2 / values.length, 0));
    const told = readings.reduce((sum, reading) => sum + reading[key].standardError / readings.length, 0);
    expect(told / spread, key).toBeGreaterThan(0.8);
    expect(told / spread, key).toBeLessThan(1.3);
  }
});

test("few samples of an uneven law give no more than many", () => {
  // log-SNR as the σ of EDM's training: most at the middle, few at the ends.
  const law = (n: number) => 2.4 + 2.4 * n;
  const many = drawn(0, 200_000, { mean: 1, variance: 2 }, law).lowerBound.value;
  const few = Array.from({ length: 200 }, (_, seed) => drawn(seed, 64, { mean: 1, variance: 2 }, law).lowerBound.value);
  const mean = few.reduce((sum, x) => sum + x / few.length, 0);
  expect(Math.abs(mean / many - 1)).toBeLessThan(0.12);
});

test("levels that are no longer drawn are forgotten, and nothing is said of fewer than 8 samples", () => {
  const gauge = divergenceGauge({ halfLife: 1 });
  const samples = (from: number, to: number, count: number) =>
    Array.from({ length: count }, (_, i) => ({ logSnr: from + ((to - from) * i) / count, deltaSquared: 1, lag: 0 }));
  gauge.add(samples(-5, 5, 7));
  expect(gauge.reading()).toBeUndefined();
  gauge.add(samples(-5, 5, 2000));
  gauge.add(samples(-5, 0, 2000));
  const { lowerBound, levels } = gauge.reading() as Divergence;
  expect(levels.at(-1)?.to).toBeLessThan(0);
  // ½·∫dSNR from e^−5 to 1
  expect(lowerBound.value).toBeCloseTo(0.5 * (1 - Math.exp(-5)), 1);
  expect(lowerBound.standardError).toBeGreaterThan(0);
});

test.each([
  ["another length", [[0, 1, 1]]],
  ["a weight of 0", [[0, 0, 1, 0, 0, 0, 0, 0, 0, 0.1, 0.2]]],
  ["levels outside the bin", [[0, 1, 1, 0, 0, 0, 0, 0, 0, 0.1, 0.7]]],
  ["NaN", [[0, 1, 1, 0, Number.NaN, 0, 0, 0, 0, 0.1, 0.2]]],
  ["no row", [null]],
])("a state with %s is refused", (_, bins) => {
  expect(() => divergenceGauge({ state: { bins } as never })).toThrow(/state must be as state\(\) returned it/);
});

test("which methods the gauge reads", () => {
  const all = Object.values(methods).filter((make) => typeof make === "function" && make.length <= 1);
  const refused: string[] = [];
  const made = all.flatMap((make) => {
    try {
      return [(make as () => methods.Method)()];
    } catch {
      refused.push(make.name);
      return [];
    }
  });
  expect(refused.sort()).toEqual(["bySchedule"]);
  const compared = (method: methods.Method) =>
    "asks" in method.generator && comparedBy({ method }, method.generator.asks) !== undefined;
  const names = (read: boolean) => made.filter((method) => compared(method) === read).map(({ name }) => name);
  expect(names(false).sort()).toEqual(["csd", "lcm", "sds", "tdm"]);
  expect(names(true).length).toBeGreaterThan(12);
});
