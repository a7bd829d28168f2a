import { type Tensor, tidy } from "@tensorflow/tfjs-core";
import { type FileTree, readText } from "sid-lsg/io";
import { unpatchify } from "sid-lsg/models";

/** How a teacher's pictures are packed: what its folder says in `image_processor/config.json`. */
export interface PictureFormat {
  /** Pixels along one side. */
  readonly size: number;
  /** Pixels along one side of a patch; the networks see patches as channels. */
  readonly patch_size: number;
  /** Mean and deviation of all pixels in `[0, 1]`; the networks see `(pixel − mean) / deviation`. */
  readonly image_mean: number;
  readonly image_std: number;
}

const formatFile = "image_processor/config.json";

/** Reads the format of a folder's pictures. */
export async function readPictureFormat(folder: string | FileTree): Promise<PictureFormat> {
  const found = await readJson(folder, formatFile);
  const { size, patch_size, image_mean, image_std } = (found ?? {}) as PictureFormat;
  const isGood =
    [size, patch_size].every((x) => Number.isInteger(x) && x > 0) &&
    size % patch_size === 0 &&
    [image_mean, image_std].every((x) => Number.isFinite(x)) &&
    image_std > 0;
  if (isGood) return { size, patch_size, image_mean, image_std };
  throw new Error(
    `${formatFile}: wanted whole size and patch_size, of which one divides the other, image_mean and image_std, ` +
      `got ${JSON.stringify(found)}.`,
  );
}

/** A folder's file as JSON, or an error that names it. */
export async function readJson(folder: string | FileTree, file: string): Promise<unknown> {
  const text = await readText(folder, file);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Error(`${file} is no JSON: ${(cause as Error).message}.`, { cause });
  }
}

/** The text of the file that says so. */
export function pictureFormatFile(format: PictureFormat): { readonly name: string; readonly text: string } {
  return { name: formatFile, text: `${JSON.stringify({ _class_name: "PatchImageProcessor", ...format }, null, 2)}\n` };
}

/** Shape of one sample as the networks see it: `[size / patch, size / patch, 3 · patch²]`. */
export function sampleShape({ size, patch_size }: PictureFormat): readonly [number, number, number] {
  return [size / patch_size, size / patch_size, 3 * patch_size * patch_size];
}

/** Standardised pictures `[B, size, size, 3]` of what a network made; the caller owns them. */
export function unpack(samples: Tensor, { patch_size }: PictureFormat): Tensor {
  return tidy(() => unpatchify(samples, patch_size));
}

/** The byte that a screen shows for a standardised value; what is out of range is clipped. */
export function pixelByte(value: number, { image_mean, image_std }: PictureFormat): number {
  return Math.round(255 * Math.min(1, Math.max(0, value * image_std + image_mean)));
}
