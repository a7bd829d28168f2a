import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { type Tensor4D, tensor4d } from "@tensorflow/tfjs-core";
import type { RandomStream } from "sid-lsg";
import type { PictureFormat } from "../text-to-image/picture-format";
import { type Pair, palette } from "./captions";

/** No patches: the networks see pixels. */
export const format = {
  size: 8,
  patch_size: 1,
  image_mean: 0.1774,
  image_std: 0.2899,
} as const satisfies PictureFormat;
const { size: side, image_mean: mean, image_std: deviation } = format;

/** The handwritten digits, by class: `byDigit[7]` holds every 7 as 64 ink values in `[0, 1]`. */
export interface Digits {
  readonly byDigit: readonly (readonly Float32Array[])[];
}

/** Reads `data/digits.csv.gz`: 64 values from 0 to 16 and the class per line. */
export function loadDigits(): Digits {
  const file = new URL("data/digits.csv.gz", import.meta.url);
  const lines = gunzipSync(readFileSync(file)).toString().trim().split("\n");
  const byDigit = Array.from({ length: 10 }, (): Float32Array[] => []);
  for (const line of lines) {
    const values = line.split(",").map(Number);
    const digit = values.pop() ?? Number.NaN;
    const images = byDigit[digit];
    if (values.length !== side * side || !images)
      throw new Error(`${file.pathname}: not a line of 64 values and a digit: ${line}`);
    images.push(Float32Array.from(values, (value) => value / 16));
  }
  return { byDigit };
}

/** Ink in the pair's colour on black, standardised, as `[8, 8, 3]` numbers. */
export function colourImage(ink: Float32Array, { colour }: Pair): Float32Array {
  const rgb = palette[colour];
  return Float32Array.from({ length: ink.length * 3 }, (_, i) => {
    const pixel = (ink[Math.floor(i / 3)] ?? 0) * (rgb[i % 3] ?? 0);
    return (pixel - mean) / deviation;
  });
}

/** One random real image for each pair: `[B, 8, 8, 3]`. */
export function drawImages(digits: Digits, pairs: readonly Pair[], stream: RandomStream): Tensor4D {
  const choices = stream.uniform(pairs.length);
  return stackImages(
    pairs.map((pair, i) => {
      const images = digits.byDigit[Number(pair.digit)] ?? [];
      const ink = images[Math.floor((choices[i] ?? 0) * images.length)] as Float32Array;
      return colourImage(ink, pair);
    }),
  );
}

/** Images as one batch `[B, 8, 8, 3]`. */
function stackImages(images: readonly Float32Array[]): Tensor4D {
  const data = new Float32Array(images.length * side * side * 3);
  images.forEach((image, i) => {
    data.set(image, i * image.length);
  });
  return tensor4d(data, [images.length, side, side, 3]);
}
