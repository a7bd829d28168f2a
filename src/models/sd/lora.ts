import { add, matMul, mul, type Tensor, tidy } from "@tensorflow/tfjs-core";
import { checkArray, checkInteger, checkMethods, checkObject, checkPositive, checkText } from "../../core/checks";
import { SidError } from "../../core/errors";
import type { HostTensor, WeightMap } from "../../core/host-tensor";
import type { RandomStream } from "../../core/random";
import { checkVariables } from "../../core/tensor-checks";
import type { Adapter, LowRank } from "../nn/layers";
import type { ScoreModel } from "../types";
import { type Unet, unetParameterSpecs } from "../unet/unet";
import { checkLive } from "../weights/check-weights";
import { createParameters, inPyTorchLayout } from "../weights/parameters";
import type { ParameterSpec } from "../weights/types";
import { readWeights } from "../weights/weights";

/** Options of {@link lora}. */
export interface LoraOptions {
  /** Prefix of the adapter's variables; no two live networks may share one. */
  readonly name: string;
  /** Rank of every change. */
  readonly rank: number;
  /**
   * The changes are multiplied by `alpha / rank`.
   * @defaultValue the rank
   */
  readonly alpha?: number | undefined;
  /**
   * Which linear layers change: the ends of their names, as in PEFT.
   * @defaultValue the projections of attention: `to_q`, `to_k`, `to_v` and `to_out.0`
   */
  readonly targets?: readonly string[] | undefined;
  /** The adapter's weights, as {@link parseLora} finds them; or a stream to draw a start from that changes nothing. */
  readonly weights: WeightMap | RandomStream;
}

/** A U-Net with changes of low rank; what trains is the changes. */
export interface Lora extends ScoreModel {
  /** The network underneath; frozen, shared and not disposed of with the adapter. */
  readonly base: Unet;
  /** Rank of every change. */
  readonly rank: number;
  /** The changes are multiplied by `alpha / rank`. */
  readonly alpha: number;
  /** The layers that change, as in {@link LoraOptions.targets}. */
  readonly targets: readonly string[];
  /** The changes, by the layers' names. */
  readonly adapter: Adapter;
}

const attentionProjections = ["to_q", "to_k", "to_v", "to_out.0"];

/**
 * Low-rank adaptation of a U-Net: `W·x + (alpha/rank)·B·(A·x)` in some of its linear layers, where only A
 * (rank × in) and B (out × rank) train. A starts as PyTorch's linear layers do and B at zero, so that the network
 * starts as the base is.
 *
 * The base's weights are not copied: teacher, fake score and generator may be one base and two adapters of it. Its
 * options (`gradientCheckpointing`, `attentionSlice`) are theirs. The adapter must be disposed of before the base.
 *
 * Source: Hu et al., arXiv:2106.09685; names and defaults are those of PEFT 0.21's LoraConfig.
 *
 * @param base - borrowed; anything may be done with it but training or disposing of it.
 * @param options - rank, layers, name and start.
 * @returns a score model whose variables are the adapter's; the caller disposes of it.
 * @throws SidError `invalid-argument` for a target that no linear layer has or a name that is taken;
 *   `missing-weight`, `surplus-weight` or `shape-mismatch` naming the tensor. No variable is left behind.
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
 * const generator = generatorFrom(lora(teacher, { name: "generator", rank: 4, weights: stream }));
 * console.log(fakeScore.variables.length); // 96: A and B of 8 projections in each of 6 transformers
 * for (const network of [fakeScore, generator, teacher]) network.dispose();
 * ```
 */
export function lora(base: Unet, options: LoraOptions): Lora {
  const where = "lora";
  checkMethods(where, "base", base, "a U-Net", ["predict"]);
  checkLive(where, base);
  const { name, rank, alpha = rank, targets = attentionProjections, weights } = checkObject(where, "options", options);
  checkText(where, "name", name);
  checkInteger(where, "rank", rank, 1);
  checkPositive(where, "alpha", alpha);
  const layers = layersOf(base, targets);
  const specs = layers.flatMap(({ layer, shape: [outputs, inputs] }): ParameterSpec[] => [
    { ...part(layer, "A"), shape: [rank, inputs], init: { uniform: 1 / Math.sqrt(inputs) } },
    { ...part(layer, "B"), shape: [outputs, rank], init: { constant: 0 } },
  ]);
  const parameters = createParameters(name, specs, weights);
  const changes = new Map<string, LowRank>(
    layers.map(({ layer }) => [
      layer,
      {
        down: parameters.get(part(layer, "A").name),
        up: parameters.get(part(layer, "B").name),
        scale: alpha / rank,
      },
    ]),
  );
  const adapter: Adapter = (layer) => changes.get(layer);
  const { schedule, predicts } = base;
  const model: Lora = {
    ...{ name, schedule, predicts, base, rank, alpha, targets, adapter },
    variables: parameters.list,
    predict(xt, t, cond) {
      checkLive(`${name}.predict`, model);
      return base.predict(xt, t, cond, adapter);
    },
    dispose: parameters.dispose,
  };
  return model;
}

