import { decode } from "fast-png";
import { randomStream } from "sid-lsg";
import { type Canvas, createCanvas, drawPicture, encodePng } from "../text-to-image/canvas";
import type { Draw } from "../text-to-image/methods";
import { drawPrompts, drawRealPictures, type PicturesOf } from "../text-to-image/samples";
import type { RealPictures } from "../text-to-image/world";

/** Pictures of a prompt. */
export const perPrompt = 3;

/** The world's prompts from top to bottom, three pictures each, from the same noises for every method; real ones without a method. */
export async function drawStrip(
  world: PicturesOf,
  real: RealPictures["draw"],
  draw: Draw | undefined,
): Promise<Uint8Array> {
  const { pictures, prompts } = world;
  const stream = randomStream(7);
  const rows = draw
    ? await drawPrompts(pictures, draw, prompts, perPrompt, stream)
    : ((await drawRealPictures(world, real, prompts, perPrompt, stream)) ?? []);
  const { size } = pictures;
  const canvas = createCanvas(size * perPrompt, size * rows.length, [0, 0, 0]);
  rows.forEach((row, y) => {
    row.forEach((picture, x) => {
      drawPicture(canvas, picture, x * size, y * size, 1);
    });
  });
  return encodePng(canvas);
}

/** The pictures of such a strip again. */
export function cutStrip(png: Uint8Array, size: number): Canvas[][] {
  const { width, height, data } = decode(png);
  return Array.from({ length: height / size }, (_, y) =>
    Array.from({ length: width / size }, (_, x) => {
      const canvas = createCanvas(size, size, [0, 0, 0]);
      for (let row = 0; row < size; row++) {
        const from = ((y * size + row) * width + x * size) * 3;
        canvas.data.set(data.subarray(from, from + 3 * size) as Uint8Array, row * size * 3);
      }
      return canvas;
    }),
  );
}
