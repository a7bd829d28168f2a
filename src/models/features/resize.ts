import { checkArray, checkInteger, checkOneOf } from "../../core/checks";
import { SidError } from "../../core/errors";
import { checkPictures, type Pictures } from "./pictures";
import {
  filterNames,
  fixedBits,
  fixedPoint,
  neighbourWindows,
  pillowWindows,
  type ResizeFilter,
  type Windows,
} from "./resize-windows";

/**
 * Whose resizing, without rounding to bytes.
 *
 * - `pillow-bilinear`, `pillow-bicubic`, `pillow-lanczos`: Pillow on each channel as floats, without aliasing, then held in
 *   0 … 255; `clean-fid` takes the second;
 * - `pytorch`: `interpolate(mode="bilinear", align_corners=False)`, which aliases; as in `pytorch-fid`;
 * - `tensorflow`: TensorFlow 1's `resize_bilinear`, which aliases and shifts; as in the original code of FID.
 */
export type Resizing = `pillow-${ResizeFilter}` | "pytorch" | "tensorflow";

/** All ways of resizing. */
export const resizings: readonly Resizing[] = [
  ...filterNames.map((filter) => `pillow-${filter}` as const),
  "pytorch",
  "tensorflow",
];

/**
 * Resizes pictures as Pillow does, byte by byte: `Image.resize(size, filter)` in its fixed-point arithmetic, without
 * aliasing.
 *
 * In width first, then in height, as Pillow up to 12 does it. Pillow 13 takes the height first where it shrinks by more than
 * twice as many pixels as the width: some bytes of such narrow pictures then are one or two off.
 *
 * @param pictures - RGB bytes.
 * @param size - height and width that they get, in pixels.
 * @param filter - Pillow's.
 * @returns the pictures; the same ones where the size is theirs already.
 * @throws SidError as `FeatureNetwork.features` does; `out-of-range` or `invalid-argument` for a size that is none.
 *
 * @example
 * ```ts
 * import { resizePictures } from "sid-lsg/models/features";
 *
 * const grey = { data: new Uint8Array(64 * 48 * 3).fill(128), shape: [1, 64, 48, 3] } as const;
 * console.log(resizePictures(grey, [32, 24], "bicubic").shape); // [1, 32, 24, 3]
 * ```
 */
export function resizePictures(
  pictures: Pictures,
  size: readonly [height: number, width: number],
  filter: ResizeFilter,
): Pictures {
  const { data, shape } = checkPictures("resizePictures", pictures);
  checkSize("resizePictures", size);
  checkOneOf("resizePictures", "filter", filter, filterNames);
  const [count, height, width, channels] = shape;
  const [rows, columns] = size;
  let result: Pictures["data"] = data;
  if (columns !== width) result = bytesAcross(result, count * height, columns, fixed(width, columns, filter), width);
  if (rows !== height) result = bytesDown(result, count, [height, rows], columns, fixed(height, rows, filter));
  return { data: result, shape: [count, rows, columns, channels] };
}

function fixed(from: number, to: number, filter: ResizeFilter): Windows {
  return fixedPoint(pillowWindows(from, to, filter));
}

/** `[rows, width, 3] → [rows, columns, 3]`. The result's own rounding and clamping are never used: it gets bytes. */
function bytesAcross(data: Pictures["data"], rows: number, columns: number, windows: Windows, width: number) {
  const out = new Uint8ClampedArray(rows * columns * 3);
  for (let row = 0, to = 0; row < rows; row++)
    for (let column = 0; column < columns; column++)
      for (let c = 0; c < 3; c++, to++)
        out[to] = fixedSum(data, (row * width + (windows.starts[column] as number)) * 3 + c, 3, windows, column);
  return out;
}

/** `[count, height, columns, 3] → [count, rows, columns, 3]`. */
function bytesDown(
  data: Pictures["data"],
  count: number,
  [height, rows]: readonly [number, number],
  columns: number,
  windows: Windows,
): Uint8ClampedArray {
  const line = columns * 3;
  const out = new Uint8ClampedArray(count * rows * line);
  for (let n = 0, to = 0; n < count; n++)
    for (let row = 0; row < rows; row++)
      for (let i = 0; i < line; i++, to++)
        out[to] = fixedSum(data, (n * height + (windows.starts[row] as number)) * line + i, line, windows, row);
  return out;
}

