import { checkObject, checkPositive, describe, isObject } from "../../core/checks";
import { SidError } from "../../core/errors";
import type { HostTensor, WeightMap } from "../../core/host-tensor";
import { readWeights } from "../weights/weights";
import { checkAdapted, type Lora } from "./lora";

/** What a safetensors file holds, as `decodeSafetensors` returns it and `encodeSafetensors` takes it. */
export interface LoraFile {
  /** The tensors by name. */
  readonly tensors: WeightMap;
  /** The header's `__metadata__`. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** An adapter out of a file, ready for `lora`. */
export interface LoraWeights {
  /** Rank of every change. */
  readonly rank: number;
  /** The changes are multiplied by `alpha / rank`. */
  readonly alpha: number;
  /** Full names of the layers that change. */
  readonly targets: readonly string[];
  /** A and B of each. */
  readonly weights: WeightMap;
}

/** Where diffusers keeps PEFT's configuration. */
const configKey = "lora_adapter_metadata";
const prefix = "unet.";

/**
 * An adapter as a file that diffusers' `load_lora_weights` reads: tensors `unet.….lora_A.weight`, and rank, alpha
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
  const { rank, alpha, targets } = model;
  const config = { r: rank, lora_alpha: alpha, target_modules: targets };
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

/**
 * Reads an adapter of a U-Net out of a file of diffusers or PEFT: tensors `….lora_A.weight` and `….lora_B.weight`,
 * all under `unet.` or without it, of one rank. Alpha is that of the metadata, else that of `….alpha`, else the rank.
 *
 * @param file - what `decodeSafetensors` or `readSafetensors` returns.
 * @returns the options that make `lora` the same adapter; `lora` checks that it fits the network.
 * @throws SidError `surplus-weight` for a tensor that is no part of such an adapter, `unsupported` for one of
 *   several ranks or alphas, `missing-weight` for a file without any, `corrupt-file` for metadata that is no JSON.
 *
 * @example
 * ```ts
 * import { parseLora } from "sid-lsg/models/sd";
 *
 * const zeros = (...shape: [number, number]) =>
 *   ({ dtype: "F32", shape, data: new Float32Array(shape[0] * shape[1]) }) as const;
 * const tensors = new Map([
 *   ["unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q.lora_A.weight", zeros(4, 8)],
 *   ["unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q.lora_B.weight", zeros(8, 4)],
 * ]);
 * const { rank, alpha } = parseLora({ tensors, metadata: {} });
 * console.log(rank, alpha); // 4 4
 * ```
 */
export function parseLora(file: LoraFile): LoraWeights {
  const where = "parseLora";
  const { tensors, metadata } = checkObject(where, "file", file);
  if (!(tensors instanceof Map))
    throw new SidError("invalid-argument", `${where}: tensors must be a Map of weights, got ${describe(tensors)}.`);
  const start = [...tensors.keys()].some((name) => `${name}`.startsWith(prefix)) ? prefix : "";
  const weights = new Map<string, HostTensor>();
  const ranks = new Set<number>();
  const alphas = new Set<number>();
  for (const [full, tensor] of tensors as WeightMap) {
    const [, name, kind] =
      (full.startsWith(start) && /^(.+)\.(lora_[AB]\.weight|alpha)$/.exec(full.slice(start.length))) || [];
    if (name === undefined)
      throw new SidError("surplus-weight", `${where}: "${full}" is no part of a low-rank adapter of a U-Net.`);
    if (kind === "alpha") alphas.add(Number(tensor.data[0]));
    else weights.set(`${name}.${kind}`, tensor);
    if (kind === "lora_A.weight") ranks.add(tensor.shape[0] as number);
  }
  const config = configOf(metadata?.[configKey]);
  const alpha = config[`${start}lora_alpha`];
  if (alpha !== undefined) alphas.add(alpha as number);
  for (const [what, found] of Object.entries({ rank: ranks, alpha: alphas }))
    if (found.size > 1)
      throw new SidError("unsupported", `${where}: every layer must have one ${what}, got ${[...found].join(", ")}.`);
  const [rank] = ranks;
  if (rank === undefined) throw new SidError("missing-weight", `${where}: the file holds no "….lora_A.weight".`);
  for (const key of ["rank_pattern", "alpha_pattern", "use_dora", "use_rslora", "lora_bias"]) {
    const value = config[start + key];
    if (isObject(value) ? Object.keys(value).length > 0 : value)
      throw new SidError("unsupported", `${where}: adapters with ${key} are not supported.`);
  }
  const targets = [...weights.keys()].filter((name) => name.endsWith(".lora_A.weight"));
  return {
    rank,
    alpha: checkPositive(where, "alpha", [...alphas][0] ?? rank),
    targets: targets.map((name) => name.replace(/\.lora_A\.weight$/, "")),
    weights,
  };
}

/** PEFT's configuration, as far as the file has one. */
function configOf(text: string | undefined): Readonly<Record<string, unknown>> {
  if (text === undefined) return {};
  try {
    const config: unknown = JSON.parse(text);
    if (isObject(config)) return config;
  } catch {
    // Said below.
  }
  throw new SidError("corrupt-file", `parseLora: ${configKey} in the metadata must be a JSON object.`);
}
