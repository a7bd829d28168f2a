import { readFileSync } from "node:fs";
import { add, clipByValue, mul, round, type Tensor, tidy } from "@tensorflow/tfjs-core";
import { decode, encode } from "fast-png";
import type { Vae } from "sid-lsg/models/sd";

/** One picture: rows of red, green, blue bytes. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** Decodes samples' latents `[B, h, w, c]`; what is beyond black or white is clipped. */
export async function decodePictures(vae: Vae, latents: Tensor): Promise<Picture[]> {
  const pixels = tidy(() => round(mul(add(clipByValue(vae.decode(latents), -1, 1), 1), 127.5)));
  const [count = 0, height = 0, width = 0] = pixels.shape;
  const numbers = await pixels.data().finally(() => pixels.dispose());
  const size = height * width * 3;
  return Array.from({ length: count }, (_, i) => ({
    ...{ width, height },
    data: Uint8Array.from(numbers.subarray(i * size, (i + 1) * size)),
  }));
}

/** Reads a picture that {@link encodePicture} made. */
export function readPicture(path: string): Picture {
  try {
    const { width, height, data } = decode(readFileSync(path));
    if (data instanceof Uint8Array && data.length === width * height * 3) return { width, height, data };
  } catch {
    // Said below.
  }
  throw new Error(`${path} is no whole picture of this script; delete it, and --skip-existing draws it anew.`);
}

/** Pictures of one size in rows of `columns`, with a thin white line between. */
export function arrange(pictures: readonly Picture[], columns: number): Picture {
  const gap = 2;
  const { width: side = 0, height: rise = 0 } = pictures[0] ?? {};
  const across = Math.min(columns, pictures.length);
  const width = across * (side + gap) - gap;
  const height = Math.ceil(pictures.length / across) * (rise + gap) - gap;
  const data = new Uint8Array(width * height * 3).fill(255);
  pictures.forEach((picture, i) => {
    const left = (i % across) * (side + gap);
    const top = Math.floor(i / across) * (rise + gap);
    for (let row = 0; row < rise; row++)
      data.set(picture.data.subarray(row * side * 3, (row + 1) * side * 3), ((top + row) * width + left) * 3);
  });
  return { width, height, data };
}

/** The picture as a PNG file. */
export function encodePicture({ width, height, data }: Picture): Uint8Array {
  return encode({ width, height, data, channels: 3 });
}