/** One output value: half a unit for rounding, the weighted bytes, the bits after the point dropped, held in 0…255. */
function fixedSum(data: Pictures["data"], first: number, step: number, windows: Windows, index: number): number {
  const { counts, most, weights } = windows;
  let sum = 1 << (fixedBits - 1);
  for (let k = 0, at = first, w = index * most; k < (counts[index] as number); k++, at += step, w++)
    sum += (data[at] as number) * (weights[w] as number);
  return Math.min(Math.max(sum >> fixedBits, 0), 255);
}

/**
 * Resizes pictures to floats, not rounded, as one of the protocols of FID does.
 *
 * @param pictures - RGB bytes.
 * @param size - height and width that they get, in pixels.
 * @param resizing - whose way.
 * @returns `[count, height, width, 3]` row by row, in units of the bytes: 0 to 255.
 * @throws SidError as {@link resizePictures} does.
 *
 * @example
 * ```ts
 * import { resizeToFloats } from "sid-lsg/models/features";
 *
 * const edge = { data: new Uint8Array([0, 0, 0, 255, 255, 255]), shape: [1, 1, 2, 3] } as const;
 * console.log(resizeToFloats(edge, [1, 4], "pytorch").filter((_, i) => i % 3 === 0)); // 0, 63.75, 191.25, 255
 * console.log(resizeToFloats(edge, [1, 4], "tensorflow").filter((_, i) => i % 3 === 0)); // 0, 127.5, 255, 255
 * ```
 */
export function resizeToFloats(
  pictures: Pictures,
  size: readonly [height: number, width: number],
  resizing: Resizing,
): Float32Array {
  const { data, shape } = checkPictures("resizeToFloats", pictures);
  checkSize("resizeToFloats", size);
  checkOneOf("resizeToFloats", "resizing", resizing, resizings);
  const [count, height, width] = shape;
  const [rows, columns] = size;
  const windows = (from: number, to: number) =>
    resizing === "pytorch" || resizing === "tensorflow"
      ? neighbourWindows(from, to, resizing === "pytorch")
      : pillowWindows(from, to, resizing.slice("pillow-".length) as ResizeFilter);
  const across =
    columns === width ? Float32Array.from(data) : floatsAcross(data, count * height, windows(width, columns), width);
  const whole = rows === height ? across : floatsDown(across, count, height, columns * 3, windows(height, rows));
  for (let i = 0; i < whole.length; i++) whole[i] = Math.min(Math.max(whole[i] as number, 0), 255);
  return whole;
}

/** `[rows, width, 3] → [rows, columns, 3]`: sums in float64, values in float32, as Pillow's. */
function floatsAcross(data: ArrayLike<number>, rows: number, windows: Windows, width: number): Float32Array {
  const { starts, counts, most, weights } = windows;
  const out = new Float32Array(rows * starts.length * 3);
  for (let row = 0, to = 0; row < rows; row++)
    for (let column = 0; column < starts.length; column++)
      for (let c = 0; c < 3; c++, to++) {
        let sum = 0;
        let at = (row * width + (starts[column] as number)) * 3 + c;
        for (let k = 0; k < (counts[column] as number); k++, at += 3)
          sum += (data[at] as number) * (weights[column * most + k] as number);
        out[to] = sum;
      }
  return out;
}

/** `[count, height, line] → [count, rows, line]`. */
function floatsDown(data: Float32Array, count: number, height: number, line: number, windows: Windows): Float32Array {
  const { starts, counts, most, weights } = windows;
  const out = new Float32Array(count * starts.length * line);
  for (let n = 0, to = 0; n < count; n++)
    for (let row = 0; row < starts.length; row++)
      for (let i = 0; i < line; i++, to++) {
        let sum = 0;
        let at = (n * height + (starts[row] as number)) * line + i;
        for (let k = 0; k < (counts[row] as number); k++, at += line)
          sum += (data[at] as number) * (weights[row * most + k] as number);
        out[to] = sum;
      }
  return out;
}

function checkSize(where: string, size: readonly [height: number, width: number]): void {
  if (checkArray(where, "size", size).length !== 2)
    throw new SidError(
      "shape-mismatch",
      `${where}: size must be [height, width], got ${(size as readonly number[]).length} numbers.`,
    );
  for (const length of size) checkInteger(where, "each of size", length, 1);
}
