import { fc, test } from "@fast-check/vitest";
import { dispose } from "@tensorflow/tfjs-core";
import { describe, expect } from "vitest";
import {
  allPairs,
  caption,
  captionWords,
  colours,
  drawScenes,
  heldOutPairs,
  objects,
  sceneOf,
  sizes,
  trainedPairs,
} from "../../../examples/quickstart/captions";
import { drawPictures, format, pixelsOf } from "../../../examples/quickstart/pictures";
import { loadStamps } from "../../../examples/quickstart/sheet";
import { textConfig } from "../../../examples/quickstart/teacher-config";
import { world } from "../../../examples/quickstart/world";
import { useBackend } from "../../../src/backends";
import { randomStream } from "../../../src/core";
import { numbers } from "../../support/matchers";

const scene = fc.record({
  object: fc.constantFrom(...objects),
  colour: fc.constantFrom(...colours),
  size: fc.constantFrom(...sizes),
});

describe("captions", () => {
  test.prop({ scene, seed: fc.nat() })("say their scene in known words that fit", ({ scene, seed }) => {
    const text = caption(scene, randomStream(seed));
    const words = text.split(" ");
    expect(sceneOf(text)).toEqual(scene);
    expect(words.length).toBeLessThanOrEqual(textConfig.max_position_embeddings - 2);
    expect(words.filter((word) => !captionWords.includes(word))).toEqual([]);
    expect(text).not.toMatch(/\ba [aeiou]|\ban [^aeiou]/);
  });

  test("vary in words and in form", () => {
    const stream = randomStream(0);
    const all = Array.from({ length: 500 }, () => caption({ object: "cat", colour: "blue", size: "small" }, stream));
    const seen = new Set(all);
    expect(seen).toContain("a small blue cat");
    expect(seen).toContain("picture of a tiny azure kitty");
    expect(seen.size).toBe(3 * 3 * 2 * 2); // openings, sizes, colours and names
  });

  test("hold one tint of each object out of training", () => {
    expect([allPairs.length, trainedPairs.length, heldOutPairs.length]).toEqual([192, 168, 24]);
    expect(heldOutPairs.map(({ object }) => object)).toEqual(objects);
    const key = (pair: object) => JSON.stringify(pair);
    const trained = new Set(trainedPairs.map(key));
    expect(heldOutPairs.filter((pair) => trained.has(key(pair)))).toEqual([]);
    expect(new Set(heldOutPairs.map(({ colour }) => colour)).size).toBe(7);
  });

  test("without an object say no scene, and little is taken as big and in its own colours", () => {
    expect(sceneOf("a blue")).toBeUndefined();
    expect(sceneOf("ghost")).toEqual({ object: "ghost", colour: "own", size: "big" });
    expect(sceneOf("A Tiny, GOLDEN fir tree!")).toEqual({ object: "tree", colour: "yellow", size: "small" });
  });

  test("are drawn in both sizes, of the group's pairs alone", () => {
    const drawn = world.drawScenes("heldOut", 2000, randomStream(1));
    const pairs = new Set(drawn.map(({ object, colour }) => `${colour} ${object}`));
    expect(pairs).toEqual(new Set(heldOutPairs.map(({ object, colour }) => `${colour} ${object}`)));
    expect(drawn.every((one) => world.isHeldOut(one))).toBe(true);
    const small = drawn.filter(({ size }) => size === "small").length / drawn.length;
    expect(Math.abs(small - 0.3)).toBeLessThan(0.04);
  });

  test("the examples are scenes of this world, some of them held out", () => {
    const scenes = world.prompts.map((prompt) => world.sceneOf(prompt));
    expect(scenes).not.toContain(undefined);
    expect(scenes.filter((one) => one && world.isHeldOut(one)).length).toBeGreaterThan(0);
  });
});

describe("pictures", () => {
  const stamps = loadStamps();
  const pixel = (x: number) => x * format.image_std + format.image_mean;

  test("are light on black within bounds, as large as their size, on the grid of patches", async () => {
    await useBackend("cpu");
    const stream = randomStream(2);
    const scenes = drawScenes(allPairs, 300, stream);
    const drawn = drawPictures(stamps, scenes, stream);
    const values = numbers(drawn).map(pixel);
    dispose(drawn);
    const places = new Set<string>();
    for (const [n, { size }] of scenes.entries()) {
      const lit = Array.from({ length: 24 * 24 }, (_, i) => i).filter((i) =>
        [0, 1, 2].some((c) => (values[(n * 576 + i) * 3 + c] as number) > 0.02),
      );
      const bounds = [(i: number) => i % 24, (i: number) => Math.floor(i / 24)].map((of) => {
        const all = lit.map(of);
        return [Math.min(...all), Math.max(...all) + 1] as const;
      });
      for (const [from, to] of bounds) expect(to - from).toBeLessThanOrEqual(pixelsOf[size]);
      places.add(`${size} ${bounds.map(([from]) => from >> 2).join()}`);
    }
    expect(values.filter((x) => x < -1e-6 || x > 1 + 1e-6)).toEqual([]);
    expect(places.size).toBeGreaterThan(20);
  });

  test("are standardised as the captions draw them", async () => {
    await useBackend("cpu");
    const stream = randomStream(3);
    const drawn = drawPictures(stamps, drawScenes(trainedPairs, 4000, stream), stream);
    const values = numbers(drawn);
    dispose(drawn);
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    const square = values.reduce((a, b) => a + b * b, 0) / values.length;
    expect(Math.abs(mean)).toBeLessThan(0.02);
    expect(Math.abs(Math.sqrt(square) - 1)).toBeLessThan(0.02);
  });

  test("a tint keeps black black and white light, and makes the body its colour", () => {
    const [own, red] = ["big own panda", "big red panda"].map((name) => stamps.get(name) as Float32Array);
    const at = (picture: Float32Array | undefined, i: number) => Array.from(picture?.slice(3 * i, 3 * i + 3) ?? []);
    const [dark, light] = [0.02, 0.9].map((level) =>
      Array.from({ length: 324 }, (_, i) => i).filter((i) =>
        at(own, i).every((x) => (level < 0.5 ? x < level : x > level)),
      ),
    );
    expect(dark?.length).toBeGreaterThan(20);
    expect(light?.length).toBeGreaterThan(20);
    for (const i of dark ?? []) expect(Math.max(...at(red, i))).toBeLessThan(0.1);
    for (const i of light ?? []) expect(at(red, i)[0]).toBeGreaterThan(0.85);
  });
});
