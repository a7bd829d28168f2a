import { concat, type Tensor, tidy } from "@tensorflow/tfjs-core";
import { checkArray, checkInteger, checkObject, checkOneOf, checkText, describe, type KeysOf } from "../../core/checks";
import { SidError } from "../../core/errors";
import { checkSchedule, checkTime, levelAt } from "../../schedules/time";
import type { NoiseSchedule } from "../../schedules/types";
import { silu } from "../nn/activations";
import { declareLayers, type Layer, type Layers, type Weights } from "../nn/layers";
import { noiseInputs } from "../nn/noise-inputs";
import { residualBlock } from "../nn/residual-block";
import type { Discriminator } from "../types";
import { checkSource } from "../weights/check-weights";
import { createParameters } from "../weights/parameters";
import type { InitialWeights } from "../weights/types";
import { asLogits, checkCall, groupsOf, type LogitShape } from "./common";

/** Options of {@link networkDiscriminator}. */
export interface NetworkDiscriminatorOptions {
  /** Prefix of the variables' names; no two live networks may share one. */
  readonly name: string;
  /** The forward process of the score models that it trains beside. */
  readonly schedule: NoiseSchedule;
  /** The shape of one sample: `[dim]` makes a perceptron, `[H, W, C]` a convolutional network. */
  readonly sampleShape: readonly number[];
  /**
   * Width of the hidden layers.
   * @defaultValue `64`
   */
  readonly hidden?: number | undefined;
  /**
   * Hidden layers of the perceptron; residual blocks of the convolutional network, between which the image is halved. At
   * most 1000.
   * @defaultValue `3`
   */
  readonly depth?: number | undefined;
  /**
   * Number of sinusoidal time features.
   * @defaultValue `32`
   */
  readonly timeDim?: number | undefined;
  /**
   * One logit per sample, or of images the map `[B, h, w]` of which that is the mean.
   * @defaultValue `"sample"`
   */
  readonly logits?: LogitShape | undefined;
  /** Its weights in PyTorch's layouts, a stream to draw PyTorch's default start from, or `loadParameters`. */
  readonly weights: InitialWeights;
}

const known: KeysOf<NetworkDiscriminatorOptions> = {
  ...{ name: 1, schedule: 1, sampleShape: 1, hidden: 1, depth: 1, timeDim: 1, logits: 1, weights: 1 },
};

/**
 * A discriminator that stands alone: a small network of its own on x_t and t. It costs no pass of a score model, and
 * knows nothing of what they know.
 *
 * The samples and times enter as in {@link mlp}, so one network suits every schedule. Of vectors it is the perceptron
 * `h_{i+1} = silu(W_i·h_i + b_i)`; of images a convolution, residual blocks with the time, a halving of the image
 * between each two, then GroupNorm, SiLU and a convolution of 1×1.
 *
 * Source: of this library. In place of it the official codes read features: {@link bottleneckDiscriminator},
 * {@link headDiscriminator}.
 *
 * @param options - shape, sizes, name, schedule and weights.
 * @returns a discriminator of noisy samples; the caller disposes of it. `logit` throws SidError `shape-mismatch` for
 *   samples of another shape and `out-of-range` for a time that the schedule does not have.
 * @throws SidError for sizes that are no positive integers; `missing-weight`, `surplus-weight` or `shape-mismatch`
 *   naming the tensor; `invalid-argument` when a network of this name lives already.
 *
 * @example
 * ```ts
 * import { ddpmSchedule, networkDiscriminator, randomStream } from "sid-lsg";
 *
 * const weights = randomStream(0);
 * const schedule = ddpmSchedule();
 * const discriminator = networkDiscriminator({ name: "discriminator", schedule, sampleShape: [2], weights });
 * console.log(discriminator.logit(weights.normal([3, 2]), [20, 500, 979]).shape); // [3]
 * discriminator.dispose();
 * ```
 */
