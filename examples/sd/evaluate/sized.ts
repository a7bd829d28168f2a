import { resizePictures } from "sid-lsg/models/features";
import type { Picture } from "../grid";
import type { PictureSource } from "./sources";

/** The source's pictures, each cut to its {@link middle} at `size` pixels; as they are where that is absent. */
export function sized(source: PictureSource, size: number | undefined): PictureSource {
  if (size === undefined) return source;
  return {
    ...source,
    identity: { ...source.identity, size },
    async start() {
      const artist = await source.start();
      return {
        ...artist,
        pictures: async (indices) => (await artist.pictures(indices)).map((picture) => middle(picture, size)),
      };
    },
  };
}

/**
 * The largest square in the middle of a picture, resized by Pillow's Lanczos, byte for byte as GigaGAN's evaluation.
 *
 * Source: GigaGAN evaluation/data_util.py and evaluation.py; torchvision transforms/functional.py `center_crop`.
 */
export function middle({ width, height, data }: Picture, size: number): Picture {
  const side = Math.min(width, height);
  const [left, top] = [halfToEven(width - side), halfToEven(height - side)];
  const square = new Uint8Array(side * side * 3);
  for (let y = 0; y < side; y++) {
    const from = ((top + y) * width + left) * 3;
    square.set(data.subarray(from, from + side * 3), y * side * 3);
  }
  const resized = resizePictures({ data: square, shape: [1, side, side, 3] }, [size, size], "lanczos");
  return { width: size, height: size, data: Uint8Array.from(resized.data) };
}

/** Half of a whole number, rounded as Python's `round` does. */
function halfToEven(x: number): number {
  return x % 4 === 1 ? (x - 1) / 2 : Math.ceil(x / 2);
}