/**
 * The weights of the network that an adapter makes of its base, as those of a plain U-Net: `W + (alpha/rank)·B·A`.
 *
 * @param model - read only.
 * @returns all of the U-Net's weights, in diffusers' names and PyTorch's layouts.
 * @throws SidError `invalid-argument` for a network that was disposed before.
 *
 * @example
 * ```ts
 * import { randomStream } from "sid-lsg";
 * import { parseUnetConfig, unet } from "sid-lsg/models";
 * import { lora, mergeLora } from "sid-lsg/models/sd";
 * import { ddpmSchedule } from "sid-lsg/schedules";
 *
 * const config = parseUnetConfig({
 *   block_out_channels: [8], norm_num_groups: 4, cross_attention_dim: 6, attention_head_dim: 2,
 *   down_block_types: ["CrossAttnDownBlock2D"], up_block_types: ["CrossAttnUpBlock2D"],
 * });
 * const options = { name: "base", schedule: ddpmSchedule(), predicts: "eps", weights: randomStream(0) } as const;
 * const base = unet(config, options);
 * const adapted = lora(base, { name: "adapted", rank: 2, weights: randomStream(1) });
 * const merged = unet(config, { ...options, name: "merged", weights: await mergeLora(adapted) });
 * console.log(merged.variables.length === base.variables.length); // true
 * for (const network of [merged, adapted, base]) network.dispose();
 * ```
 */
export async function mergeLora(model: Lora): Promise<WeightMap> {
  checkAdapted("mergeLora", model);
  const { base, adapter } = model;
  const weights = new Map<string, HostTensor>(await readWeights(base));
  for (const { layer } of layersOf(base, model.targets)) {
    const change = adapter(layer) as LowRank;
    const name = `${layer}.weight`;
    const variable = base.variables.find((v) => v.name === `${base.name}/${name}`) as Tensor;
    const merged = tidy(() =>
      inPyTorchLayout(add(variable, mul(matMul(change.down as never, change.up as never), change.scale)), "linear"),
    );
    const data = await merged.data<"float32">().finally(() => merged.dispose());
    weights.set(name, { dtype: "F32", shape: merged.shape, data: data.slice() });
  }
  return weights;
}

/** Throws unless `model` is an adapted network that lives. */
export function checkAdapted(where: string, model: Lora): void {
  checkMethods(where, "model", model, "a network that lora() made", ["adapter", "predict"]);
  checkVariables(where, "its variables", model.variables);
  for (const network of [model, model.base]) checkLive(where, network);
}

/** Name and layout of one of the two matrices of a change. */
function part(layer: string, matrix: "A" | "B") {
  return { name: `${layer}.lora_${matrix}.weight`, layout: "linear" } as const;
}

/** The base's linear layers whose names end as the targets say, with the shapes of their weights in PyTorch's layout. */
function layersOf({ config, name }: Unet, targets: readonly string[]) {
  const linear = unetParameterSpecs(config)
    .filter(({ layout }) => layout === "linear")
    .map(({ name, shape }) => ({ layer: name.replace(/\.weight$/, ""), shape: shape as readonly [number, number] }));
  const hit = (layer: string, target: string) => layer === target || layer.endsWith(`.${target}`);
  if (checkArray("lora", "targets", targets).length === 0)
    throw new SidError("invalid-argument", "lora: targets must name at least one layer, got none.");
  for (const [i, target] of targets.entries()) {
    checkText("lora", `targets[${i}]`, target);
    if (!linear.some(({ layer }) => hit(layer, target)))
      throw new SidError("invalid-argument", `lora: no linear layer of "${name}" is called "${target}".`);
  }
  return linear.filter(({ layer }) => targets.some((target) => hit(layer, target)));
}
