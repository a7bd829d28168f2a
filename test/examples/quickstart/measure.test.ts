import { type Tensor, tensor4d } from "@tensorflow/tfjs-core";
import { describe, expect, test } from "vitest";
import { allPairs, drawPairs } from "../../../examples/quickstart/captions";
import { type Classifier, featureSize } from "../../../examples/quickstart/classifier";
import { type Group, measure } from "../../../examples/quickstart/measure";
import { randomStream } from "../../../src/core";
import { featureStatistics, frechetDistance } from "../../../src/metrics";
import { numbers } from "../../support/matchers";

// More than one batch of 128, and no whole number of them.
const count = 300;
const stream = randomStream(5);
const pairs = drawPairs(allPairs, count, stream);
const features = stream.normals(count * featureSize);
const reference = featureStatistics(stream.normals(500 * featureSize), featureSize);
const group: Group = { pairs, captions: pairs.map((_, i) => String(i)), reference };

/** Images that are their caption's number, so that a judge can tell which sample it sees. */
function drawNumbers(captions: readonly string[]): Tensor {
  return tensor4d(
    captions.map((text) => Number(text)),
    [captions.length, 1, 1, 1],
  );
}

/** Reads the digits of the first 240 samples and the colours of the first 90 right, and all others wrong. */
const judge: Pick<Classifier, "judge"> = {
  async judge(images) {
    const seen = numbers(images);
    return {
      digits: seen.map((i) => ((pairs[i]?.digit ?? 0) + (i < 240 ? 0 : 1)) % 10),
      colours: seen.map((i) => {
        const own = pairs[i]?.colour ?? "red";
        return i < 90 ? own : own === "red" ? "blue" : "red";
      }),
      features: Float32Array.from(seen.flatMap((i) => [...features.slice(i * featureSize, (i + 1) * featureSize)])),
    };
  },
};

describe("measuring", () => {
  test("counts what the judge reads right, over all batches, and compares all features", async () => {
    const row = await measure(judge as Classifier, group, { draw: drawNumbers, networkPasses: 7 });
    expect(row).toEqual({
      digitAccuracy: 240 / 300,
      colourAccuracy: 90 / 300,
      frechetDistance: frechetDistance(featureStatistics(features, featureSize), reference),
      networkPasses: 7,
    });
  });

  test("gives every method the same noise, and each sample its own", async () => {
    const noises: number[][] = [];
    const draw = (captions: readonly string[], noise: Tensor) => {
      noises.push(numbers(noise));
      return drawNumbers(captions);
    };
    for (let method = 0; method < 2; method++) await measure(judge as Classifier, group, { draw, networkPasses: 1 });
    const half = noises.length / 2;
    expect(half).toBe(3);
    expect(noises.slice(half)).toEqual(noises.slice(0, half));
    expect(new Set(noises.slice(0, half).flat()).size).toBeGreaterThan(0.999 * count * 8 * 8 * 3);
  });
});
