import { fc, test } from "@fast-check/vitest";
import { dispose, memory, range, reshape, type Tensor, tensor, tidy } from "@tensorflow/tfjs-core";
import { describe, expect } from "vitest";
import { randomStream } from "../../src/core";
import { type ImageSourceOptions, imageSource } from "../../src/train";
import { expectSidError } from "../support/errors";
import { numbers } from "../support/matchers";

/** Image i holds 10·i and 10·i + 1; its condition is −i. */
const made = (count: number) => ({
  images: tidy(() => tensor(Array.from({ length: count }, (_, i) => [[10 * i], [10 * i + 1]]))),
  conditions: tidy(() => tensor(Array.from({ length: count }, (_, i) => -i))),
});

describe("imageSource", () => {
  test.prop({ count: fc.integer({ min: 1, max: 9 }), wanted: fc.integer({ min: 1, max: 20 }), seed: fc.nat(99) })(
    "draws an image and the condition of that image, as the stream says and with replacement",
    ({ count, wanted, seed }) => {
      const { images, conditions } = made(count);
      const places = randomStream(seed).integers(wanted, 0, count);
      const stream = randomStream(seed);
      const sample = imageSource({ images, conditions }).sample(stream, wanted);
      expect(sample.images.shape).toEqual([wanted, 2, 1]);
      expect(numbers(sample.images)).toEqual(places.flatMap((i) => [10 * i, 10 * i + 1]));
      expect(numbers(sample.cond as Tensor)).toEqual(places.map((i) => -i));
      // No number of the stream is taken but those of the places.
      const after = randomStream(seed);
      after.integers(wanted, 0, count);
      expect(stream.state()).toEqual(after.state());
      dispose([images, conditions, sample.images, sample.cond as Tensor]);
    },
  );

  test("draws every image about as often", () => {
    const images = tidy(() => reshape(range(0, 5), [5, 1]));
    const sample = imageSource({ images }).sample(randomStream(3), 5000);
    const counts = [0, 0, 0, 0, 0];
    for (const i of numbers(sample.images)) counts[i] = (counts[i] as number) + 1;
    // Five deviations of a binomial of 5000 and 1/5.
    for (const found of counts) expect(Math.abs(found - 1000)).toBeLessThan(5 * Math.sqrt(800));
    expect("cond" in sample).toBe(false);
    dispose([images, sample.images]);
  });

  test("keeps nothing, and what it was given stays", () => {
    const { images, conditions } = made(3);
    const before = memory().numTensors;
    const source = imageSource({ images, conditions });
    const [one, other] = [source.sample(randomStream(1), 2), source.sample(randomStream(1), 2)];
    expect(numbers(one.images)).toEqual(numbers(other.images));
    dispose([one.images, one.cond as Tensor, other.images, other.cond as Tensor]);
    expect(memory().numTensors).toBe(before);
    expect(numbers(images)).toEqual([0, 1, 10, 11, 20, 21]);
    dispose([images, conditions]);
  });

  test("conditions may be whole numbers, such as labels", () => {
    const images = tensor([[1], [2]]);
    const conditions = tensor([7, 8], [2], "int32");
    const { images: drawn, cond } = imageSource({ images, conditions }).sample(randomStream(1), 6);
    expect(cond?.dtype).toBe("int32");
    expect(numbers(cond as Tensor)).toEqual(numbers(drawn).map((x) => x + 6));
    dispose([images, conditions, drawn, cond as Tensor]);
  });

  test("is named by number and shapes, or as the caller says", () => {
    const { images, conditions } = made(3);
    expect(imageSource({ images }).name).toBe("3 images [2, 1]");
    expect(imageSource({ images, conditions }).name).toBe("3 images [2, 1] with float32 []");
    expect(imageSource({ images, name: "digits, 2026" }).name).toBe("digits, 2026");
    dispose([images, conditions]);
  });

  test("refuses what is no images with conditions, at the call", () => {
    const { images, conditions } = made(3);
    const { images: others, conditions: unused } = made(2);
    const gone = tensor([1]);
    gone.dispose();
    const refuse = (code: Parameters<typeof expectSidError>[0], changes: object, message: RegExp) =>
      expectSidError(code, () => imageSource({ images, ...changes } as ImageSourceOptions), message);
    refuse(
      "shape-mismatch",
      { conditions: others },
      /^imageSource: wanted one condition per image, got images \[3, 2, 1\] and conditions \[2, 2, 1\]\.$/,
    );
    const whole = tensor([1, 2], [2], "int32");
    const empty = tensor([], [0, 2]);
    refuse("shape-mismatch", { images: whole }, /images must be a float32 tensor/);
    refuse("shape-mismatch", { images: empty }, /with at least one element/);
    refuse("invalid-argument", { images: [1, 2] }, /images must be a tensor, got an array of 2/);
    refuse("invalid-argument", { conditions: null }, /conditions must be a tensor, got null/);
    refuse("invalid-argument", { images: gone }, /was disposed before/);
    refuse("invalid-argument", { name: "" }, /name must be a non-empty string/);
    refuse("invalid-argument", { condition: conditions }, /did you mean conditions\?/);
    dispose([images, conditions, others, unused, whole, empty]);
  });

  test("refuses, when it is asked, a stream that is none, no images at all, and images that are gone", () => {
    const { images, conditions } = made(3);
    const source = imageSource({ images, conditions });
    expectSidError("invalid-argument", () => source.sample(1 as never, 1), /stream must be a random stream/);
    expectSidError("out-of-range", () => source.sample(randomStream(1), 0), /count/);
    conditions.dispose();
    expectSidError("invalid-argument", () => source.sample(randomStream(1), 1), /conditions \[3\] was disposed before/);
    images.dispose();
    expectSidError("invalid-argument", () => source.sample(randomStream(1), 1), /images \[3, 2, 1\] was disposed/);
  });
});
