import { add, reshape, type Tensor, type Tensor4D, tensor4d, tidy } from "@tensorflow/tfjs-core";
import { decode } from "fast-png";
import { describe, expect, test } from "vitest";
import { cutPicture } from "../../../examples/text-to-image/canvas";
import { theme } from "../../../examples/text-to-image/picture";
import { unpack } from "../../../examples/text-to-image/picture-format";
import { drawCaption, drawPrompts, drawRealPictures, drawSamples } from "../../../examples/text-to-image/samples";
import type { Scene } from "../../../examples/text-to-image/world";
import { randomStream } from "../../../src/core";

const pictures = { size: 4, patch_size: 2, image_mean: 0.5, image_std: 0.25 };
const scenes: Readonly<Record<string, Scene>> = { "a red cat": { colour: "red" }, "a blue cat": { colour: "blue" } };
const world = {
  pictures,
  prompts: Object.keys(scenes),
  sceneOf: (caption: string) => scenes[caption],
  isHeldOut: ({ colour }: Scene) => colour === "blue",
};

/** Real pictures of one colour per scene. */
const drawReal = (all: readonly Scene[]): Tensor4D =>
  tensor4d(
    Float32Array.from({ length: all.length * 48 }, (_, i) => (all[Math.floor(i / 48)]?.["colour"] === "red" ? 1 : -1)),
    [all.length, 4, 4, 3],
  );
/** A generator whose pictures are a shade that says which caption, over its noise. */
const draw = (captions: readonly string[], noise: Tensor): Tensor =>
  tidy(() => {
    const shade = Float32Array.from(captions, (caption) => (caption === "a red cat" ? 0.5 : -0.5));
    return unpack(add(noise, reshape(shade, [captions.length, 1, 1, 1])), pictures);
  });

describe("pictures of prompts", () => {
  test("come from the same noises for every prompt, as the bytes that screens show", async () => {
    const [red = [], blue = []] = await drawPrompts(pictures, draw, world.prompts, 3, randomStream(1));
    expect([red.length, blue.length]).toEqual([3, 3]);
    const noise = randomStream(1).normal([3, 2, 2, 12]);
    const first = unpack(noise, pictures);
    const numbers = await first.data<"float32">();
    for (const tensor of [noise, first]) tensor.dispose();
    const byte = (value: number) => Math.round(255 * Math.min(1, Math.max(0, value * 0.25 + 0.5)));
    red.forEach((picture, n) => {
      const wanted = Array.from(numbers.slice(48 * n, 48 * n + 48));
      expect(picture).toMatchObject({ width: 4, height: 4 });
      expect(Array.from(picture.data)).toEqual(wanted.map((value) => byte(Math.fround(value + 0.5))));
      expect(Array.from(blue[n]?.data ?? [])).toEqual(wanted.map((value) => byte(Math.fround(value - 0.5))));
    });
  });

  test("are real ones where the world has them", async () => {
    const real = await drawRealPictures(world, drawReal, world.prompts, 2, randomStream(1));
    expect(real?.map((row) => row.map(({ data }) => data[0]))).toEqual([
      [191, 191],
      [64, 64],
    ]);
    expect(await drawRealPictures(world, drawReal, ["a red cat", "a zebra"], 2, randomStream(1))).toBeUndefined();
  });
});

describe("the samples", () => {
  const compared = { teacher50Guided: draw, teacher1: draw, generator: draw };

  test("show real pictures, both teachers and the generator, and mark what is held out", async () => {
    const png = decode(await drawSamples(world, drawReal, compared));
    const tiles = tilesOf(png);
    // 2 real, 3, 2, and 5 of the generator.
    expect(tiles.map((row) => row.length)).toEqual([12, 12]);
    const [red = [], blue = []] = tiles;
    expect(red.slice(0, 2).every(({ data }) => data.every((value) => value === 191))).toBe(true);
    expect(blue.slice(0, 2).every(({ data }) => data.every((value) => value === 64))).toBe(true);
    // The same noises from left to right.
    expect(red.slice(2, 5)).toEqual(red.slice(7, 10));
    expect(red.slice(5, 7)).toEqual(red.slice(7, 9));
    expect(red[7]).not.toEqual(red[8]);
    const stars = dotsOf(png, theme.accent).filter(({ x }) => x < 300);
    expect(stars.length).toBeGreaterThan(20);
  });

  test("of a caption of one's own are eight, with real ones only where there are such", async () => {
    const own = async (caption: string, seed: number) =>
      tilesOf(decode(await drawCaption(world, drawReal, caption, draw, seed)))[0] ?? [];
    const [known, unknown] = [await own("a red cat", 1), await own("a zebra", 1)];
    expect([known.length, unknown.length]).toEqual([10, 8]);
    expect(known.slice(8).every(({ data }) => data.every((value) => value === 191))).toBe(true);
    expect(await own("a red cat", 1)).toEqual(known);
    expect((await own("a red cat", 2))[0]).not.toEqual(known[0]);
  });
});

interface Decoded {
  readonly width: number;
  readonly height: number;
  readonly data: ArrayLike<number>;
}

function dotsOf({ width, data }: Decoded, colour: readonly number[]) {
  return Array.from({ length: data.length / 3 }, (_, i) => i)
    .filter((i) => colour.every((value, c) => data[3 * i + c] === value))
    .map((i) => ({ x: i % width, y: Math.floor(i / width) }));
}

/** The pictures on a grid, row by row: what is no background right of the captions and below the titles. */
function tilesOf({ width, height, data }: Decoded) {
  const canvas = { width, height, data: Uint8Array.from(data) };
  const isBackground = (x: number, y: number) =>
    theme.background.every((value, c) => canvas.data[(y * width + x) * 3 + c] === value);
  const lefts = (y: number) => {
    const all: number[] = [];
    for (let x = 32 + 200; x + 96 <= width; x++) if (!isBackground(x, y)) x = all.push(x) && x + 95;
    return all;
  };
  const firstRow = 32 + 2 * 38 + 18;
  const rows = Array.from({ length: Math.floor((height - firstRow) / 106) }, (_, row) => firstRow + 106 * row);
  return rows.map((y) => lefts(y).map((x) => cutPicture(canvas, x, y, 4, 24))).filter((tiles) => tiles.length > 0);
}
