import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { caption, drawPairs, heldOutPairs, trainedPairs } from "../../../examples/quickstart/captions";
import { createClassifier } from "../../../examples/quickstart/classifier";
import { drawImages, loadDigits } from "../../../examples/quickstart/digits";
import { generatorMethod } from "../../../examples/quickstart/methods";
import { teacherFolder } from "../../../examples/quickstart/paths";
import { makeText, makeUnet, readFolder } from "../../../examples/quickstart/text-to-image";
import { randomStream } from "../../../src/core";
import { decodeSafetensors } from "../../../src/io";
import { generatorFrom } from "../../../src/models";

const classifierFile = readFileSync("examples/quickstart/classifier.safetensors");

/** Shares of digits and colours that the classifier reads as wanted. */
async function accuracy(
  pairs: typeof trainedPairs,
  images: Parameters<ReturnType<typeof createClassifier>["judge"]>[0],
) {
  const classifier = createClassifier(decodeSafetensors(classifierFile).tensors);
  const { digits, colours, features } = await classifier.judge(images);
  expect(features.length).toBe(64 * pairs.length);
  classifier.dispose();
  images.dispose();
  const share = (right: (pair: (typeof pairs)[number], i: number) => boolean) =>
    pairs.filter(right).length / pairs.length;
  return { digit: share((p, i) => p.digit === digits[i]), colour: share((p, i) => p.colour === colours[i]) };
}

describe("the committed classifier", () => {
  test("reads real digits of all pairs and takes less than 200 KB", async () => {
    const pairs = [...heldOutPairs, ...trainedPairs, ...trainedPairs];
    const images = drawImages(loadDigits(), pairs, randomStream(1));
    const { digit, colour } = await accuracy(pairs, images);
    expect(digit).toBeGreaterThan(0.97);
    expect(colour).toBe(1);
    expect(classifierFile.length).toBeLessThan(200_000);
  });

  test("keeps its weights through writing and reading", async () => {
    const stored = decodeSafetensors(classifierFile).tensors;
    const classifier = createClassifier(stored);
    expect(await classifier.weights()).toEqual(stored);
    classifier.dispose();
  });

  test("refuses a file of another network by the tensor's name", () => {
    const stored = new Map(decodeSafetensors(classifierFile).tensors);
    stored.delete("heads.bias");
    expect(() => createClassifier(stored)).toThrowError(/wanted heads.bias \[18\], got nothing/);
  });
});

describe("the committed teacher", () => {
  test("puts the caption's digit and colour into one-step images already, held-out pairs included", async () => {
    const folder = await readFolder(teacherFolder);
    const [unet, text] = [makeUnet(folder, "teacher"), makeText(folder, "text")];
    const { draw, networkPasses } = generatorMethod(generatorFrom(unet), text);
    const stream = randomStream(2);
    const pairs = [...heldOutPairs, ...drawPairs(trainedPairs, 54, stream)];
    const noise = stream.normal([64, 8, 8, 3]);
    const images = draw(
      pairs.map((pair) => caption(pair, stream)),
      noise,
    );
    noise.dispose();
    expect(networkPasses).toBe(1);
    const { digit, colour } = await accuracy(pairs, images as Parameters<typeof accuracy>[1]);
    expect(digit).toBeGreaterThan(0.85);
    expect(colour).toBeGreaterThan(0.9);
    unet.dispose();
    text.dispose();
  });
});
