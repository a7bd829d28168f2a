import { mean, squeeze, type Tensor } from "@tensorflow/tfjs-core";
import { checkPerSample, showShape } from "../../core/checks";
import { SidError } from "../../core/errors";
import type { Timesteps } from "../../core/per-sample";
import { checkBatch } from "../../core/tensor-checks";
import type { Discriminator } from "../types";
import { checkLive } from "../weights/check-weights";

/** How many logits a sample gets: one, or one per place of a map. */
export type LogitShape = "sample" | "map";

/** Throws unless a call of `logit` can work: input of the wanted shape, `undefined` being any size; one time per sample. */
export function checkCall(
  self: Discriminator,
  input: Tensor,
  t: Timesteps,
  what: string,
  wanted: readonly (number | string)[],
): void {
  const where = `${self.name}.logit`;
  checkLive(where, self);
  checkBatch(where, what, input);
  const { shape } = input;
  const fits =
    shape.length === wanted.length + 1 && wanted.every((size, i) => typeof size === "string" || size === shape[i + 1]);
  if (!fits)
    throw new SidError(
      "shape-mismatch",
      `${where}: ${what} must be [B, ${wanted.join(", ")}], got ${showShape(input)}.`,
    );
  checkPerSample(where, "t", t, shape[0] as number);
}

/** `[B, ..., 1]` as logits: a map, or its mean per sample. */
export function asLogits(x: Tensor, logits: LogitShape): Tensor {
  const map = squeeze(x, [x.rank - 1]);
  return logits === "map" || map.rank === 1 ? map : mean(map, [1, 2]);
}

/** Groups of a normalisation: PyTorch models' 32, or as many as divide the channels and leave 4 of them to each. */
export function groupsOf(channels: number): number {
  for (let groups = Math.min(32, Math.floor(channels / 4)); groups > 1; groups--)
    if (channels % groups === 0) return groups;
  return 1;
}
