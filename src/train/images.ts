import { gather, type Tensor, tensor1d, tidy } from "@tensorflow/tfjs-core";
import { checkInteger, checkObject, checkText, showShape } from "../core/checks";
import { SidError } from "../core/errors";
import { checkRows, checkStream, type RandomStream, type RowRange } from "../core/random";
import { checkBatch, checkTensor } from "../core/tensor-checks";

/** Real images as {@link ImageSource} draws them; the caller owns the tensors. */
export interface ImageSample {
  /** `[count, ...]` in the unit of the generator's samples: pixels, or the latents of an autoencoder. */
  readonly images: Tensor;
  /** The condition of each, `[count, ...]`; absent where the images have none. */
  readonly cond?: Tensor | undefined;
}

/**
 * Where the methods that need real images take them from: a discriminator's real side (DMD2, SiDA, f-distill) and the
 * noisy data of LCM. Keeps nothing: all randomness is the stream's.
 */
export interface ImageSource {
  /**
   * Names the source in checkpoints, so that a run is not resumed with other images.
   * @defaultValue `""`
   */
  readonly name?: string | undefined;
  /** `count` images, with their conditions; the caller owns them. */
  sample(stream: RandomStream, count: number): ImageSample;
  /**
   * Some rows of what `sample` would give, for one rank's share of a batch; must draw the same of the stream as `sample`.
   * Without it each rank asks for all and takes its rows.
   */
  sampleRows?(stream: RandomStream, count: number, rows: RowRange): ImageSample;
}

/** Options of {@link imageSource}. */
export interface ImageSourceOptions {
  /** All images, `[N, ...]`, float32; the caller keeps them, and they must live as long as the source is in use. */
  readonly images: Tensor;
  /**
   * Their conditions, `[N, ...]`, one per image; the caller keeps them too.
   * @defaultValue none
   */
  readonly conditions?: Tensor | undefined;
  /**
   * Names them in checkpoints. Their values are not read for that, which some backends cannot do at once: images that
   * changed but not in number and shape need another name.
   * @defaultValue number and shapes, such as `"64 images [8, 8, 4] with float32 [77, 768]"`
   */
  readonly name?: string | undefined;
}

/**
 * Real images out of tensors: image and condition at places that are drawn uniformly, with replacement.
 *
 * @param options - images and conditions, borrowed.
 * @returns a source for `distill`; nothing to dispose.
 * @throws SidError `shape-mismatch` where there is no image, or not one condition per image; `invalid-argument` for what
 *   is no tensor, or was disposed of.
 *
 * @example
 * ```ts
 * import { randomStream } from "sid-lsg";
 * import { imageSource } from "sid-lsg/train";
 * import { oneHot, tensor1d } from "@tensorflow/tfjs-core";
 *
 * const latents = randomStream(1).normal([100, 8, 8, 4]);
 * const labels = oneHot(tensor1d(Array.from({ length: 100 }, (_, i) => i % 10), "int32"), 10, 1, 0, "float32");
 * const source = imageSource({ images: latents, conditions: labels });
 * const { images, cond } = source.sample(randomStream(2), 4);
 * console.log(images.shape, cond?.shape); // [4, 8, 8, 4], [4, 10]
 * console.log(source.name); // 100 images [8, 8, 4] with float32 [10]
 * ```
 */
export function imageSource(options: ImageSourceOptions): ImageSource {
  const where = "imageSource";
  const { images, conditions, name } = checkObject(where, "options", options, { images: 1, conditions: 1, name: 1 });
  const check = () => {
    checkBatch(where, "images", images);
    if (conditions !== undefined) checkConditions(where, conditions, images);
  };
  check();
  const count = images.shape[0] as number;
  const sampleRows = (stream: RandomStream, wanted: number, rows: RowRange): ImageSample => {
    checkStream(where, "stream", stream);
    checkInteger(where, "count", wanted, 1);
    const { from, to } = checkRows(where, rows, wanted);
    check();
    const drawn = stream.integers(wanted, 0, count).slice(from, to);
    return tidy(() => {
      const places = tensor1d(drawn, "int32");
      return {
        images: gather(images, places),
        ...(conditions === undefined ? {} : { cond: gather(conditions, places) }),
      };
    });
  };
  return {
    name: name === undefined ? nameOf(count, images, conditions) : checkText(where, "name", name),
    sample: (stream, wanted) => sampleRows(stream, wanted, { from: 0, to: wanted }),
    sampleRows,
  };
}

function checkConditions(where: string, conditions: Tensor, images: Tensor): void {
  checkTensor(where, "conditions", conditions);
  if (conditions.rank < 1 || conditions.size === 0 || conditions.shape[0] !== images.shape[0])
    throw new SidError(
      "shape-mismatch",
      `${where}: wanted one condition per image, got images ${showShape(images)} and conditions ${showShape(conditions)}.`,
    );
}

function nameOf(count: number, images: Tensor, conditions: Tensor | undefined): string {
  const each = ({ shape }: Tensor) => `[${shape.slice(1).join(", ")}]`;
  return `${count} images ${each(images)}${conditions ? ` with ${conditions.dtype} ${each(conditions)}` : ""}`;
}
