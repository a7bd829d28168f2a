import { where as select, slice, type Tensor, tensor, tidy } from "@tensorflow/tfjs-core";
import { showShape } from "../core/checks";
import { SidError } from "../core/errors";
import type { RandomStream, RowRange } from "../core/random";
import { checkTensor } from "../core/tensor-checks";
import { isDataUpdate } from "../methods/check-method";
import type { Moment } from "../methods/types";
import type { OtherNoising, TrainBatch } from "./batch";
import type { ConditionSource } from "./conditions";
import type { ImageSample, ImageSource } from "./images";
import type { Plan } from "./plan";

/** What a batch is drawn for. */
export interface Drawing {
  readonly stream: RandomStream;
  readonly uncond: Tensor | undefined;
  /** Samples, those of all ranks. */
  readonly count: number;
  /** Those of them that are wanted: this rank's share. All are drawn, so that every rank's stream stands alike. */
  readonly rows?: RowRange | undefined;
  /** Passes of the generator. */
  readonly passes: number;
  /** Whose update it is for. */
  readonly network: "fakeScore" | "generator";
  readonly moment: Moment;
  /** The conditions, where there are some already; borrowed. */
  readonly cond?: Tensor | undefined;
}

/** Draws all that an update of that network needs; the caller owns the tensors. */
export function drawBatch(plan: Plan, drawing: Drawing): TrainBatch {
  const { stream, uncond, count, passes, network, moment, rows } = drawing;
  const share = <T>(all: readonly T[]): T[] => (rows ? all.slice(rows.from, rows.to) : [...all]);
  const { method } = plan.objective;
  const update = method.generator;
  const ofFake = network === "fakeScore" ? method.fakeScore : undefined;
  const shape = [count, ...plan.sampleShape];
  const made: Tensor[] = [];
  const own = <T extends Tensor | undefined>(x: T): T => {
    if (x !== undefined) made.push(x);
    return x;
  };
  try {
    const dropout = ofFake ? plan.contextDropout : 0;
    const full = drawing.cond ? undefined : plan.conditions && conditionsOf(plan.conditions, stream, count, rows);
    if (plan.conditions && !drawing.cond) checkTensor("distill", "what conditions.sample returns", full as Tensor);
    // The same rows of the real images' conditions: else the empty text alone would tell samples from images.
    const dropped = full && uncond && dropout > 0 ? share(stream.uniform(count).map((u) => u < dropout)) : undefined;
    const cond = drawing.cond ?? own(full && without(full, dropped, uncond));
    const noises = Array.from({ length: passes }, () => own(stream.normal(shape, rows)));
    const noise = own(stream.normal(shape, rows));
    const t = share((ofFake ?? update).timesteps(stream, count, moment));
    const otherLaw = ofFake ? ofFake.discriminator?.timesteps : !isDataUpdate(update) && update.otherTimesteps;
    const other: OtherNoising | undefined = otherLaw
      ? { noise: own(stream.normal(shape, rows)), t: share(otherLaw(stream, count, moment)) }
      : undefined;
    const wantsImages = ofFake ? ofFake.discriminator !== undefined : isDataUpdate(update);
    const real = wantsImages ? plan.images && imagesOf(plan.images, stream, count, rows) : undefined;
    if (wantsImages) checkTensor("distill", "the images that images.sample returns", real?.images as Tensor);
    const images = own(real?.images);
    if (real?.cond) checkTensor("distill", "the cond that images.sample returns", real.cond);
    const imageCond = own(real?.cond && without(real.cond, dropped, uncond));
    if (images && imageCond && !plan.conditions && !isDataUpdate(update))
      throw new SidError(
        "invalid-argument",
        "distill: the option images gives conditions (cond), but the samples have none; give the option conditions, or images without.",
      );
    if (images && plan.conditions && !imageCond)
      throw new SidError(
        "invalid-argument",
        "distill: the option images gives no conditions (cond), which the networks of this run need.",
      );
    if (images && images.shape.join() !== noise.shape.join())
      throw new SidError(
        "shape-mismatch",
        `distill: the option images must give samples ${showShape(noise)}, got ${showShape(images)}.`,
      );
    const uniforms = isDataUpdate(update) ? share(stream.uniform(count)) : undefined;
    const { nimg, iteration } = moment;
    return { noises, noise, t, cond, uncond, other, images, imageCond, uniforms, nimg, iteration };
  } catch (error) {
    for (const x of made) x.dispose();
    throw error;
  }
}

/** The rows of a source that draws all, where it cannot give them alone. */
function conditionsOf(
  source: ConditionSource,
  stream: RandomStream,
  count: number,
  rows: RowRange | undefined,
): Tensor {
  if (rows === undefined) return source.sample(stream, count);
  if (source.sampleRows) return source.sampleRows(stream, count, rows);
  return cut(source.sample(stream, count), rows);
}

/** The same of real images. */
function imagesOf(source: ImageSource, stream: RandomStream, count: number, rows: RowRange | undefined): ImageSample {
  if (rows === undefined) return source.sample(stream, count);
  if (source.sampleRows) return source.sampleRows(stream, count, rows);
  const { images, cond } = source.sample(stream, count);
  return { images: cut(images, rows), cond: cond && cut(cond, rows) };
}

/** Some rows of a tensor, which is taken over. */
function cut(x: Tensor, { from, to }: RowRange): Tensor {
  checkTensor("distill", "what a source's sample returns", x);
  try {
    return slice(x, from, to - from);
  } finally {
    x.dispose();
  }
}

/** Conditions with the empty one in place of those that are dropped; takes `cond` over. */
function without(cond: Tensor, dropped: readonly boolean[] | undefined, uncond: Tensor | undefined): Tensor {
  if (dropped === undefined || uncond === undefined) return cond;
  try {
    return tidy(() => {
      const mask = tensor([...dropped], [dropped.length, ...Array<number>(cond.rank - 1).fill(1)], "bool");
      return select(mask, uncond, cond);
    });
  } finally {
    cond.dispose();
  }
}
