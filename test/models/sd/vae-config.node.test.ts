import { readFileSync } from "node:fs";
import { fc, test } from "@fast-check/vitest";
import { describe, expect, vi } from "vitest";
import { SidError } from "../../../src/core";
import { parseVaeConfig, vaeParameterSpecs } from "../../../src/models/sd";
import { expectSidError } from "../../support/errors";

/** Real configurations, and the sorted "name shape" of every parameter that diffusers gives them. */
const stableDiffusion = JSON.parse(
  readFileSync(new URL("../../golden/vae-parameters.json", import.meta.url), "utf8"),
) as Record<string, { config: Record<string, unknown>; parameters: string[] }>;

describe("parseVaeConfig", () => {
  test.each(Object.entries(stableDiffusion))("%s: the parameters are diffusers'", (_, { config, parameters }) => {
    const ours = vaeParameterSpecs(parseVaeConfig(config)).map(({ name, shape }) => `${name} ${shape.join(",")}`);
    expect(ours.sort()).toEqual(parameters);
  });

  test("scaling and shift, and the defaults of diffusers", () => {
    expect(parseVaeConfig({})).toEqual({
      ...{ inChannels: 3, outChannels: 3, latentChannels: 4, channels: [64], layers: 1, normGroups: 32 },
      ...{ scalingFactor: 0.18215, shiftFactor: 0, quantConv: true, postQuantConv: true, midAttention: true },
    });
    expect(parseVaeConfig(stableDiffusion["sdxl"]?.config)).toMatchObject({ scalingFactor: 0.13025, layers: 2 });
    expect(parseVaeConfig({ shift_factor: 0.0609 }).shiftFactor).toBe(0.0609);
  });

  test.each<[string, unknown]>([
    ["act_fn", "gelu"],
    ["latents_mean", [0, 0, 0, 0]],
    ["latents_std", [1, 1, 1, 1]],
    ["down_block_types", ["AttnDownEncoderBlock2D"]],
    ["up_block_types", ["DownEncoderBlock2D"]],
    ["a_key_of_tomorrow", 1],
    ["toString", 1],
  ])("%s = %j is refused by name", (key, value) => {
    expectSidError("unsupported", () => parseVaeConfig({ [key]: value }), new RegExp(`^parseVaeConfig: .*${key}`));
  });

  test.each<[string, unknown]>([
    ["act_fn", "swish"],
    ["force_upcast", false],
    ["sample_size", [512, 768]],
    ["latents_mean", null],
    ["_name_or_path", 3],
  ])("%s = %j changes nothing", (key, value) => {
    expect(parseVaeConfig({ [key]: value })).toEqual(parseVaeConfig({}));
  });

  test.each(["use_quant_conv", "use_post_quant_conv", "mid_block_add_attention", "force_upcast"])(
    "%s: null is off",
    (key) => {
      expect(parseVaeConfig({ [key]: null })).toEqual(parseVaeConfig({ [key]: false }));
    },
  );

  test("what a trainer left in the file is passed over with one warning", () => {
    const onWarning = vi.fn();
    expect(parseVaeConfig({ decay: 0.99, torch_dtype: "float16" }, { onWarning })).toEqual(parseVaeConfig({}));
    expect(onWarning.mock.calls).toEqual([[expect.stringMatching(/^parseVaeConfig: .*decay, torch_dtype\.$/)]]);
  });

  test.each<[Record<string, unknown>, string]>([
    [{ block_out_channels: [] }, "block_out_channels"],
    [{ block_out_channels: [64, 64] }, "down_block_types"],
    [{ block_out_channels: [48] }, "norm_num_groups"],
    [{ latent_channels: 0 }, "latent_channels"],
    [{ layers_per_block: 1e9 }, "layers_per_block"],
    [{ layers_per_block: [1] }, "layers_per_block"],
    [{ scaling_factor: 0 }, "scaling_factor"],
    [{ scaling_factor: null }, "scaling_factor"],
    [{ shift_factor: Number.NaN }, "shift_factor"],
    [{ use_quant_conv: "yes" }, "use_quant_conv"],
    [{ sample_size: "zz" }, "sample_size"],
  ])("%j makes no sense", (json, name) => {
    expect(() => parseVaeConfig(json)).toThrow(name);
    expect(() => parseVaeConfig(json)).toThrow(SidError);
  });

  const keys = [
    ...Object.keys(stableDiffusion["sdxl"]?.config ?? {}),
    "shift_factor",
    "use_quant_conv",
    "latents_mean",
  ];
  test.prop({ json: fc.oneof(fc.anything(), fc.dictionary(fc.constantFrom(...keys), fc.anything())) })(
    "whatever comes, it answers or throws a SidError",
    ({ json }) => {
      try {
        expect(vaeParameterSpecs(parseVaeConfig(json)).length).toBeGreaterThan(0);
      } catch (error) {
        expect(error).toBeInstanceOf(SidError);
      }
    },
  );
});
