import type { Tensor } from "@tensorflow/tfjs-core";
import {
  checkArray,
  checkInteger,
  checkMethods,
  checkObject,
  checkPositive,
  checkText,
  type KeysOf,
} from "../../core/checks";
import { SidError } from "../../core/errors";
import type { WeightMap } from "../../core/host-tensor";
import type { Timesteps } from "../../core/per-sample";
import type { RandomStream } from "../../core/random";
import { checkVariables } from "../../core/tensor-checks";
import type { Adapter, LowRank } from "../nn/layers";
import type { PredictionWithFeatures, ScoreModel } from "../types";
import type { UnetConfig } from "../unet/config";
import { type Unet, unetParameterSpecs } from "../unet/unet";
import { checkLive } from "../weights/check-weights";
import { createParameters } from "../weights/parameters";
import type { ParameterSpec } from "../weights/types";

/** Rank and scale of the change to one layer. */
export interface LoraLayer {
  /** Rank of the change. */
  readonly rank: number;
  /** The change is multiplied by `alpha / rank`. */
  readonly alpha: number;
}

/** Rank and scale of changes, where the latter may be left out. */
export interface LoraLayerOptions {
  /** Rank of each change. */
  readonly rank: number;
  /**
   * The changes are multiplied by `alpha / rank`.
   * @defaultValue the rank
   */
  readonly alpha?: number | undefined;
}

/** Options of {@link lora}. */
export interface LoraOptions extends LoraLayerOptions {
  /** Prefix of the adapter's variables; no two live networks may share one. */
  readonly name: string;
  /**
   * Which linear and convolutional layers change: the ends of their names, as in PEFT.
   * @defaultValue the projections of attention: `to_q`, `to_k`, `to_v` and `to_out.0`
   */
  readonly targets?: readonly string[] | undefined;
  /**
   * Rank and alpha of those layers that have others, by the ends of their names, of which the first that fits counts.
   * @defaultValue none
   */
  readonly layers?: Readonly<Record<string, LoraLayerOptions>> | undefined;
  /** The adapter's weights, as {@link parseLora} finds them; or a stream to draw a start from that changes nothing. */
  readonly weights: WeightMap | RandomStream;
}

/** A U-Net with changes of low rank; what trains is the changes. */
export interface Lora extends ScoreModel {
  /** The network underneath; frozen, shared and not disposed of with the adapter. */
  readonly base: Unet;
  /** Rank of every change but those that {@link Lora.layers} say otherwise. */
  readonly rank: number;
  /** {@link LoraLayer.alpha} of the changes of that rank. */
  readonly alpha: number;
  /** The layers that change, as in {@link LoraOptions.targets}. */
  readonly targets: readonly string[];
  /** Rank and alpha of each layer that changes, by its full name. */
  readonly layers: ReadonlyMap<string, LoraLayer>;
  /** The changes, by the layers' names. */
  readonly adapter: Adapter;
  /** The base's, see {@link Unet.features}, with the changes. */
  features(xt: Tensor, t: Timesteps, cond?: Tensor): Tensor;
  /** As {@link ScoreModel.predictWithFeatures}. */
  predictWithFeatures(xt: Tensor, t: Timesteps, cond?: Tensor): PredictionWithFeatures;
}

const known: KeysOf<LoraOptions> = { name: 1, rank: 1, alpha: 1, targets: 1, layers: 1, weights: 1 };

const attentionProjections = ["to_q", "to_k", "to_v", "to_out.0"];

/**
 * Low-rank adaptation of a U-Net: `W·x + (alpha/rank)·B·(A·x)` in some of its linear layers, where only A
 * (rank × in) and B (out × rank) train; in a convolution, A is one with the layer's window and B one of 1×1. A starts
 * as PyTorch's layers do and B at zero, so that the network starts as the base is.
 *
 * The base's weights are not copied: teacher, fake score and generator may be one base and two adapters of it. Its
 * options (`gradientCheckpointing`, `attentionSlice`) are theirs. The adapter must be disposed of before the base.
 *
 * Source: Hu et al., arXiv:2106.09685; names and defaults are those of PEFT 0.21's LoraConfig.
 *
 * @param base - borrowed; anything may be done with it but training or disposing of it.
 * @param options - rank, layers, name and start.
 * @returns a score model whose variables are the adapter's; the caller disposes of it.
 * @throws SidError `invalid-argument` for a target that no layer has or a name that is taken;
 *   `missing-weight`, `surplus-weight`, `shape-mismatch` or `not-finite` naming the tensor. No variable is left behind.
 *
 * @example
 * ```ts
 * import { generatorFrom, randomStream } from "sid-lsg";
 * import { parseUnetConfig, unet } from "sid-lsg/models";
 * import { lora } from "sid-lsg/models/sd";
 * import { ddpmSchedule } from "sid-lsg/schedules";
 *
 * const config = parseUnetConfig({
 *   block_out_channels: [8], norm_num_groups: 4, cross_attention_dim: 6, attention_head_dim: 2,
 *   down_block_types: ["CrossAttnDownBlock2D"], up_block_types: ["CrossAttnUpBlock2D"],
 * });
 * const stream = randomStream(0);
 * const teacher = unet(config, { name: "teacher", schedule: ddpmSchedule(), predicts: "eps", weights: stream });
 * const fakeScore = lora(teacher, { name: "fake", rank: 4, weights: stream });
 * const targets = ["to_q", "to_v", "conv1"];
 * const layers = { conv1: { rank: 2, alpha: 1 } };
 * const adapted = lora(teacher, { name: "generator", rank: 4, targets, layers, weights: stream });
 * const generator = generatorFrom(adapted);
 * console.log(fakeScore.variables.length); // 96: A and B of 8 projections in each of 6 transformers
 * for (const network of [fakeScore, generator, teacher]) network.dispose();
 * ```
 */
