import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import {
  allPairs,
  caption,
  captionWords,
  digits,
  heldOutPairs,
  sceneOf,
  trainedPairs,
} from "../../../examples/digits/captions";
import { colourImage, format, loadDigits } from "../../../examples/digits/digits";
import { randomStream } from "../../../src/core";

describe("captions", () => {
  test.prop({ pair: fc.constantFrom(...allPairs), seed: fc.nat() })(
    "say their pair in known words",
    ({ pair, seed }) => {
      const text = caption(pair, randomStream(seed));
      const words = text.split(" ");
      expect(sceneOf(text)).toEqual(pair);
      expect(words.length).toBeLessThanOrEqual(6);
      expect(words.filter((word) => !captionWords.includes(word))).toEqual([]);
      expect(text).not.toMatch(/\ba [aeiou]|\ban [^aeiou]/);
    },
  );

  test("vary in words and in form", () => {
    const stream = randomStream(0);
    const seen = new Set(Array.from({ length: 300 }, () => caption({ digit: "7", colour: "red" }, stream)));
    expect(seen).toContain("a red seven");
    expect(seen).toContain("the digit 7 in crimson");
    expect(seen.size).toBeGreaterThan(25);
  });

  test("hold one pair of each digit out of training", () => {
    expect(trainedPairs.length + heldOutPairs.length).toBe(allPairs.length);
    expect(heldOutPairs.map(({ digit }) => digit)).toEqual([...digits]);
    const key = (pair: object) => JSON.stringify(pair);
    const trained = new Set(trainedPairs.map(key));
    expect(heldOutPairs.filter((pair) => trained.has(key(pair)))).toEqual([]);
    expect(new Set(heldOutPairs.map(({ colour }) => colour)).size).toBe(8);
  });
});

describe("digits", () => {
  const images = loadDigits();

  test("are the 1,797 images of the file", () => {
    expect(images.byDigit.map((all) => all.length)).toEqual([178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
    expect(images.byDigit.flat().every((ink) => ink.length === 64 && ink.every((x) => x >= 0 && x <= 1))).toBe(true);
    // The first line of the file is this 0.
    expect(Array.from(images.byDigit[0]?.[0]?.slice(0, 8) ?? [], (x) => x * 16)).toEqual([0, 0, 5, 13, 9, 1, 0, 0]);
  });

  test("are standardised over all colours", () => {
    let [count, sum, squares] = [0, 0, 0];
    for (const { digit, colour } of allPairs)
      for (const ink of images.byDigit[Number(digit)] ?? [])
        for (const x of colourImage(ink, { digit, colour })) {
          count++;
          sum += x;
          squares += x * x;
        }
    expect(Math.abs(sum / count)).toBeLessThan(1e-3);
    expect(Math.abs(Math.sqrt(squares / count) - 1)).toBeLessThan(1e-3);
  });

  test("are the ink in the colour, on black", () => {
    const image = colourImage(
      Float32Array.from({ length: 64 }, (_, i) => (i === 0 ? 1 : 0)),
      { digit: "1", colour: "orange" },
    );
    const pixels = Array.from(image.slice(0, 6), (x) => x * format.image_std + format.image_mean);
    for (const [i, wanted] of [1, 0.5, 0, 0, 0, 0].entries()) expect(pixels[i]).toBeCloseTo(wanted, 6);
  });
});
