import { concat, slice, type Tensor4D, tensor4d, tidy } from "@tensorflow/tfjs-core";
import type { TextConditioner } from "sid-lsg/models";
import type { Vae } from "sid-lsg/models/sd";
import type { ImageSource } from "sid-lsg/train";
import type { ImageFolder } from "./open";
import { squareOf } from "./resize";

/** Options of {@link imageFolderSource}. */
export interface ImageFolderSourceOptions {
  /** Encodes the pictures; the caller keeps it. */
  readonly vae: Vae;
  /** Encodes the captions; without it there are no conditions. */
  readonly conditioner?: TextConditioner | undefined;
  /** Pixels along a side: the middle of each picture at this size. */
  readonly size: number;
  /** Pictures that the VAE encodes at a time; 1 where absent. The result does not depend on it. */
  readonly batch?: number | undefined;
}

/**
 * Latents of pictures that are drawn from a folder, uniformly and with replacement, with the conditions of their
 * captions. A latent is a sample of the VAE's law of it, as diffusers' `latent_dist.sample() · scaling_factor`: its mean
 * and noise of the stream. Keeps nothing.
 */
export function imageFolderSource(folder: ImageFolder, options: ImageFolderSourceOptions): ImageSource {
  const { vae, conditioner, size, batch = 1 } = options;
  const { channels, latentChannels, inChannels } = vae.config;
  const scale = 2 ** (channels.length - 1);
  if (!Number.isSafeInteger(size / scale) || size < scale)
    throw new Error(`Pictures of ${size} pixels: the VAE takes multiples of ${scale}.`);
  if (inChannels !== 3) throw new Error(`The VAE takes images of ${inChannels} channels, where pictures have 3.`);
  const sampleRows: NonNullable<ImageSource["sampleRows"]> = (stream, count, rows) => {
    const places = stream.integers(count, 0, folder.length).slice(rows.from, rows.to);
    const images = tidy(() => {
      const noise = stream.normal([count, size / scale, size / scale, latentChannels], rows);
      const begins = Array.from({ length: Math.ceil(places.length / batch) }, (_, i) => i * batch);
      const encoded = begins.map((begin) => {
        const some = places.slice(begin, begin + batch);
        return tidy(() => vae.encode(pixelsOf(folder, some, size), slice(noise, begin, some.length)));
      });
      return concat(encoded);
    });
    if (conditioner === undefined) return { images };
    try {
      return { images, cond: conditioner.encode(places.map(folder.caption)) };
    } catch (error) {
      images.dispose();
      throw error;
    }
  };
  return {
    name: `${folder.length} pictures ${folder.fingerprint} at ${size} pixels`,
    sample: (stream, count) => sampleRows(stream, count, { from: 0, to: count }),
    sampleRows,
  };
}

/** Pictures at this size as `[B, size, size, 3]` in `[−1, 1]`. */
function pixelsOf(folder: ImageFolder, places: readonly number[], size: number): Tensor4D {
  const numbers = new Float32Array(places.length * size * size * 3);
  for (const [i, place] of places.entries()) {
    const { data } = squareOf(folder.picture(place), size);
    for (let k = 0; k < data.length; k++) numbers[i * data.length + k] = (data[k] as number) / 127.5 - 1;
  }
  return tensor4d(numbers, [places.length, size, size, 3]);
}
