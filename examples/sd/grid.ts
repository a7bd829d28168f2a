import { add, clipByValue, mul, round, type Tensor, tidy } from "@tensorflow/tfjs-core";
import { encode } from "fast-png";
import type { Vae } from "sid-lsg/models/sd";

/** One picture: rows of red, green, blue bytes. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** Decodes one sample's latents `[1, h, w, c]`; what is beyond black or white is clipped. */
export async function decodePicture(vae: Vae, latents: Tensor): Promise<Picture> {
  const pixels = tidy(() => round(mul(add(clipByValue(vae.decode(latents), -1, 1), 1), 127.5)));
  const [, height = 0, width = 0] = pixels.shape;
  const numbers = await pixels.data().finally(() => pixels.dispose());
  return { width, height, data: Uint8Array.from(numbers) };
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
