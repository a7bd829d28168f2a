import type { UnetConfig } from "../unet/config";
import { type AdaptableLayer, adaptableLayers } from "./lora";

/** What a tensor of an adapter's file is, by its name. */
export type LoraEntry =
  /** One factor of a change, or the alpha of one; `stem` is the layer, in the writing of the file. */
  | { readonly kind: "A" | "B" | "alpha"; readonly stem: string }
  /** Part of a change to a text encoder. */
  | { readonly kind: "text" }
  /** Part of another kind of adapter or, where `adapter` is false, of none; in words. */
  | { readonly kind: "other"; readonly what: string; readonly adapter: boolean };

/**
 * Factors: PEFT's `lora_A`, maybe with the adapter's name; kohya's `lora_down`; diffusers' `.lora.down`, `_lora.down` and
 * `.lora_linear_layer.down`; all with `.weight` or without.
 */
const factor =
  /^(.+?)(?:\.lora_(A|B|down|up)|[._]lora\.(down|up)|\.lora_linear_layer\.(down|up))(?:(?:\.[^.]+)?\.weight)?$/;

/** Alphas lie beside the factors, or beside the first of them. */
const alpha = /^(.+?)(?:(?:\.lora_(?:A|down)|[._]lora\.down|\.lora_linear_layer\.down)\.weight|[._]lora)?\.alpha$/;

/** Names of CLIP in all writings, and of embeddings trained with it, once the dots are underscores. */
const textEncoder =
  /^(?:base_model_model_|base_model_|lora_|lycoris_)*(?:te\d?_|text_encoders?_|text_model_|clip_[lgh]_|bundle_emb_)/;

/** Kinds of adapters, and of other files, that are no pairs of factors, by what gives them away. */
const others: readonly (readonly [sign: RegExp, what: string])[] = [
  [/\.hada_[wt]\d/, "of the kind LoHa"],
  [/\.lokr_[wt]\d/, "of the kind LoKr"],
  [/\.dora_scale$|\.lora_magnitude_vector/, "of the kind DoRA, which also rescales the weights"],
  [/\.lora_mid\.weight$/, "of the kind LoCon with a Tucker (CP) decomposition"],
  [/\.oft_|\.boft_/, "of the kind OFT"],
  [/\.lora_(?:A|B|down|up)\.(?:[^.]+\.)?bias$/, "of low rank with biases (lora_bias)"],
  [/\.lora_embedding_[AB]/, "a change to an embedding"],
  [/\.(?:diff|diff_b|w_norm|b_norm|set_weight|reshape_weight)$/, "of the kind LyCORIS full or norm, not of low rank"],
  [/\.(?:a1|a2|b1|b2|bm1|bm2)\.weight$/, "of the kind GLoRA"],
  [/\.on_input$|\.ia3_l/, "of the kind (IA)³"],
  [/_custom_diffusion\./, "of the kind Custom Diffusion"],
  [/^(?:image_proj|ip_adapter)\.|\.to_[kv]_ip/, "an IP-Adapter"],
  [/^lora_controlnet$/, "a Control-LoRA"],
  [/motion_modules?\./, "a motion module's (AnimateDiff)"],
  [/^(?:emb_params$|string_to_param)|^<.*>$/, "a textual inversion's embedding"],
  [/^\w+:\d+:(?:up|down)$/, "of the first kind of LoRA files (lora_diffusion), which names no layers"],
];

/** Reads a tensor's name in any of the writings of PEFT, diffusers, kohya-ss and those who follow them. */
export function readLoraName(name: string): LoraEntry {
  if (textEncoder.test(flat(name))) return { kind: "text" };
  const other = others.find(([sign]) => sign.test(name));
  if (other) return { kind: "other", what: other[1], adapter: true };
  const [, stem, ...found] = factor.exec(name) ?? [];
  const which = found.find((part) => part !== undefined);
  if (stem !== undefined) return { kind: which === "A" || which === "down" ? "A" : "B", stem };
  const [, layer] = alpha.exec(name) ?? [];
  if (layer !== undefined) return { kind: "alpha", stem: layer };
  return { kind: "other", what: "no part of an adapter of low rank", adapter: false };
}

/** Finds the layer of a U-Net that a stem names: in diffusers' words or those of the first Stable Diffusion's code. */
export function layerFinder(config: UnetConfig): (stem: string) => AdaptableLayer | undefined {
  const layers = adaptableLayers(config);
  const blocks = originalBlocks(config);
  const byName = new Map<string, AdaptableLayer>();
  for (const layer of layers) {
    byName.set(flat(layer.layer), layer);
    byName.set(flat(originalName(layer.layer, blocks)), layer);
  }
  return (stem) => {
    const bare = flat(stem).replace(
      /^(?:base_model_|model_|lora_|lycoris_|unet_|diffusion_model_|module__?|_orig_mod_)+/,
      "",
    );
    const name = bare.replace(/_processor_/, "_").replace(/_to_out$/, "_to_out_0");
    return byName.get(name);
  };
}

/** kohya's writing, to which all others are brought: none of a U-Net's names differ in their dots alone. */
function flat(name: string): string {
  return name.replaceAll(".", "_");
}

/** Layers outside of the blocks, and inside of residual blocks. */
const original: Readonly<Record<string, string>> = {
  conv_in: "input_blocks.0.0",
  conv_out: "out.2",
  "time_embedding.linear_1": "time_embed.0",
  "time_embedding.linear_2": "time_embed.2",
  conv1: "in_layers.2",
  conv2: "out_layers.3",
  time_emb_proj: "emb_layers.1",
  conv_shortcut: "skip_connection",
};

function originalName(layer: string, blocks: ReadonlyMap<string, string>): string {
  const [, block = "", inside = ""] = /^(\w+blocks?(?:\.\d+)?\.[a-z]+\.\d+)\.(.+)$/.exec(layer) ?? [];
  const place = blocks.get(block);
  if (place === undefined) return original[layer] ?? layer;
  return block.includes("samplers") ? place : `${place}.${original[inside] ?? inside}`;
}

/**
 * Blocks in diffusers' words to the same in those of the original code, which counts through: each residual block with
 * its transformer is one block, and so is each downsampling; an upsampling ends the block before it.
 */
function originalBlocks({ levels }: UnetConfig): ReadonlyMap<string, string> {
  const names = new Map<string, string>([
    ["mid_block.resnets.0", "middle_block.0"],
    ["mid_block.attentions.0", "middle_block.1"],
    ["mid_block.resnets.1", "middle_block.2"],
  ]);
  let next = 1;
  for (const [i, { layers }] of levels.entries()) {
    for (let j = 0; j < layers; j++, next++) {
      names.set(`down_blocks.${i}.resnets.${j}`, `input_blocks.${next}.0`);
      names.set(`down_blocks.${i}.attentions.${j}`, `input_blocks.${next}.1`);
    }
    names.set(`down_blocks.${i}.downsamplers.0`, `input_blocks.${next}.0.op`);
    next++;
  }
  next = 0;
  for (const [i, { layers, upAttention }] of [...levels].reverse().entries()) {
    for (let j = 0; j <= layers; j++, next++) {
      names.set(`up_blocks.${i}.resnets.${j}`, `output_blocks.${next}.0`);
      names.set(`up_blocks.${i}.attentions.${j}`, `output_blocks.${next}.1`);
    }
    names.set(`up_blocks.${i}.upsamplers.0`, `output_blocks.${next - 1}.${upAttention ? 2 : 1}.conv`);
  }
  return names;
}