export function lora(base: Unet, options: LoraOptions): Lora {
  const where = "lora";
  checkMethods(where, "base", base, "a U-Net", ["predict", "features", "predictWithFeatures"]);
  checkLive(where, base);
  const {
    name,
    targets = attentionProjections,
    layers: others = {},
    weights,
  } = checkObject(where, "options", options, known);
  checkText(where, "name", name);
  const { rank, alpha } = checkLayer(where, "", options);
  const chosen = targetsOf(base, targets);
  const layers = ranksOf(chosen, { rank, alpha }, checkObject(where, "layers", others));
  const specs = chosen.flatMap(({ layer, shape, layout }): ParameterSpec[] => {
    const [outputs, ...inputs] = shape as [number, ...number[]];
    const fanIn = inputs.reduce((a, b) => a * b, 1);
    const { rank } = layers.get(layer) as LoraLayer;
    const down: ParameterSpec = {
      ...{ name: part(layer, "A"), shape: [rank, ...inputs], layout },
      init: { uniform: 1 / Math.sqrt(fanIn) },
    };
    const window = layout === "conv" ? [1, 1] : [];
    return [down, { name: part(layer, "B"), shape: [outputs, rank, ...window], layout, init: { constant: 0 } }];
  });
  const parameters = createParameters(name, specs, weights);
  const changes = new Map<string, LowRank>(
    [...layers].map(([layer, { rank, alpha }]) => [
      layer,
      { down: parameters.get(part(layer, "A")), up: parameters.get(part(layer, "B")), scale: alpha / rank },
    ]),
  );
  const adapter: Adapter = (layer) => changes.get(layer);
  const { schedule, predicts } = base;
  const model: Lora = {
    ...{ name, schedule, predicts, base, rank, alpha, targets, layers, adapter },
    variables: parameters.list,
    predict(xt, t, cond) {
      checkLive(`${name}.predict`, model);
      return base.predict(xt, t, cond, adapter);
    },
    features(xt, t, cond) {
      checkLive(`${name}.features`, model);
      return base.features(xt, t, cond, adapter);
    },
    predictWithFeatures(xt, t, cond) {
      checkLive(`${name}.predictWithFeatures`, model);
      return base.predictWithFeatures(xt, t, cond, adapter);
    },
    dispose: parameters.dispose,
  };
  return model;
}

/** Throws unless `model` is an adapted network that lives. */
export function checkAdapted(where: string, model: Lora): void {
  checkMethods(where, "model", model, "a network that lora() made", ["adapter", "predict"]);
  checkVariables(where, "its variables", model.variables);
  for (const network of [model, model.base]) checkLive(where, network);
}

/** A layer that an adapter can change. */
export interface AdaptableLayer {
  /** Its name, without `.weight`. */
  readonly layer: string;
  /** Of its weight, in PyTorch's layout. */
  readonly shape: readonly number[];
  readonly layout: "conv" | "linear";
}

/** All linear and convolutional layers of a U-Net. */
export function adaptableLayers(config: UnetConfig): readonly AdaptableLayer[] {
  return unetParameterSpecs(config).flatMap(({ name, shape, layout }) =>
    layout === "as-is" ? [] : [{ layer: name.replace(/\.weight$/, ""), shape, layout }],
  );
}

/** Name of one of the two factors of a change. */
export function part(layer: string, factor: "A" | "B"): string {
  return `${layer}.lora_${factor}.weight`;
}

const fits = (layer: string, end: string) => layer === end || layer.endsWith(`.${end}`);

function targetsOf(base: Unet, targets: readonly string[]): readonly AdaptableLayer[] {
  const all = adaptableLayers(base.config);
  if (checkArray("lora", "targets", targets).length === 0)
    throw new SidError("invalid-argument", "lora: targets must name at least one layer, got none.");
  for (const [i, target] of targets.entries()) {
    checkText("lora", `targets[${i}]`, target);
    if (!all.some(({ layer }) => fits(layer, target)))
      throw new SidError(
        "invalid-argument",
        `lora: no linear or convolutional layer of "${base.name}" is called "${target}".`,
      );
  }
  return all.filter(({ layer }) => targets.some((target) => fits(layer, target)));
}

/** Rank and alpha of each layer. */
function ranksOf(
  chosen: readonly AdaptableLayer[],
  usual: LoraLayer,
  others: Readonly<Record<string, LoraLayerOptions>>,
): ReadonlyMap<string, LoraLayer> {
  const exceptions = Object.entries(others).map(([end, given]) => {
    const at = `layers["${end}"]`;
    if (!chosen.some(({ layer }) => fits(layer, end)))
      throw new SidError("invalid-argument", `lora: ${at} is none of the layers that the targets name.`);
    return { end, ...checkLayer("lora", `${at}.`, checkObject("lora", at, given, { rank: 1, alpha: 1 })) };
  });
  return new Map(
    chosen.map(({ layer }) => {
      const { rank, alpha } = exceptions.find(({ end }) => fits(layer, end)) ?? usual;
      return [layer, { rank, alpha }];
    }),
  );
}

function checkLayer(where: string, at: string, { rank, alpha = rank }: LoraLayerOptions): LoraLayer {
  checkInteger(where, `${at}rank`, rank, 1);
  checkPositive(where, `${at}alpha`, alpha);
  return { rank, alpha };
}
