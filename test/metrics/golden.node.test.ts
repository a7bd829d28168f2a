import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  clipScore,
  featureStatistics,
  frechetDistance,
  inceptionScore,
  kernelDistance,
  kernelDistanceOfSubsets,
  neighbourMetrics,
  retrievalAccuracy,
} from "../../src/metrics";

type Numbers = readonly number[];

interface Golden {
  readonly frechet: readonly {
    readonly a: Numbers;
    readonly b: Numbers;
    readonly dimension: number;
    readonly nuclear: number;
    readonly fid?: number;
    readonly scipy?: number;
    readonly mean?: Numbers;
    readonly covariance?: Numbers;
  }[];
  readonly kernel: readonly {
    readonly real: Numbers;
    readonly fake: Numbers;
    readonly dimension: number;
    readonly pairs: readonly (readonly [Numbers, Numbers])[];
    readonly mean: number;
    readonly deviation: number;
    readonly clean: Numbers;
    readonly whole: number;
    readonly unequal: number;
  }[];
  readonly neighbours: readonly {
    readonly real: Numbers;
    readonly fake: Numbers;
    readonly dimension: number;
    readonly k: number;
    readonly precision: number;
    readonly recall: number;
    readonly density: number;
    readonly coverage: number;
  }[];
  readonly inception: readonly {
    readonly logits: Numbers;
    readonly classes: number;
    readonly splits: number;
    readonly mean: number;
    readonly deviation: number;
  }[];
  readonly clip: readonly {
    readonly images: Numbers;
    readonly texts: Numbers;
    readonly dimension: number;
    readonly cosine: number;
    readonly clipped: number;
    readonly torchmetrics: number;
    readonly ranks: Numbers;
  }[];
}

const golden: Golden = JSON.parse(readFileSync("test/golden/metrics.json", "utf8"));

/** Within `tolerance` of it, relative to its size. */
function expectRelative(actual: number, expected: number | undefined, tolerance = 1e-9): void {
  expect(expected).toBeDefined();
  const difference = Math.abs(actual - (expected as number)) / Math.abs(expected as number);
  expect(difference, `${actual} instead of ${expected}`).toBeLessThanOrEqual(tolerance);
}

const rows = (features: Numbers, dimension: number, chosen: Numbers) =>
  chosen.flatMap((row) => features.slice(row * dimension, (row + 1) * dimension));

describe.each(golden.frechet.map((scene) => [scene.dimension, scene] as const))(
  "Fréchet distance in %i dimensions",
  (dimension, scene) => {
    const [a, b] = [featureStatistics(scene.a, dimension), featureStatistics(scene.b, dimension)];
    const isFull = scene.fid !== undefined;
    const silent = { onWarning: () => {} };

    test("is the exact form by singular values of the centred features", () =>
      expectRelative(frechetDistance(a, b, silent), scene.nuclear));
    test("takes the sets in either order", () => expectRelative(frechetDistance(b, a, silent), scene.nuclear));
    if (isFull)
      test("is pytorch-fid's and scipy's, from numpy's statistics", () => {
        expectRelative(frechetDistance(a, b), scene.fid);
        expectRelative(frechetDistance(a, b), scene.scipy);
        a.mean.forEach((value, i) => {
          expectRelative(value, scene.mean?.[i], 1e-12);
        });
        const scale = Math.max(...(scene.covariance ?? []));
        a.covariance.forEach((value, i) => {
          expect(Math.abs(value - (scene.covariance?.[i] as number))).toBeLessThan(1e-14 * scale);
        });
      });
  },
);

test("some of the covariances are rank-deficient, some not", () => {
  expect(new Set(golden.frechet.map(({ fid }) => fid === undefined)).size).toBe(2);
});

describe.each(golden.kernel)("kernel distance in $dimension dimensions", (scene) => {
  const { dimension, real, fake } = scene;
  const each = scene.pairs.map(([r, f]) =>
    kernelDistance(rows(real, dimension, r), rows(fake, dimension, f), { dimension }),
  );

  test("is clean-fid's on the same subsets", () => {
    each.forEach((value, i) => {
      expectRelative(value, scene.clean[i]);
    });
  });
  test("is torchmetrics' over the same subsets, with its deviation", () => {
    const mean = each.reduce((sum, value) => sum + value, 0) / each.length;
    expectRelative(mean, scene.mean);
    const variance = each.reduce((sum, value) => sum + (value - mean) ** 2, 0) / each.length;
    expectRelative(Math.sqrt(variance), scene.deviation, 1e-7);
  });
  test("is torchmetrics' on the whole sets, of equal and of other counts", () => {
    expectRelative(kernelDistance(real, fake.slice(0, real.length), { dimension }), scene.whole);
    expectRelative(kernelDistance(real, fake, { dimension }), scene.unequal);
  });
  test("of subsets that are the sets has no deviation", () => {
    const [a, b] = [real, fake.slice(0, real.length)];
    const options = { dimension, subsets: 3, subsetSize: real.length / dimension };
    const { mean, deviation } = kernelDistanceOfSubsets(a, b, options);
    expectRelative(mean, scene.whole);
    expect(deviation).toBeLessThan(1e-12);
  });
});

test.each(golden.neighbours)("precision, recall, density and coverage are prdc's, k = $k", (scene) => {
  const { dimension, k } = scene;
  const { precision, recall, density, coverage } = neighbourMetrics(scene.real, scene.fake, { dimension, k });
  expectRelative(precision, scene.precision, 1e-12);
  expectRelative(recall, scene.recall, 1e-12);
  expectRelative(density, scene.density, 1e-12);
  expectRelative(coverage, scene.coverage, 1e-12);
});

test.each(golden.inception)("Inception Score is torchmetrics' over $splits splits", (scene) => {
  const { mean, deviation } = inceptionScore(scene.logits, { classes: scene.classes, splits: scene.splits });
  expectRelative(mean, scene.mean);
  expectRelative(deviation, scene.deviation, 1e-7);
});

describe.each(golden.clip)("CLIP in $dimension dimensions", ({ images, texts, dimension, ...scene }) => {
  test("score is torchmetrics' and the clipped mean", () => {
    const { cosine, score } = clipScore(images, texts, { dimension });
    expectRelative(cosine, scene.cosine);
    expectRelative(score, scene.clipped);
    expectRelative(100 * Math.max(0, cosine), scene.torchmetrics, 1e-6);
  });
  test.each([1, 3])("R@%i counts the ranks of PyTorch's cosines", (k) => {
    const share = scene.ranks.filter((rank) => rank < k).length / scene.ranks.length;
    expect(retrievalAccuracy(images, texts, { dimension, k }).accuracy).toBeCloseTo(share, 12);
  });
});
