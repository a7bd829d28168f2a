import { add, matMul, mul, reshape, type Tensor, tidy, type Variable } from "@tensorflow/tfjs-core";
import type { HostTensor, WeightMap } from "../../core/host-tensor";
import type { LowRank } from "../nn/layers";
import { inPyTorchLayout, specOf } from "../weights/parameters";
import { readWeights } from "../weights/weights";
import { checkAdapted, type Lora } from "./lora";

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
  const { base, adapter, layers } = model;
  const weights = new Map<string, HostTensor>(await readWeights(base));
  const variables = new Map(base.variables.map((v) => [v.name.slice(base.name.length + 1), v]));
  for (const layer of layers.keys()) {
    const name = `${layer}.weight`;
    const variable = variables.get(name) as Variable;
    const merged = tidy(() => {
      const change = product(adapter(layer) as LowRank, variable.shape);
      return inPyTorchLayout(add(variable, change), specOf(variable).layout);
    });
    const data = await merged.data<"float32">().finally(() => merged.dispose());
    weights.set(name, { dtype: "F32", shape: merged.shape, data: data.slice() });
  }
  return weights;
}

/** `scale·B·A` in the shape of the layer's weight: of a convolution, the product at each place of its window. */
function product({ down, up, scale }: LowRank, shape: readonly number[]): Tensor {
  const rank = down.shape[down.rank - 1] as number;
  return reshape(mul(matMul(reshape(down, [-1, rank]), reshape(up, [rank, -1])), scale), [...shape]);
}
