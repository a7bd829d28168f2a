import { checkInteger, checkObject, checkOneOf, describe, isObject } from "../../../core/checks";
import { SidError } from "../../../core/errors";
import type { JsonObject } from "../../../io/file-tree";
import { type Pictures, pictureAt } from "../pictures";
import { resizePictures } from "../resize";
import { filterNames, type ResizeFilter } from "../resize-windows";

/** What CLIP does to a picture before its image tower sees it. */
export interface ClipPreprocessing {
  /** Whether the shorter edge gets the length `edge`, or both do. */
  readonly resize: "shortest" | "squash";
  /** The length, in pixels; of what is more than the tower's own image size the middle is cut out. */
  readonly edge: number;
  /** Pillow's filter, on bytes. */
  readonly filter: ResizeFilter;
  /** Where the middle begins when it cannot lie in the middle: transformers rounds down, torchvision to the even pixel. */
  readonly rounding: "down" | "half-even";
  /** Of red, green and blue in [0, 1]: subtracted. */
  readonly mean: readonly number[];
  /** Of red, green and blue in [0, 1]: what the difference is divided by. */
  readonly std: readonly number[];
}

/** The mean and deviation of OpenAI's training set, which all of CLIP's descendants took over. */
const openAi = {
  mean: [0.48145466, 0.4578275, 0.40821073],
  std: [0.26862954, 0.26130258, 0.27577711],
} as const;

/** Pillow's numbers of its filters. */
const filters: Readonly<Record<number, ResizeFilter>> = { 1: "lanczos", 2: "bilinear", 3: "bicubic" };

/** What CLIP has always done to pictures. */
export function usualPreprocessing(imageSize: number): ClipPreprocessing {
  return { resize: "shortest", edge: imageSize, filter: "bicubic", rounding: "down", ...openAi };
}

/** Throws unless pictures can be prepared like this for a tower of this image size. */
export function checkPreprocessing(where: string, settings: ClipPreprocessing, imageSize: number): ClipPreprocessing {
  const { resize, edge, filter, rounding, mean, std } = checkObject(where, "preprocessing", settings, {
    ...{ resize: 1, edge: 1, filter: 1, rounding: 1, mean: 1, std: 1 },
  });
  checkOneOf(where, "preprocessing.resize", resize, ["shortest", "squash"]);
  checkOneOf(where, "preprocessing.filter", filter, filterNames);
  checkOneOf(where, "preprocessing.rounding", rounding, ["down", "half-even"]);
  checkInteger(where, "preprocessing.edge", edge, 1);
  if (edge < imageSize)
    throw new SidError(
      "unsupported",
      `${where}: pictures resized to ${edge} pixels do not fill the ${imageSize} of the image tower; padding is not supported.`,
    );
  channels(where, "mean", mean);
  channels(where, "std", std);
  return settings;
}

/** Reads what a folder says of its pictures, for either layout; without a word of it, what CLIP has always done. */
export function parseClipPreprocessing(
  where: string,
  json: JsonObject,
  imageSize: number,
  layout: "transformers" | "open_clip",
): ClipPreprocessing {
  const read = layout === "transformers" ? readTransformers : readOpenClip;
  return checkPreprocessing(where, read(where, json, imageSize), imageSize);
}

/** transformers' CLIPImageProcessor. */
function readTransformers(where: string, json: JsonObject, imageSize: number): ClipPreprocessing {
  const { size = imageSize, crop_size: crop = imageSize, resample = 3, rescale_factor: factor = 1 / 255 } = json;
  for (const step of ["do_resize", "do_center_crop", "do_rescale", "do_normalize"])
    if (json[step] === false) throw unsupported(where, step, false, "true");
  if (Math.abs((factor as number) * 255 - 1) > 1e-6) throw unsupported(where, "rescale_factor", factor, "1/255");
  const filter = filters[resample as number];
  if (filter === undefined) throw unsupported(where, "resample", resample, "1, 2 or 3: lanczos, bilinear or bicubic");
  const shortest = isObject(size) ? size["shortest_edge"] : size;
  const [edge, cropped] = [shortest ?? square(where, "size", size), square(where, "crop_size", crop)];
  if (cropped !== imageSize)
    throw new SidError(
      "shape-mismatch",
      `${where}: crop_size must be the image_size of the image tower, wanted ${imageSize}, got ${describe(cropped)}.`,
    );
  return {
    resize: shortest === undefined ? "squash" : "shortest",
    edge: checkInteger(where, "size", edge as number, 1),
    filter,
    rounding: "down",
    mean: channels(where, "image_mean", json["image_mean"] ?? openAi.mean),
    std: channels(where, "image_std", json["image_std"] ?? openAi.std),
  };
}

