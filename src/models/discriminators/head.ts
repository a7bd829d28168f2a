import { type Tensor, tidy } from "@tensorflow/tfjs-core";
import { checkInteger, checkObject, checkOneOf, checkText, type KeysOf } from "../../core/checks";
import { SidError } from "../../core/errors";
import { silu } from "../nn/activations";
import { declareLayers, type Layer, type Layers, sequence } from "../nn/layers";
import type { Discriminator } from "../types";
import { checkSource } from "../weights/check-weights";
import { createParameters } from "../weights/parameters";
import type { InitialWeights } from "../weights/types";
import { asLogits, checkCall, groupsOf, type LogitShape } from "./common";

/** Options of {@link headDiscriminator}. */
export interface HeadDiscriminatorOptions {
  /** Prefix of the variables' names; no two live networks may share one. */
  readonly name: string;
  /** Whose features it reads: the fake score learns with it (DMD2), the teacher stays as it is (FastGen). */
  readonly reads: "fakeScore" | "teacher";
  /** Channels of those features: of a U-Net the widest level's, of `mlp` its `hidden`. */
  readonly channels: number;
  /**
   * Their shape: images of features `[B, h, w, channels]`, as a U-Net has them, or vectors `[B, channels]`, as `mlp` has.
   * @defaultValue `"map"`
   */
  readonly features?: "map" | "vector" | undefined;
  /**
   * Width of the layer between.
   * @defaultValue `channels`
   */
  readonly hidden?: number | undefined;
  /**
   * One logit per sample, the mean over its map, or the map `[B, h, w]` itself.
   * @defaultValue `"sample"`
   */
  readonly logits?: LogitShape | undefined;
  /** Its weights in PyTorch's layouts, a stream to draw PyTorch's default start from, or `loadParameters`. */
  readonly weights: InitialWeights;
}

const known: KeysOf<HeadDiscriminatorOptions> = {
  ...{ name: 1, reads: 1, channels: 1, features: 1, hidden: 1, logits: 1, weights: 1 },
};

/**
 * A small head on a score model's features, the discriminator of DMD2 (on the fake score) and of FastGen (on the
 * teacher).
 *
 *     map:    D = conv₁ₓ₁(silu(groupNorm(conv₃ₓ₃(features))))
 *     vector: D = W₂·silu(W₁·features + b₁) + b₂
 *
 * DMD2's own head (C) takes maps of 8×8 alone: convolutions of 4×4 with strides 2 and 4, a normalisation of 32 groups
 * and SiLU after each, then 1×1. Here the windows are 3×3 and the map is averaged, so that any size will do. The
 * groups are 32, or as many as leave 4 channels to each.
 *
 * Source: Yin et al., arXiv:2405.14867; DMD2@8d8fa55 main/sd_guidance.py; FastGen@34f30e8 dmd2.py.
 *
 * @param options - what it reads, sizes, name and weights, whose names are `conv.weight`, `conv.bias`, `norm.weight`,
 *   `norm.bias` (or `linear.weight`, `linear.bias`), `out.weight`, `out.bias`.
 * @returns a discriminator; the caller disposes of it. `logit` throws SidError `shape-mismatch` for features of another
 *   shape.
 * @throws SidError for sizes that are no positive integers; `missing-weight`, `surplus-weight` or `shape-mismatch`
 *   naming the tensor; `invalid-argument` when a network of this name lives already.
 *
 * @example
 * ```ts
 * import { ddpmSchedule, headDiscriminator, mlp, randomStream } from "sid-lsg";
 *
 * const stream = randomStream(0);
 * const fakeScore = mlp({ dim: 2 }, { name: "fake", schedule: ddpmSchedule(), predicts: "eps", weights: stream });
 * const discriminator = headDiscriminator({
 *   name: "discriminator", reads: "fakeScore", features: "vector", channels: 64, weights: stream,
 * });
 * const [xt, t] = [stream.normal([4, 2]), [20, 300, 625, 979]];
 * const { features } = fakeScore.predictWithFeatures!(xt, t);
 * console.log(discriminator.logit(features, t).shape); // [4]
 * for (const network of [discriminator, fakeScore]) network.dispose();
 * ```
 */
export function headDiscriminator(options: HeadDiscriminatorOptions): Discriminator {
  const where = "headDiscriminator";
  const {
    name,
    reads,
    channels,
    features: form = "map",
    hidden = channels,
    logits = "sample",
    weights,
  } = checkObject(where, "options", options, known);
  checkText(where, "name", name);
  checkOneOf(where, "reads", reads, ["fakeScore", "teacher"]);
  checkOneOf(where, "features", form, ["map", "vector"]);
  checkOneOf(where, "logits", logits, ["sample", "map"]);
  for (const [key, value] of Object.entries({ channels, hidden })) checkInteger(where, key, value, 1);
  if (form === "vector" && options.logits === "map")
    throw new SidError("invalid-argument", `${where}: logits "map" wants features "map"; vectors give one per sample.`);
  checkSource(where, weights);

  const at = declareLayers();
  const head = form === "map" ? mapHead(at, channels, hidden) : vectorHead(at, channels, hidden);
  const parameters = createParameters(name, at.specs, weights);
  const self: Discriminator = {
    name,
    reads,
    variables: parameters.list,
    logit(features, t) {
      checkCall(self, features, t, "features", form === "map" ? ["h", "w", channels] : [channels]);
      return tidy(() => asLogits(head(parameters.get, features), logits));
    },
    dispose: parameters.dispose,
  };
  return self;
}

function mapHead(at: Layers, channels: number, hidden: number): Layer {
  return sequence([
    at.conv("conv", channels, hidden, 3, { pad: 1 }),
    at.groupNorm("norm", hidden, groupsOf(hidden), 1e-5, "silu"),
    at.conv("out", hidden, 1, 1),
  ]);
}

function vectorHead(at: Layers, channels: number, hidden: number): Layer {
  const [first, out] = [at.linear("linear", channels, hidden), at.linear("out", hidden, 1)];
  return (w, x: Tensor) => out(w, silu(first(w, x)));
}
