import { reshape, type Tensor, tidy, transpose } from "@tensorflow/tfjs-core";
import { checkInteger, showShape } from "../core/checks";
import { SidError } from "../core/errors";
import { checkTensor } from "../core/tensor-checks";

/**
 * Images as a coarser grid of patches, the numbers of a patch as channels (space to depth). A network that works on
 * 8 × 8 patches of 3 × 3 draws 24 × 24 pixels at the cost of 8 × 8.
 *
 *     out[b, i, j, (r · size + s) · C + c] = images[b, i · size + r, j · size + s, c]
 *
 * Numbers only move: noise stays standard normal, and distances and losses are the same before and after.
 * Differentiable; {@link unpatchify} is the inverse and the gradient. A patch's channels are ordered row, column,
 * channel, as TensorFlow's `space_to_depth` has them; PyTorch's `pixel_unshuffle` orders them channel, row, column.
 *
 * Source: Dosovitskiy et al., arXiv:2010.11929, §3.1; TensorFlow's `tf.nn.space_to_depth`, `data_format="NHWC"`.
 *
 * @param images - `[B, H, W, C]` with at least one element, of any numeric dtype, which is kept.
 * @param size - height and width of a patch, in pixels; an integer of at least 1 that divides H and W.
 * @returns `[B, H / size, W / size, size² · C]`; the caller owns it.
 * @throws SidError `invalid-argument` where `images` is no tensor of numbers or `size` no integer; `not-finite` or
 *   `out-of-range` where `size` is NaN, infinite or below 1; `shape-mismatch` where `images` has another rank or no
 *   elements, or `size` does not divide H and W.
 *
 * @example
 * ```ts
 * import { patchify } from "sid-lsg/models";
 * import { tensor4d } from "@tensorflow/tfjs-core";
 *
 * const image = tensor4d([1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 4, 1]); // two rows of four pixels
 * const patches = patchify(image, 2);
 * console.log(patches.shape); // [ 1, 1, 2, 4 ]
 * console.log(patches.dataSync()); // 1, 2, 5, 6, 3, 4, 7, 8
 * ```
 */
export function patchify(images: Tensor, size: number): Tensor {
  const [b, h, w, c] = checkImages("patchify", "images", "[B, H, W, C]", images, size);
  if (h % size !== 0 || w % size !== 0)
    throw new SidError(
      "shape-mismatch",
      `patchify: patches of ${size} × ${size} pixels do not tile images ${showShape(images)}; size must divide height and width.`,
    );
  const [rows, columns] = [h / size, w / size];
  return tidy(() => {
    const lines = reshape(images, [b * rows, size, columns, size * c]);
    return reshape(transpose(lines, [0, 2, 1, 3]), [b, rows, columns, size * size * c]);
  });
}

/**
 * Patches back to images (depth to space): the inverse of {@link patchify}.
 *
 *     out[b, i · size + r, j · size + s, c] = patches[b, i, j, (r · size + s) · C + c]
 *
 * Differentiable, as TensorFlow.js's `depthToSpace`, which moves the same numbers, is not.
 *
 * @param patches - `[B, h, w, size² · C]` with at least one element, of any numeric dtype, which is kept.
 * @param size - height and width of a patch, in pixels; an integer of at least 1 whose square divides the channels.
 * @returns `[B, h · size, w · size, C]`; the caller owns it.
 * @throws SidError `invalid-argument` where `patches` is no tensor of numbers or `size` no integer; `not-finite` or
 *   `out-of-range` where `size` is NaN, infinite or below 1; `shape-mismatch` where `patches` has another rank or no
 *   elements, or size² does not divide its channels.
 *
 * @example
 * ```ts
 * import { unpatchify } from "sid-lsg/models";
 * import { tensor4d } from "@tensorflow/tfjs-core";
 *
 * const images = unpatchify(tensor4d([1, 2, 5, 6, 3, 4, 7, 8], [1, 1, 2, 4]), 2);
 * console.log(images.shape); // [ 1, 2, 4, 1 ]
 * console.log(images.dataSync()); // 1, 2, 3, 4, 5, 6, 7, 8
 * ```
 */
export function unpatchify(patches: Tensor, size: number): Tensor {
  const [b, h, w, channels] = checkImages("unpatchify", "patches", "[B, h, w, size² · C]", patches, size);
  const c = channels / (size * size);
  if (!Number.isInteger(c))
    throw new SidError(
      "shape-mismatch",
      `unpatchify: the ${channels} channels of patches ${showShape(patches)} are no patches of ${size} × ${size} pixels; size² must divide them.`,
    );
  return tidy(() => {
    const lines = reshape(patches, [b * h, w, size, size * c]);
    return reshape(transpose(lines, [0, 2, 1, 3]), [b, h * size, w * size, c]);
  });
}

function checkImages(where: string, name: string, wanted: string, x: Tensor, size: number) {
  checkTensor(where, name, x);
  if (x.rank !== 4 || x.size === 0)
    throw new SidError(
      "shape-mismatch",
      `${where}: ${name} must be ${wanted} with at least one element, got ${showShape(x)}.`,
    );
  checkInteger(where, "size", size, 1);
  return x.shape as [number, number, number, number];
}
