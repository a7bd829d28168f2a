import { readFileSync } from "node:fs";
import { fc, test } from "@fast-check/vitest";
import { describe, expect, vi } from "vitest";
import { SidError } from "../../../src/core";
import { parseUnetConfig, unetParameterSpecs } from "../../../src/models";
import { expectSidError } from "../../support/errors";

/** Real configurations, and the sorted "name shape" of every parameter that diffusers gives them. */
const stableDiffusion = JSON.parse(
  readFileSync(new URL("../../golden/unet-parameters.json", import.meta.url), "utf8"),
) as Record<string, { config: Record<string, unknown>; parameters: string[] }>;

function codeOf(json: unknown): { code: string; message: string } {
  try {
    parseUnetConfig(json);
  } catch (error) {
    if (error instanceof SidError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("parseUnetConfig", () => {
  test.each(Object.entries(stableDiffusion))("%s: the parameters are diffusers'", (_, { config, parameters }) => {
    const ours = unetParameterSpecs(parseUnetConfig(config)).map(({ name, shape }) => `${name} ${shape.join(",")}`);
    expect(ours.sort()).toEqual(parameters);
  });

  test("the empty configuration is diffusers' default", () => {
    const config = parseUnetConfig({});
    expect(config).toEqual(parseUnetConfig({ ...stableDiffusion["sd15"]?.config, cross_attention_dim: 1280 }));
    expect(config).toMatchObject({ timeDim: 1280, normGroups: 32, midScale: 1, linearProjection: false });
  });

  test("attention_head_dim is the number of heads, per level in both directions", () => {
    const { levels } = parseUnetConfig(stableDiffusion["sd21"]?.config);
    expect(levels.map(({ heads }) => heads)).toEqual([5, 10, 20, 20]);
    expect(levels.map(({ downAttention }) => downAttention)).toEqual([true, true, true, false]);
    expect(levels.map(({ upAttention }) => upAttention)).toEqual([true, true, true, false]);
  });

  test("keys that begin with an underscore are ignored", () => {
    expect(parseUnetConfig({ _class_name: "x", _name_or_path: 3 })).toEqual(parseUnetConfig({}));
  });

  test.each<[string, unknown]>([
    ["class_embed_type", "timestep"],
    ["resnet_time_scale_shift", "scale_shift"],
    ["act_fn", "gelu"],
    ["dropout", 0.1],
    ["only_cross_attention", true],
    ["only_cross_attention", [false, true, false, false]],
    ["num_attention_heads", 8],
    ["addition_embed_type", "text_time"],
    ["time_embedding_type", "fourier"],
    ["mid_block_type", null],
    ["mid_block_type", "UNetMidBlock2DSimpleCrossAttn"],
    ["encoder_hid_dim", 64],
    ["down_block_types", ["KDownBlock2D", "DownBlock2D", "DownBlock2D", "DownBlock2D"]],
    ["up_block_types", ["UpBlock2D", "UpBlock2D", "CrossAttnDownBlock2D", "UpBlock2D"]],
    ["a_key_of_tomorrow", 1],
    ["quantization_config", { quant_method: "bitsandbytes" }],
    ["time_cond_proj_dim", 256],
    ["conv_in_kernel", 2],
  ])("%s = %j is refused by name", (key, value) => {
    const error = codeOf({ [key]: value });
    expect(error.code).toBe("unsupported");
    expect(error.message).toContain(key);
  });

  test.each<[string, unknown]>([
    ["act_fn", "swish"],
    ["dropout", 0],
    ["only_cross_attention", [false, false, false, false]],
    ["upcast_attention", true],
    ["class_embed_type", null],
    ["addition_embed_type_num_heads", 64],
    ["sample_size", [64, 96]],
  ])("%s = %j changes nothing", (key, value) => {
    expect(parseUnetConfig({ [key]: value })).toEqual(parseUnetConfig({}));
  });

  const flags = "upcast_attention use_linear_projection center_input_sample only_cross_attention dual_cross_attention";
  test.each([...flags.split(" "), "resnet_skip_time_act", "class_embeddings_concat"])("%s: null is off", (key) => {
    expect(parseUnetConfig({ [key]: null })).toEqual(parseUnetConfig({ [key]: false }));
  });
  test("flip_sin_to_cos: null is off, and that is no default", () => {
    expect(parseUnetConfig({ flip_sin_to_cos: null }).flipSinToCos).toBe(false);
  });
  test.each(["dropout", "attention_type", "addition_embed_type_num_heads", "quantization_config"])(
    "%s: null changes nothing",
    (key) => {
      expect(parseUnetConfig({ [key]: null })).toEqual(parseUnetConfig({}));
    },
  );

  test("a moving average's keys are passed over with one warning that names them", () => {
    // What diffusers' EMAModel.save_pretrained adds.
    const average = { decay: 0.9999, min_decay: 0, update_after_step: 0, use_ema_warmup: false };
    const more = { inv_gamma: 1, power: 2 / 3, optimization_step: 875_000 };
    const onWarning = vi.fn();
    expect(parseUnetConfig({ ...average, ...more }, { onWarning })).toEqual(parseUnetConfig({}));
    expect(onWarning.mock.calls).toEqual([[expect.stringContaining(Object.keys({ ...average, ...more }).join(", "))]]);
    parseUnetConfig(stableDiffusion["sd21"]?.config, { onWarning });
    expect(onWarning).toHaveBeenCalledOnce();
    expect(codeOf({ ...average, class_embed_type: "timestep" }).message).toContain("class_embed_type");
  });

  test.each([
    ["0.42.1", true],
    ["0.6.0", true],
    ["0.21.0.dev0", true],
    ["0.43.0", false],
    ["1.0.0", false],
    ["new", false],
    [42, false],
  ])("a key that diffusers %s does not have either is passed over: %j", (_diffusers_version, passes) => {
    const onWarning = vi.fn();
    const read = () => parseUnetConfig({ _diffusers_version, my_trainer: "x" }, { onWarning });
    if (passes) expect(read()).toEqual(parseUnetConfig({}));
    else expectSidError("unsupported", read, /the key "my_trainer"/);
    expect(onWarning.mock.calls.flat().join()).toContain(passes ? "my_trainer" : "");
  });

  test.each<[Record<string, unknown>, string]>([
    [{ block_out_channels: [] }, "block_out_channels"],
    [{ block_out_channels: [32, 64] }, "layers_per_block down_block_types"],
    [{ layers_per_block: [1, 2] }, "layers_per_block"],
    [{ attention_head_dim: [8, 8, 8, 7] }, "attention_head_dim"],
    [{ attention_head_dim: 7 }, "attention_head_dim"],
    [{ norm_num_groups: 48 }, "norm_num_groups"],
    [{ norm_num_groups: null }, "norm_num_groups"],
    [{ cross_attention_dim: [768, 768, 768, 768] }, "cross_attention_dim"],
    [{ use_linear_projection: "yes" }, "use_linear_projection"],
    [{ down_block_types: "DownBlock2D" }, "down_block_types"],
    [{ in_channels: 0 }, "in_channels"],
    [{ in_channels: 1.5 }, "in_channels"],
    [{ norm_eps: Number.NaN }, "norm_eps"],
    [{ norm_eps: 0 }, "norm_eps"],
    [{ mid_block_scale_factor: 0 }, "mid_block_scale_factor"],
    [{ downsample_padding: 2 }, "downsample_padding"],
    [{ layers_per_block: 1e9 }, "layers_per_block"],
    [{ transformer_layers_per_block: [1, 1, 1, 1e9] }, "transformer_layers_per_block"],
    [{ freq_shift: 160 }, "freq_shift"],
  ])("%j makes no sense", (json, names) => {
    const { message } = codeOf(json);
    expect(names.split(" ").some((name) => message.includes(name))).toBe(true);
  });

  test.prop({ json: fc.oneof(fc.anything(), fc.dictionary(fc.constantFrom(...knownKeys()), fc.anything())) })(
    "whatever comes, it answers or throws a SidError",
    ({ json }) => {
      try {
        expect(unetParameterSpecs(parseUnetConfig(json)).length).toBeGreaterThan(0);
      } catch (error) {
        expect(error).toBeInstanceOf(SidError);
      }
    },
  );
});

function knownKeys(): string[] {
  return [...Object.keys(stableDiffusion["sd21"]?.config ?? {}), "transformer_layers_per_block", "dropout"];
}
