import { checkArray, checkInteger, checkObject, describe } from "../../core/checks";
import { SidError } from "../../core/errors";

/** Pictures as a file holds them: bytes, RGB, row by row. */
export interface Pictures {
  /** `count · height · width · channels` values from 0 (black) to 255, a picture after the other, channels last. */
  readonly data: Uint8Array | Uint8ClampedArray;
  /** There must be 3 channels: red, green, blue. */
  readonly shape: readonly [count: number, height: number, width: number, channels: number];
}

/** What to do about pictures of another number of channels. */
const remedies: Readonly<Record<number, string>> = {
  1: "repeat the grey three times",
  2: "leave out the opacity and repeat the grey three times",
  4: "leave out the opacity, after laying the picture on a background",
};

/**
 * Throws unless these are pictures of RGB bytes, at least one; returns them. That they are bytes makes other ranges of
 * values, `[0, 1]` or `[−1, 1]`, impossible to pass unnoticed.
 */
export function checkPictures(where: string, pictures: Pictures): Pictures {
  const { data, shape } = checkObject(where, "pictures", pictures, { data: 1, shape: 1 });
  if (!(data instanceof Uint8Array || data instanceof Uint8ClampedArray))
    throw new SidError(
      "invalid-argument",
      `${where}: pictures.data must be bytes from 0 to 255, a Uint8Array or Uint8ClampedArray, got ${kindOf(data)}: ` +
        "bring values in [−1, 1] there by round(127.5 · (x + 1)), values in [0, 1] by round(255 · x).",
    );
  if (checkArray(where, "pictures.shape", shape).length !== 4)
    throw new SidError(
      "shape-mismatch",
      `${where}: pictures.shape must be [count, height, width, 3], got [${(shape as readonly unknown[]).map(describe).join(", ")}].`,
    );
  const [count, height, width, channels] = shape;
  for (const [name, size] of Object.entries({ count, height, width, channels }))
    checkInteger(where, `the ${name} of pictures.shape`, size, 1);
  if (channels !== 3)
    throw new SidError(
      "shape-mismatch",
      `${where}: pictures must have 3 channels, red, green, blue, got [${shape.join(", ")}]: ` +
        `${remedies[channels] ?? (height === 3 ? "lay the channels last" : "choose three of them")}.`,
    );
  const size = count * height * width * channels;
  if (data.length !== size)
    throw new SidError(
      "shape-mismatch",
      `${where}: pictures of shape [${shape.join(", ")}] are ${size} bytes, got ${data.length}.`,
    );
  return pictures;
}

function kindOf(data: unknown): string {
  return ArrayBuffer.isView(data) ? `a ${data.constructor.name}` : describe(data);
}

/** Picture number `index` alone; the bytes are shared, not copied. */
export function pictureAt({ data, shape: [, height, width, channels] }: Pictures, index: number): Pictures {
  const size = height * width * channels;
  return { data: data.subarray(index * size, (index + 1) * size), shape: [1, height, width, channels] };
}
