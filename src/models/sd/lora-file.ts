import type { WeightMap } from "../../core/host-tensor";
import { readWeights } from "../weights/weights";
import { checkAdapted, type Lora, type LoraLayer } from "./lora";

/** What a safetensors file holds, as `decodeSafetensors` returns it and `encodeSafetensors` takes it. */
export interface LoraFile {
  /** The tensors by name. */
  readonly tensors: WeightMap;
  /** The header's `__metadata__`. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** Where diffusers keeps PEFT's configuration. */
export const configKey = "lora_adapter_metadata";
/** Under which the tensors and the configuration of a U-Net lie. */
export const prefix = "unet.";

/**
 * An adapter as a file that diffusers' `load_lora_weights` reads: tensors `unet.….lora_A.weight`, and ranks, alphas
 * and layers as PEFT's configuration in the metadata. Readers that know no such metadata take alpha for the rank.
 *
 * Source: diffusers 0.42 loaders/lora_base.py; PEFT 0.21 LoraConfig.
 *
 * @param model - an adapted U-Net; read only.
 * @returns tensors and metadata, for `encodeSafetensors` or `writeSafetensors`.
 * @throws SidError `invalid-argument` for a network that was disposed before.
 *
 * @example
 * ```ts
 * import { randomStream } from "sid-lsg";
 * import { encodeSafetensors } from "sid-lsg/io";
 * import { parseUnetConfig, unet } from "sid-lsg/models";
 * import { lora, loraFile } from "sid-lsg/models/sd";
 * import { ddpmSchedule } from "sid-lsg/schedules";
 *
 * const config = parseUnetConfig({
 *   block_out_channels: [8], norm_num_groups: 4, cross_attention_dim: 6, attention_head_dim: 2,
 *   down_block_types: ["CrossAttnDownBlock2D"], up_block_types: ["CrossAttnUpBlock2D"],
 * });
 * const base = unet(config, { name: "b", schedule: ddpmSchedule(), predicts: "eps", weights: randomStream(0) });
 * const adapted = lora(base, { name: "a", rank: 2, weights: randomStream(1) });
 * const { tensors, metadata } = await loraFile(adapted);
 * console.log(encodeSafetensors(tensors, metadata).length > 0); // true
 * for (const network of [adapted, base]) network.dispose();
 * ```
 */
export async function loraFile(model: Lora): Promise<LoraFile> {
  checkAdapted("loraFile", model);
  const { rank, alpha, targets, layers } = model;
  const pattern = (key: keyof LoraLayer) =>
    Object.fromEntries(
      [...layers].filter(([, layer]) => layer[key] !== model[key]).map(([name, layer]) => [name, layer[key]]),
    );
  const config = {
    ...{ r: rank, lora_alpha: alpha, target_modules: targets },
    ...{ rank_pattern: pattern("rank"), alpha_pattern: pattern("alpha") },
  };
  const weights = await readWeights(model);
  return {
    tensors: new Map([...weights].map(([name, tensor]) => [prefix + name, tensor])),
    metadata: {
      format: "pt",
      [configKey]: JSON.stringify(
        Object.fromEntries(Object.entries(config).map(([key, value]) => [prefix + key, value])),
      ),
    },
  };
}
