import { type Tensor4D, tensor4d } from "@tensorflow/tfjs-core";
import { decode } from "fast-png";
import type { RandomStream } from "sid-lsg";
import type { PictureFormat } from "../text-to-image/picture-format";
import { colours, type EmojiObject, type EmojiScene, objects, palette, type Size, sizes } from "./captions";

/** Objects stand at multiples of a patch. */
export const format = { size: 24, patch_size: 3, image_mean: 0.135, image_std: 0.279 } as const satisfies PictureFormat;
const { size: side, patch_size: patch, image_mean: mean, image_std: deviation } = format;

/** Pixels along one side of an object. */
export const pixelsOf: Readonly<Record<Size, number>> = { big: 18, small: 12 };

/** Every object in every size and colour, as rows of red, green, blue in `[0, 1]`. */
export type Stamps = ReadonlyMap<string, Float32Array>;

/** Cuts the sheet, a PNG file, and tints what is on it. */
export function stampsOf(png: Uint8Array): Stamps {
  const sheet = decode(png);
  const stamps = new Map<string, Float32Array>();
  objects.forEach((object, column) => {
    const cut = (size: Size) => {
      const [side, top] = [pixelsOf[size], size === "big" ? 0 : pixelsOf.big];
      return Float32Array.from({ length: side * side * 3 }, (_, i) => {
        const [row, rest] = [Math.floor(i / (3 * side)), i % (3 * side)];
        return (sheet.data[((top + row) * sheet.width + column * pixelsOf.big) * 3 + rest] as number) / 255;
      });
    };
    const knee = bodyBrightness(cut("big"));
    for (const size of sizes)
      for (const colour of colours)
        stamps.set(
          nameOf({ object, size, colour }),
          colour === "own" ? cut(size) : tint(cut(size), knee, palette[colour]),
        );
  });
  return stamps;
}

/** One picture per scene, each at a place of its own: standardised `[B, 24, 24, 3]`. */
export function drawPictures(stamps: Stamps, scenes: readonly EmojiScene[], stream: RandomStream): Tensor4D {
  const places = stream.uniform(2 * scenes.length);
  const data = new Float32Array(scenes.length * side * side * 3).fill(-mean / deviation);
  scenes.forEach((scene, n) => {
    const stamp = stamps.get(nameOf(scene)) as Float32Array;
    const size = pixelsOf[scene.size];
    const room = (side - size) / patch + 1;
    const [x, y] = [0, 1].map((i) => patch * Math.floor((places[2 * n + i] as number) * room)) as [number, number];
    for (let row = 0; row < size; row++)
      for (let i = 0; i < 3 * size; i++)
        data[((n * side + y + row) * side + x) * 3 + i] = ((stamp[row * 3 * size + i] as number) - mean) / deviation;
  });
  return tensor4d(data, [scenes.length, side, side, 3]);
}

function nameOf({ object, size, colour }: { object: EmojiObject; size: Size; colour: string }): string {
  return `${size} ${colour} ${object}`;
}

/** Rec. 601's luma. */
const brightness = (picture: Float32Array, pixel: number): number =>
  0.299 * (picture[3 * pixel] as number) +
  0.587 * (picture[3 * pixel + 1] as number) +
  0.114 * (picture[3 * pixel + 2] as number);

/** How bright most of an object is: the median over what is not black. */
function bodyBrightness(picture: Float32Array): number {
  const all = Array.from({ length: picture.length / 3 }, (_, i) => brightness(picture, i)).filter((l) => l > 0.15);
  const median = all.sort((a, b) => a - b)[all.length >> 1] as number;
  return Math.min(0.85, Math.max(0.3, median));
}

/** Brightness as a ramp from black over the colour, at `knee`, to white: eyes and highlights stay. */
function tint(picture: Float32Array, knee: number, colour: readonly number[]): Float32Array {
  return picture.map((_, i) => {
    const [light, to] = [brightness(picture, Math.floor(i / 3)), colour[i % 3] as number];
    return light < knee ? (to * light) / knee : to + ((1 - to) * (light - knee)) / (1 - knee);
  });
}
