import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { randomStream } from "../../src/core";
import {
  edmSchedule,
  logitNormalTimes,
  logNormalSigmas,
  sidSigmas,
  type TimestepLaw,
  uniformTimesteps,
} from "../../src/schedules";
import { expectSidError } from "../support/errors";
import { notFinite, seeds } from "../support/values";

const laws: readonly (readonly [string, TimestepLaw, number, number])[] = [
  ["uniformTimesteps", uniformTimesteps(), 20, 979],
  ["logNormalSigmas", logNormalSigmas(), 0.002, 80],
  ["sidSigmas", sidSigmas(), 0.002, 80],
  ["logitNormalTimes", logitNormalTimes(), 0, 1],
];

describe.each(laws)("%s", (_, law, min, max) => {
  test.prop([seeds, fc.integer({ min: 0, max: 50 })])(
    "stays in range and repeats from the same seed",
    (seed, count) => {
      const times = law(randomStream(seed), count);
      expect(times).toHaveLength(count);
      for (const t of times) expect(t >= min && t <= max, String(t)).toBe(true);
      expect(law(randomStream(seed), count)).toEqual(times);
    },
  );

  test("goes on from a stored state", () => {
    const stream = randomStream(3);
    law(stream, 5);
    const later = randomStream(stream.state());
    expect(law(later, 7)).toEqual(law(stream, 7));
  });
});

/** Mean and its standard error. */
function estimate(values: readonly number[]): { mean: number; error: number } {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / (values.length - 1);
  return { mean, error: Math.sqrt(variance / values.length) };
}

/** Fails if the mean of `values` is over five standard errors from `expected`. */
function expectMean(values: readonly number[], expected: number): void {
  const { mean, error } = estimate(values);
  expect(Math.abs(mean - expected), `${mean} ± ${error} against ${expected}`).toBeLessThan(5 * error);
}

describe("moments over 40,000 draws, to five standard errors", () => {
  const count = 40_000;

  test("uniform integers reach both ends", () => {
    const times = uniformTimesteps({ min: 3, max: 8 })(randomStream(11), count);
    expectMean(times, 5);
    expectMean(
      times.map((t) => (t - 5) ** 2),
      2,
    );
    expect(new Set(times)).toEqual(new Set([3, 4, 5, 6, 7]));
  });

  test("ln σ is normal", () => {
    const logs = logNormalSigmas({ mean: -0.7, std: 0.9 })(randomStream(12), count).map(Math.log);
    expectMean(logs, -0.7);
    expectMean(
      logs.map((x) => (x + 0.7) ** 2),
      0.81,
    );
  });

  test("logits are normal", () => {
    const logits = logitNormalTimes({ mean: 0.4, std: 1.3 })(randomStream(13), count).map((t) => Math.log(t / (1 - t)));
    expectMean(logits, 0.4);
    expectMean(
      logits.map((x) => (x - 0.4) ** 2),
      1.69,
    );
  });

  // The official code's formula, read from the other end of the ladder.
  test("σ^(1/ρ) is uniform on the lower part of the ladder", () => {
    const [rho, portion, low, high] = [5, 0.6, 0.01 ** (1 / 5), 20 ** (1 / 5)];
    const sigmas = sidSigmas({ rho, portion, sigmaMin: 0.01, sigmaMax: 20 })(randomStream(14), count);
    const u = sigmas.map((sigma) => 1 - (sigma ** (1 / rho) - high) / (low - high));
    expectMean(u, portion / 2);
    expectMean(
      u.map((x) => (x - portion / 2) ** 2),
      portion ** 2 / 12,
    );
    expect(Math.max(...u)).toBeLessThan(portion + 1e-12);
  });
});

test("draws beyond the schedule are clamped to it", () => {
  const sigmas = logNormalSigmas({ mean: 0, std: 5, sigmaMin: 0.5, sigmaMax: 2 })(randomStream(15), 200);
  expect(Math.min(...sigmas)).toBe(0.5);
  expect(Math.max(...sigmas)).toBe(2);
});

describe("bad input", () => {
  test.prop([notFinite])("options that are not finite", (value) => {
    for (const make of [
      () => uniformTimesteps({ max: value }),
      () => logNormalSigmas({ mean: value }),
      () => logNormalSigmas({ sigmaMax: value }),
      () => sidSigmas({ rho: value }),
      () => sidSigmas({ portion: value }),
      () => logitNormalTimes({ std: value }),
    ])
      expectSidError("not-finite", make);
  });

  test.prop([fc.double({ min: -100, max: -1e-6, noNaN: true })])("options below their range", (value) => {
    for (const make of [
      () => uniformTimesteps({ min: Math.floor(value) }),
      () => logNormalSigmas({ std: value }),
      () => sidSigmas({ rho: value }),
      () => sidSigmas({ portion: value }),
      () => sidSigmas({ sigmaMin: value }),
      () => logitNormalTimes({ std: value }),
    ])
      expectSidError("out-of-range", make);
  });

  test("empty ranges and fractions", () => {
    expectSidError("out-of-range", () => uniformTimesteps({ min: 5, max: 5 }), /max/);
    expectSidError("invalid-argument", () => uniformTimesteps({ min: 0.5 }), /integer/);
    expectSidError("out-of-range", () => sidSigmas({ sigmaMin: 0 }), /sigmaMin/);
    expectSidError("out-of-range", () => sidSigmas({ portion: 1.1 }), /portion/);
    expectSidError("out-of-range", () => logNormalSigmas({ sigmaMin: 2, sigmaMax: 1 }), /sigmaMax/);
  });

  test.prop([fc.integer({ min: -50, max: -1 })])("a negative count", (count) => {
    for (const [, law] of laws) expectSidError("out-of-range", () => law(randomStream(1), count), /count/);
  });
});

test("the documented defaults are those of the papers", () => {
  const pairs: [TimestepLaw, TimestepLaw][] = [
    [uniformTimesteps(), uniformTimesteps({ min: 20, max: 980 })],
    [logNormalSigmas(), logNormalSigmas({ mean: -1.2, std: 1.2, sigmaMin: 0.002, sigmaMax: 80 })],
    [sidSigmas(), sidSigmas({ rho: 7, sigmaMin: 0.002, sigmaMax: 80, portion: 0.8 })],
    [logitNormalTimes(), logitNormalTimes({ mean: 0, std: 1 })],
  ];
  for (const [bare, given] of pairs) expect(bare(randomStream(5), 2000)).toEqual(given(randomStream(5), 2000));
  // 2000 draws reach both ends of [20, 980).
  const drawn = uniformTimesteps()(randomStream(6), 20_000);
  expect([Math.min(...drawn), Math.max(...drawn)]).toEqual([20, 979]);
  expect([edmSchedule().tMin, edmSchedule().tMax]).toEqual([0.002, 80]);
});