export function networkDiscriminator(options: NetworkDiscriminatorOptions): Discriminator {
  const where = "networkDiscriminator";
  const {
    name,
    schedule,
    sampleShape,
    hidden = 64,
    depth = 3,
    timeDim = 32,
    logits = "sample",
    weights,
  } = checkObject(where, "options", options, known);
  checkText(where, "name", name);
  checkSchedule(where, schedule);
  const sizes = checkArray(where, "sampleShape", sampleShape);
  if (sizes.length !== 1 && sizes.length !== 3)
    throw new SidError(
      "invalid-argument",
      `${where}: sampleShape must be [dim] or [height, width, channels], got ${describe(sampleShape)}.`,
    );
  for (const [i, size] of [...sizes].entries()) checkInteger(where, `sampleShape[${i}]`, size, 1);
  for (const [key, value] of Object.entries({ hidden, timeDim })) checkInteger(where, key, value, 1);
  checkInteger(where, "depth", depth, 1, 1000);
  checkOneOf(where, "logits", logits, ["sample", "map"]);
  if (sizes.length === 1 && logits === "map")
    throw new SidError("invalid-argument", `${where}: logits "map" wants images; vectors give one per sample.`);
  checkSource(where, weights);

  const at = declareLayers();
  const shape = [...sizes];
  const make = shape.length === 1 ? perceptron : convolutional;
  const run = make(at, shape[shape.length - 1] as number, { hidden, depth, timeDim });
  const parameters = createParameters(name, at.specs, weights);
  const self: Discriminator = {
    name,
    variables: parameters.list,
    logit(xt, t) {
      checkCall(self, xt, t, "xt", shape);
      for (const time of t) levelAt(`${name}.logit`, schedule, checkTime(`${name}.logit`, schedule, time));
      return tidy(() => {
        const { scaled, time } = noiseInputs(schedule, xt, t, timeDim);
        return asLogits(run(parameters.get, scaled, time), logits);
      });
    },
    dispose: parameters.dispose,
  };
  return self;
}

interface Sizes {
  readonly hidden: number;
  readonly depth: number;
  readonly timeDim: number;
}

/** From samples of unit size and time features to `[B, ..., 1]`. */
type Run = (weights: Weights, x: Tensor, time: Tensor) => Tensor;

function perceptron(at: Layers, dim: number, { hidden, depth, timeDim }: Sizes): Run {
  const layers = Array.from({ length: depth }, (_, i) =>
    at.linear(`layers.${i}`, i === 0 ? dim + timeDim : hidden, hidden),
  );
  const out = at.linear("out", hidden, 1);
  return (w, x, time) =>
    out(
      w,
      layers.reduce((h, layer) => silu(layer(w, h)), concat([x, time], 1) as Tensor),
    );
}

function convolutional(at: Layers, channels: number, { hidden, depth, timeDim }: Sizes): Run {
  const groups = groupsOf(hidden);
  const embed = at.linear("time", timeDim, hidden);
  const first = at.conv("conv_in", channels, hidden, 3, { pad: 1 });
  const blocks = Array.from({ length: depth }, (_, i) => {
    const block = residualBlock(at.at(`blocks.${i}`), {
      inputs: hidden,
      outputs: hidden,
      groups,
      eps: 1e-5,
      timeDim: hidden,
    });
    const half: Layer = i < depth - 1 ? at.conv(`down.${i}`, hidden, hidden, 3, { stride: 2, pad: 1 }) : (_, x) => x;
    return (w: Weights, x: Tensor, time: Tensor) => half(w, block(w, x, time));
  });
  const norm = at.groupNorm("norm_out", hidden, groups, 1e-5, "silu");
  const out = at.conv("conv_out", hidden, 1, 1);
  return (w, x, time) => {
    const embedded = silu(embed(w, time));
    return out(
      w,
      norm(
        w,
        blocks.reduce((h, block) => block(w, h, embedded), first(w, x)),
      ),
    );
  };
}
