import { readFileSync } from "node:fs";
import { add, dispose, mul, type Tensor4D, tidy, zeros } from "@tensorflow/tfjs-core";
import { describe, expect, test } from "vitest";
import { world as digits } from "../../../examples/digits/world";
import { world as emoji } from "../../../examples/quickstart/world";
import { createClassifier } from "../../../examples/text-to-image/classifier";
import { loadJudge } from "../../../examples/text-to-image/judge";
import type { Scene, World } from "../../../examples/text-to-image/world";
import { randomStream } from "../../../src/core";

const heads = { shape: ["disc", "ring", "square"], ink: ["red", "blue"] };
const tiny = { side: 6, layers: [{ channels: 4, stride: 2 }], features: 8, heads };

describe("a classifier", () => {
  test("keeps its weights through writing and reading", async () => {
    const made = createClassifier(tiny, randomStream(1));
    const weights = await made.weights();
    const read = createClassifier(tiny, weights);
    expect(await read.weights()).toEqual(weights);
    for (const classifier of [made, read]) classifier.dispose();
  });

  test("reads of each aspect the value that scores best, and gives the features of the same pictures", async () => {
    const classifier = createClassifier(tiny, randomStream(4));
    const pictures = randomStream(3).normal([40, 6, 6, 3]) as Tensor4D;
    const { read, features } = await classifier.judge(pictures);
    const logits = classifier.logits(pictures);
    expect(Object.keys(read)).toEqual(["shape", "ink"]);
    for (const [aspect, values] of Object.entries(heads)) {
      const scores = (await logits[aspect]?.array()) ?? [];
      const best = scores.map((row) => values[row.indexOf(Math.max(...row))]);
      expect(read[aspect]).toEqual(best);
      expect(new Set(best).size).toBeGreaterThan(1);
      logits[aspect]?.dispose();
    }
    expect(features.length).toBe(40 * 8);
    expect(Math.min(...features)).toBe(0);
    pictures.dispose();
    classifier.dispose();
  });

  test("refuses the weights of another network by the tensor's name", async () => {
    const made = createClassifier(tiny, randomStream(1));
    const weights = await made.weights();
    made.dispose();
    const other = { ...tiny, heads: { ...heads, ink: ["red"] } };
    expect(() => createClassifier(other, weights)).toThrow(/wanted heads.weight \[8, 4\], got \[8, 5\]/);
    const more = { ...tiny, layers: [] };
    expect(() => createClassifier(more, weights)).toThrow(/wanted features.weight \[108, 8\], got \[36, 8\]/);
    const fewer = new Map([...weights].filter(([name]) => name !== "conv1.bias"));
    expect(() => createClassifier(tiny, fewer)).toThrow(/wanted conv1.bias \[4\], got nothing/);
    const extra = new Map([
      ...weights,
      ["conv2.bias", { dtype: "F32", shape: [1], data: new Float32Array(1) }] as const,
    ]);
    expect(() => createClassifier(tiny, extra)).toThrow(/wanted conv2.bias nothing, got \[1\]/);
  });

  test("refuses pictures of another size", async () => {
    const classifier = createClassifier(tiny, randomStream(1));
    const pictures = zeros([2, 8, 8, 3]) as Tensor4D;
    await expect(classifier.judge(pictures)).rejects.toThrow(/wants pictures \[B, 6, 6, 3\], got \[2, 8, 8, 3\]/);
    pictures.dispose();
    classifier.dispose();
  });
});

/** At most this many bytes of weights, and shares of each aspect read right. */
const worlds = [
  [emoji, 400_000, { object: 0.99, colour: 0.99, size: 0.99 }],
  [digits, 100_000, { digit: 0.97, colour: 0.99 }],
] as const;

describe.each(worlds)("the committed judge of world %#", (world, bytes, shares) => {
  test("is small, and reads real pictures with a little noise, of held-out pairs too", async () => {
    expect(readFileSync(world.judgeFile).length).toBeLessThan(bytes);
    const judge = await loadJudge(world);
    const stream = randomStream(1);
    const scenes: Scene[] = [...world.drawScenes("trained", 100, stream), ...world.drawScenes("heldOut", 100, stream)];
    const pictures = (world as World).loadPictures().draw(scenes, stream);
    const noisy = tidy(() => add(pictures, mul(stream.normal(pictures.shape), 0.1)) as Tensor4D);
    const { read } = await judge.judge(noisy);
    for (const [aspect, share] of Object.entries(shares)) {
      const right = scenes.filter((scene, i) => scene[aspect] === read[aspect]?.[i]).length / scenes.length;
      expect(right, aspect).toBeGreaterThanOrEqual(share);
    }
    dispose([pictures, noisy]);
    judge.dispose();
  });

  test("is not read for another world", async () => {
    const other = { ...world, aspects: { ...world.aspects, mood: ["merry", "grave"] } };
    await expect(loadJudge(other)).rejects.toThrow(/judge\.safetensors: The judge's weights.* wanted heads.weight/);
  });
});
