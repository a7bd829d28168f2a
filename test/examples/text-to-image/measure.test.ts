import { type Tensor, tensor4d } from "@tensorflow/tfjs-core";
import { describe, expect, test } from "vitest";
import { allPairs, drawPairs } from "../../../examples/digits/captions";
import type { Classifier } from "../../../examples/text-to-image/classifier";
import { jackknifed, share } from "../../../examples/text-to-image/intervals";
import { type Group, type Measuring, measure } from "../../../examples/text-to-image/measure";
import { randomStream } from "../../../src/core";
import { featureStatistics, frechetDistance } from "../../../src/metrics";
import { numbers } from "../../support/matchers";

// More than one batch of 128, and no whole number of them.
const count = 300;
const featureSize = 8;
const stream = randomStream(5);
const scenes = drawPairs(allPairs, count, stream);
const features = stream.normals(count * featureSize);
const referenceFeatures = stream.normals(500 * featureSize);
const reference = featureStatistics(referenceFeatures, featureSize);
const group: Group = { scenes, captions: scenes.map((_, i) => String(i)), reference, referenceFeatures };

/** Images that are their caption's number, so that a judge can tell which sample it sees. */
function drawNumbers(captions: readonly string[]): Tensor {
  return tensor4d(
    captions.map((text) => Number(text)),
    [captions.length, 1, 1, 1],
  );
}

/** Reads the digits of the first 240 samples and the colours of the last 90 right, and all others wrong. */
const judge = {
  config: { features: featureSize },
  async judge(images: Tensor) {
    const seen = numbers(images);
    return {
      read: {
        digit: seen.map((i) => (i < 240 ? String(scenes[i]?.digit) : "none")),
        colour: seen.map((i) => (i >= 210 ? String(scenes[i]?.colour) : "none")),
      },
      features: Float32Array.from(seen.flatMap((i) => [...features.slice(i * featureSize, (i + 1) * featureSize)])),
    };
  },
};
const measuring = { judge: judge as unknown as Classifier, sampleShape: [8, 8, 3] } as unknown as Measuring;

describe("measuring", () => {
  test("counts what the judge reads right, over all batches, and compares all features", async () => {
    const row = await measure(measuring, group, { draw: drawNumbers, networkPasses: 7 });
    expect(row).toEqual({
      right: { digit: share(240, 300), colour: share(90, 300) },
      allRight: share(30, 300),
      frechetDistance: {
        value: frechetDistance(featureStatistics(features, featureSize), reference),
        low: expect.any(Number),
        high: expect.any(Number),
      },
      pictures: 300,
      networkPasses: 7,
    });
    const { value, low, high } = row.frechetDistance;
    expect(low).toBeLessThan(value);
    expect(high - value).toBeCloseTo(value - low, 9);
  });

  test("gives every method the same noise, and each sample its own", async () => {
    const noises: number[][] = [];
    const draw = (captions: readonly string[], noise: Tensor) => {
      noises.push(numbers(noise));
      return drawNumbers(captions);
    };
    for (let method = 0; method < 2; method++) await measure(measuring, group, { draw, networkPasses: 1 });
    const half = noises.length / 2;
    expect(half).toBe(3);
    expect(noises.slice(half)).toEqual(noises.slice(0, half));
    expect(new Set(noises.slice(0, half).flat()).size).toBeGreaterThan(0.999 * count * 8 * 8 * 3);
  });
});

describe("intervals", () => {
  test("of a share are Wilson's", () => {
    // The bounds of R's prop.test(c(81, 263)) without correction, as in Wilson (1927).
    const { value, low, high } = share(81, 263);
    expect([value, low, high].map((x) => Number(x.toFixed(4)))).toEqual([0.308, 0.2553, 0.3662]);
    expect(share(0, 50)).toMatchObject({ value: 0, low: 0 });
    expect(share(50, 50).high).toBeCloseTo(1, 12);
    expect(share(0, 50).high).toBeGreaterThan(0.05);
  });

  test("by the jackknife hold the truth of a mean in 95 of 100 samples", () => {
    const draws = randomStream(3);
    const mean = (rows: Float32Array) => rows.reduce((a, b) => a + b, 0) / rows.length;
    const held = Array.from({ length: 400 }, () => jackknifed(draws.normals(200), 1, mean)).filter(
      ({ low, high }) => low < 0 && high > 0,
    );
    expect(held.length / 400).toBeGreaterThan(0.9);
    expect(held.length / 400).toBeLessThan(0.98);
  });
});