/** open_clip's image_transform, for evaluation. */
function readOpenClip(where: string, json: JsonObject, imageSize: number): ClipPreprocessing {
  const { size = imageSize, resize_mode: mode = "shortest", interpolation = "bicubic" } = json;
  if (mode !== "shortest" && mode !== "squash") throw unsupported(where, "resize_mode", mode, '"shortest" or "squash"');
  if (interpolation !== "bicubic" && interpolation !== "bilinear")
    throw unsupported(where, "interpolation", interpolation, '"bicubic" or "bilinear"');
  const edge = Array.isArray(size) && size[0] === size[1] ? size[0] : size;
  if (edge !== imageSize)
    throw new SidError(
      "shape-mismatch",
      `${where}: size must be the image_size of the image tower, wanted ${imageSize}, got ${describe(size)}.`,
    );
  return {
    resize: mode,
    edge: imageSize,
    filter: interpolation,
    rounding: "half-even",
    mean: channels(where, "mean", json["mean"] ?? openAi.mean),
    std: channels(where, "std", json["std"] ?? openAi.std),
  };
}

/** The side of a square. */
function square(where: string, name: string, size: unknown): unknown {
  if (!isObject(size)) return size;
  const { height, width } = checkObject(where, name, size);
  if (height !== width) throw unsupported(where, name, `${height} × ${width}`, "a square");
  return height;
}

function channels(where: string, name: string, values: unknown): readonly number[] {
  const valid = Array.isArray(values) && values.length === 3 && values.every((x) => Number.isFinite(x));
  if (!valid || (/std$/.test(name) && values.some((x) => x <= 0)))
    throw new SidError(
      "invalid-argument",
      `${where}: ${name} must be three numbers${/std$/.test(name) ? " above 0" : ""}, got ${JSON.stringify(values)}.`,
    );
  return values;
}

function unsupported(where: string, key: string, value: unknown, wanted: string): SidError {
  return new SidError("unsupported", `${where}: ${key} = ${describe(value)} is not supported, only ${wanted}.`);
}

/**
 * Pictures number `first` to `last − 1` as the image tower takes them: resized on bytes, the middle cut out, standardised.
 *
 * @returns `[last − first, imageSize, imageSize, 3]` row by row.
 */
export function standardised(
  pictures: Pictures,
  [first, last]: readonly [number, number],
  imageSize: number,
  settings: ClipPreprocessing,
): Float32Array {
  const { mean, std, filter, rounding } = settings;
  const line = imageSize * 3;
  const out = new Float32Array((last - first) * imageSize * line);
  const size = resizedSize(pictures.shape[1], pictures.shape[2], settings);
  const [top, left] = size.map((length) => margin(length - imageSize, rounding)) as [number, number];
  for (let n = first, to = 0; n < last; n++) {
    const { data } = resizePictures(pictureAt(pictures, n), size, filter);
    for (let row = 0; row < imageSize; row++) {
      const from = ((top + row) * size[1] + left) * 3;
      for (let i = 0; i < line; i++, to++)
        out[to] = ((data[from + i] as number) / 255 - (mean[i % 3] as number)) / (std[i % 3] as number);
    }
  }
  return out;
}

/** Height and width after resizing; the longer edge is rounded down, as transformers and torchvision do. */
function resizedSize(height: number, width: number, { resize, edge }: ClipPreprocessing): readonly [number, number] {
  if (resize === "squash") return [edge, edge];
  const longer = Math.trunc((edge * Math.max(height, width)) / Math.min(height, width));
  return width <= height ? [longer, edge] : [edge, longer];
}

function margin(rest: number, rounding: ClipPreprocessing["rounding"]): number {
  const half = Math.floor(rest / 2);
  return rounding === "half-even" && rest % 2 === 1 && half % 2 === 1 ? half + 1 : half;
}
