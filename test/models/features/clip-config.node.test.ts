import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, test, vi } from "vitest";
import { SidError } from "../../../src/core";
import {
  type ClipConfig,
  clipParameterSpecs,
  parseClipConfig,
  parseOpenClipConfig,
} from "../../../src/models/features";
import { openClipShapes } from "../../../src/models/features/clip/open-clip-weights";

interface Published {
  readonly config: Record<string, unknown>;
  readonly tensors: number;
  readonly parameters: number;
  /** Of the sorted lines "name shape". */
  readonly sha256: string;
}

const published = JSON.parse(
  readFileSync(new URL("../../golden/clip-model-parameters.json", import.meta.url), "utf8"),
) as Record<"transformers" | "open_clip", Record<string, Published>>;

const size = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

function expectShapes(shapes: ReadonlyMap<string, readonly number[]>, wanted: Published): void {
  const lines = [...shapes].map(([name, shape]) => `${name} ${shape.join(",")}`).sort();
  expect(lines).toHaveLength(wanted.tensors);
  expect([...shapes.values()].reduce((sum, shape) => sum + size(shape), 0)).toBe(wanted.parameters);
  expect(createHash("sha256").update(lines.join("\n")).digest("hex")).toBe(wanted.sha256);
}

describe("names and shapes of every parameter are those of the library that publishes the weights", () => {
  for (const [name, model] of Object.entries(published.transformers))
    test(`transformers: ${name}`, () => {
      const specs = clipParameterSpecs(parseClipConfig(model.config));
      expectShapes(new Map(specs.map(({ name, shape }) => [name, shape])), model);
    });
  for (const [name, model] of Object.entries(published.open_clip))
    test(`open_clip: ${name}`, () => {
      const config = parseOpenClipConfig(model.config);
      expectShapes(openClipShapes(clipParameterSpecs(config)), model);
      expect(config.vision.activation).toBe(name.endsWith("quickgelu") ? "quick_gelu" : "gelu");
      expect(config.endToken).toBe("highest");
    });
});

/** What transformers 4 wrote around the two towers of openai/clip-vit-base-patch32. */
const old = {
  _commit_hash: null,
  architectures: ["CLIPModel"],
  initializer_factor: 1.0,
  logit_scale_init_value: 2.6592,
  model_type: "clip",
  projection_dim: 512,
  torch_dtype: "float32",
  transformers_version: null,
  text_config: { _name_or_path: "", add_cross_attention: false, bos_token_id: 0, eos_token_id: 2, pruned_heads: {} },
  vision_config: { _name_or_path: "", image_size: 224, patch_size: 32, pruned_heads: {}, num_beams: 1, top_k: 50 },
  text_config_dict: null,
  vision_config_dict: null,
};

describe("parseClipConfig", () => {
  test("reads files of transformers 4 and 5, whose end of a text is 2 or an id", () => {
    const onWarning = vi.fn();
    const config = parseClipConfig(old, { onWarning });
    expect(config.vision).toEqual({
      ...{ imageSize: 224, patchSize: 32, width: 768, feedForwardWidth: 3072, layers: 12, heads: 12 },
      ...{ activation: "quick_gelu", normEps: 1e-5 },
    });
    expect([config.dimension, config.endToken, config.text.maxLength]).toEqual([512, "highest", 77]);
    expect(parseClipConfig({}).endToken).toBe(49407);
    expect(onWarning).not.toHaveBeenCalled();
  });

  test("the dictionaries that transformers' first versions wrote beside the towers count, with its defaults", () => {
    const config = parseClipConfig({
      ...old,
      text_config: { hidden_size: 1024, num_attention_heads: 16 },
      text_config_dict: { hidden_act: "gelu", hidden_size: 768, num_attention_heads: 12 },
    });
    expect([config.text.width, config.text.heads, config.text.activation]).toEqual([768, 12, "gelu"]);
  });

  const refused: readonly [string, object, RegExp][] = [
    [
      "the text encoder of a Stable Diffusion",
      { model_type: "clip_text_model", hidden_size: 768 },
      /text encoder alone.*image tower/,
    ],
    ["an image encoder alone", { model_type: "clip_vision_model" }, /image encoder alone.*text tower/],
    ["another model", { model_type: "siglip" }, /model_type = "siglip"/],
    ["another activation", { vision_config: { hidden_act: "relu" } }, /vision_config: hidden_act = "relu"/],
    ["heads that do not divide", { text_config: { num_attention_heads: 7 } }, /text_config: num_attention_heads/],
    ["grey pictures", { vision_config: { num_channels: 1 } }, /num_channels = 1/],
    [
      "a patch larger than a picture",
      { vision_config: { image_size: 8, patch_size: 9 } },
      /patch_size must be at most/,
    ],
    ["a tower that is none", { vision_config: 3 }, /vision_config must be an object, got 3/],
    ["a key that is unknown", { rotary: true }, /key "rotary"/],
    ["a list of ends", { text_config: { eos_token_id: [1, 2] } }, /eos_token_id/],
  ];
  for (const [name, json, message] of refused)
    test(`refuses ${name}`, () => {
      expect(() => parseClipConfig(json)).toThrow(SidError);
      expect(() => parseClipConfig(json)).toThrow(message);
    });
});

describe("parseOpenClipConfig", () => {
  const tiny = { embed_dim: 4, vision_cfg: { width: 64 }, text_cfg: {} };
  const heads = (json: unknown): readonly number[] => {
    const { vision, text }: ClipConfig = parseOpenClipConfig(json);
    return [vision.heads, text.heads];
  };

  test("reads the file of a folder and that of a model alike", () => {
    expect(parseOpenClipConfig({ model_cfg: tiny, preprocess_cfg: {} })).toEqual(parseOpenClipConfig(tiny));
    expect(heads(tiny)).toEqual([1, 8]);
    expect(heads({ ...tiny, vision_cfg: { width: 1664, head_width: 104 } })).toEqual([16, 8]);
  });

  const refused: readonly [string, object, RegExp][] = [
    ["a tower from timm", { vision_cfg: { timm_model_name: "vit_base" } }, /vision_cfg: timm_model_name = "vit_base"/],
    ["a ResNet", { vision_cfg: { layers: [3, 4, 6, 3] } }, /ResNet/],
    [
      "a text tower of Hugging Face's",
      { text_cfg: { hf_model_name: "roberta-base" } },
      /hf_model_name = "roberta-base"/,
    ],
    ["SigLIP's bias", { init_logit_bias: -10 }, /init_logit_bias = -10/],
    ["CoCa's pooling", { vision_cfg: { attentional_pool: true } }, /attentional_pool = true/],
    ["a text tower without a mask", { text_cfg: { no_causal_mask: true } }, /no_causal_mask = true/],
    ["pooling of the last token", { text_cfg: { pool_type: "last" } }, /pool_type/],
    ["pictures that are no squares", { vision_cfg: { image_size: [224, 256] } }, /image_size must be a square/],
    ["no dimension", { embed_dim: undefined }, /embed_dim/],
    ["a key that is unknown", { rotary: true }, /key "rotary"/],
  ];
  for (const [name, change, message] of refused)
    test(`refuses ${name}`, () => {
      const json = { ...tiny, ...change };
      expect(() => parseOpenClipConfig(json)).toThrow(SidError);
      expect(() => parseOpenClipConfig(json)).toThrow(message);
    });
});
