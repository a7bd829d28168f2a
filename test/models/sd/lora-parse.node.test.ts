import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, test, vi } from "vitest";
import type { HostTensor } from "../../../src/core";
import { parseUnetConfig } from "../../../src/models";
import { type LoraFile, type ParseLoraOptions, parseLora } from "../../../src/models/sd";
import { layerFinder } from "../../../src/models/sd/lora-names";
import { expectSidError } from "../../support/errors";

const sd15 = parseUnetConfig({ cross_attention_dim: 768 });
const q = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q";
const out = "mid_block.attentions.0.transformer_blocks.0.attn2.to_out.0";
const conv = "up_blocks.1.resnets.0.conv1";
const flat = (layer: string) => layer.replaceAll(".", "_");

function zeros(...shape: number[]): HostTensor {
  return { dtype: "F16", shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)) };
}

function scalar(x: number): HostTensor {
  return { dtype: "F16", shape: [], data: new Float32Array([x]) };
}

const down = zeros(2, 320);
const up = zeros(320, 2);

function parse(tensors: Record<string, HostTensor>, metadata: LoraFile["metadata"] = {}, options?: ParseLoraOptions) {
  return parseLora({ tensors: new Map(Object.entries(tensors)), metadata }, sd15, { onWarning: () => {}, ...options });
}

/** What is refused, with the code and all of these words in the message. */
function refuse(
  code: Parameters<typeof expectSidError>[0],
  tensors: Record<string, HostTensor>,
  words: readonly string[],
  metadata: LoraFile["metadata"] = {},
  options?: ParseLoraOptions,
): void {
  for (const word of words)
    expectSidError(code, () => parse(tensors, metadata, options), RegExp(word.replace(/[.[\](){}^$*+?|\\]/g, "\\$&")));
}

describe("names", () => {
  test.each([
    ["base_model.model.Q.lora_A.weight", "base_model.model.Q.lora_B.weight"],
    ["base_model.model.Q.lora_A.default.weight", "base_model.model.Q.lora_B.default.weight"],
    ["base_model.model.unet.Q.lora_A.weight", "base_model.model.unet.Q.lora_B.weight"],
    ["unet.base_model.model.Q.lora_A.weight", "unet.base_model.model.Q.lora_B.weight"],
    ["unet.Q.lora_A.weight", "unet.Q.lora_B.weight"],
    ["unet.Q.lora_A.default_0.weight", "unet.Q.lora_B.default_0.weight"],
    ["Q.lora_A.weight", "Q.lora_B.weight"],
    ["unet.Q.lora.down.weight", "unet.Q.lora.up.weight"],
    ["Q.lora_linear_layer.down.weight", "Q.lora_linear_layer.up.weight"],
    ["unet.P.processor.to_q_lora.down.weight", "unet.P.processor.to_q_lora.up.weight"],
    ["P.processor.to_q_lora.down.weight", "P.processor.to_q_lora.up.weight"],
    ["unet.Q_lora.down.weight", "unet.Q_lora.up.weight"],
    ["module.unet.Q.lora.down.weight", "module.unet.Q.lora.up.weight"],
    ["_orig_mod.Q.lora_A.weight", "_orig_mod.Q.lora_B.weight"],
    ["lora_unet_F.lora_down.weight", "lora_unet_F.lora_up.weight"],
    ["unet.lora_unet_F.lora_down.weight", "unet.lora_unet_F.lora_up.weight"],
    ["lora_unet_F.lora_down.default.weight", "lora_unet_F.lora_up.default.weight"],
    ["unet.Q.lora.down.default.weight", "unet.Q.lora.up.default.weight"],
    ["unet.Q.lora_A", "unet.Q.lora_B"],
    ["unet.Z.lora_down.weight", "unet.Z.lora_up.weight"],
    ["lora.F.lora_down.weight", "lora.F.lora_up.weight"],
    ["lora_unet_F.lora_A.weight", "lora_unet_F.lora_B.weight"],
    ["lycoris_F.lora_down.weight", "lycoris_F.lora_up.weight"],
    ["lora_unet_O.lora_down.weight", "lora_unet_O.lora_up.weight"],
    ["diffusion_model.Z.lora_down.weight", "diffusion_model.Z.lora_up.weight"],
    ["model.diffusion_model.Z.lora_A.weight", "model.diffusion_model.Z.lora_B.weight"],
  ])("%s", (a, b) => {
    const original = "input_blocks.1.1.transformer_blocks.0.attn1.to_q";
    const name = (text: string) =>
      text
        .replace("Q", q)
        .replace("F", flat(q))
        .replace("P", q.replace(".to_q", ""))
        .replace("O", flat(original))
        .replace("Z", original);
    expect(parse({ [name(a)]: down, [name(b)]: up }).targets).toEqual([q]);
  });

  test("to_out goes by two names", () => {
    for (const end of ["to_out.0.lora", "to_out.lora", "to_out_lora", "processor.to_out_lora", "to_out.0_lora"]) {
      const block = out.replace("to_out.0", end);
      const [a, b] = [zeros(2, 1280), zeros(1280, 2)];
      expect(parse({ [`unet.${block}.down.weight`]: a, [`unet.${block}.up.weight`]: b }).targets).toEqual([out]);
    }
  });

  test("every layer of Stable Diffusion 1.5 is found by diffusers' name, the original's and kohya's", () => {
    const file = readFileSync(new URL("../../golden/lora-formats/original-names.json.gz", import.meta.url));
    const names: Record<string, string> = JSON.parse(gunzipSync(file).toString());
    const find = layerFinder(sd15);
    expect(Object.keys(names).length).toBe(282);
    for (const [layer, original] of Object.entries(names))
      for (const stem of [layer, original, `lora_unet_${flat(layer)}`, `lora_unet_${flat(original)}`])
        expect(find(stem)?.layer).toBe(layer);
  });
});

describe("alpha", () => {
  const pair = { [`unet.${q}.lora_A.weight`]: down, [`unet.${q}.lora_B.weight`]: up };
  const alphaIn = (config: object, name = `base_model.model.${q}`) =>
    parse({ [`${name}.lora_A.weight`]: down, [`${name}.lora_B.weight`]: up }, {}, { peftConfig: { ...config } }).alpha;

  test("is that of its tensor, of the configuration, or the rank", () => {
    expect(parse(pair).alpha).toBe(2);
    for (const name of [q, `${q}.lora.down.weight`, `${q}.lora_A.weight`, `${q}_lora.down.weight`, `${q}.lora`])
      expect(parse({ ...pair, [`unet.${name}.alpha`]: scalar(1.5) }).alpha).toBe(1.5);
    const whole: HostTensor = { dtype: "I64", shape: [1], data: new BigInt64Array([4n]) };
    expect(parse({ ...pair, [`${q}.alpha`]: whole }).alpha).toBe(4);
    const metadata = (config: object) => ({ lora_adapter_metadata: JSON.stringify(config) });
    expect(parse(pair, metadata({ "unet.r": 2, "unet.lora_alpha": 5 })).alpha).toBe(5);
    expect(parse(pair, metadata({ r: 2, lora_alpha: 6 })).alpha).toBe(6);
    expect(parse(pair, metadata({ "text_encoder.lora_alpha": 7 })).alpha).toBe(2);
    expect(parse(pair, { ss_network_alpha: "9" }).alpha).toBe(2);
  });

  test("of PEFT's configuration goes by its patterns", () => {
    expect(alphaIn({ r: 2 })).toBe(8);
    expect(alphaIn({ r: 2, lora_alpha: 3 })).toBe(3);
    expect(alphaIn({ r: 2, lora_alpha: 3, use_rslora: true })).toBeCloseTo(3 * Math.SQRT2, 12);
    for (const key of ["to_q", "attn1.to_q", q, `^${q}`, `^${q}$`, ".*attn1.*to_q", "(?:to_q|to_k)", "attn\\d\\.to_q"])
      expect(alphaIn({ r: 8, rank_pattern: { x: 1, [key]: 2 }, alpha_pattern: { [key]: 5, ".*": 6 } })).toBe(5);
    for (const key of ["o_q", "attn2.to_q", "to_q.0", "^to_q"])
      expect(alphaIn({ r: 2, lora_alpha: 3, alpha_pattern: { [key]: 5 } })).toBe(3);
  });

  test("nothing in the configuration is believed", () => {
    const bad = (code: Parameters<typeof expectSidError>[0], config: object, message: RegExp) =>
      expectSidError(code, () => alphaIn(config), message);
    bad("unsupported", { peft_type: "LOHA" }, /peft_type "LOHA".*merge it into its model/);
    bad("unsupported", { bias: "all" }, /bias "all"/);
    for (const start of ["pissa", "pissa_niter_16", "olora", "loftq", "corda"])
      bad("unsupported", { init_lora_weights: start }, RegExp(`init_lora_weights "${start}"`));
    for (const key of ["use_dora", "lora_bias", "modules_to_save", "layer_replication", "alora_invocation_tokens"])
      bad("unsupported", { [key]: key === "use_dora" || key === "lora_bias" ? true : [1] }, RegExp(`with ${key}`));
    bad("corrupt-file", { r: 4 }, /gives ".*to_q" rank 4, its tensors have 2/);
    bad("corrupt-file", { lora_alpha: "3" }, /lora_alpha must be a number, got "3"/);
    bad("corrupt-file", { alpha_pattern: [1] }, /alpha_pattern must be an object/);
    bad("corrupt-file", { alpha_pattern: { "(": 1 } }, /no regular expression/);
    bad("out-of-range", { lora_alpha: -1 }, /lora_alpha must be above 0/);
    bad("out-of-range", { lora_alpha: 0 }, /lora_alpha must be above 0, got 0/);
    bad("out-of-range", { r: 0 }, /r must be above 0, got 0/);
    for (const off of [false, "", []]) bad("corrupt-file", { lora_alpha: off }, /lora_alpha must be a number/);
    expect(alphaIn({ r: null, lora_alpha: null })).toBe(8);
    bad("out-of-range", { alpha_pattern: { to_q: 0 } }, /alpha_pattern\["to_q"\]/);
    for (const slow of ["(a+)+b", "(.*)*x", "(a|a)*", ".*.*.*.*x", "(?=a)", "(a)\\1", "x".repeat(201)])
      bad("unsupported", { alpha_pattern: { [slow]: 1 } }, /too involved/);
  });

  test("keys that are not known are passed over with one warning; what is off or idle is not mentioned", () => {
    const onWarning = vi.fn();
    const peftConfig = { r: 2, lora_dropout: 0.1, use_dora: false, future: true, later: [1], off: null, none: {} };
    parse(pair, {}, { peftConfig, onWarning });
    expect(onWarning.mock.calls).toEqual([[expect.stringMatching(/passed over: future, later\./)]]);
  });

  test("two that contradict each other are refused", () => {
    const both = { ...pair, [`unet.${q}.alpha`]: scalar(3) };
    const metadata = { lora_adapter_metadata: '{"unet.lora_alpha":4}' };
    refuse("corrupt-file", both, [`"unet.${q}.alpha" is 3, the configuration gives that layer 4`], metadata);
  });
});

describe("a text encoder's part", () => {
  const pair = { [`unet.${q}.lora_A.weight`]: down, [`unet.${q}.lora_B.weight`]: up };
  const texts = [
    ...["lora_te_text_model_encoder_layers_0_mlp_fc1", "lora_te1_text_model_encoder_layers_0_mlp_fc1"],
    ...["lora_te2_text_projection", "text_encoder.text_model.encoder.layers.0.self_attn.q_proj"],
    ...["text_encoder_2.text_model.encoder.layers.0.mlp.fc1", "base_model.model.text_model.encoder.layers.0.mlp.fc1"],
    "bundle_emb.cat",
    ...["text_encoders.clip_l.transformer.text_model.encoder.layers.0.mlp.fc1"],
  ];

  test.each(texts)("%s is not used, which is said once", (name) => {
    const onWarning = vi.fn();
    const more = { [`${name}.lora_down.weight`]: down, [`${name}.lora_up.weight`]: up, [`${name}.alpha`]: scalar(1) };
    expect(parse({ ...more, ...pair }, {}, { onWarning }).targets).toEqual([q]);
    expect(onWarning.mock.calls).toEqual([[expect.stringMatching(/3 of 5 tensors change the text encoder/)]]);
    refuse("missing-weight", more, ["all 3 tensors are a text encoder's"]);
  });

  test("the console is told by default", () => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    parse({ "lora_te_x.alpha": scalar(1), ...pair }, {}, { onWarning: undefined });
    expect(warn.mock.calls.length).toBe(1);
    warn.mockRestore();
  });
});

describe("what is refused", () => {
  const [a, b] = [`unet.${q}.lora_A.weight`, `unet.${q}.lora_B.weight`];
  const pair = { [a]: down, [b]: up };

  test.each([
    [`lora_unet_${flat(q)}.hada_w1_a`, "LoHa"],
    [`lora_unet_${flat(conv)}.hada_t1`, "LoHa"],
    [`lora_unet_${flat(q)}.lokr_w1`, "LoKr"],
    [`base_model.model.${q}.hada_w1_a`, "LoHa"],
    [`base_model.model.${q}.lokr_w2_b`, "LoKr"],
    [`lora_unet_${flat(q)}.dora_scale`, "DoRA"],
    [`unet.${q}.lora_magnitude_vector.weight`, "DoRA"],
    [`base_model.model.${q}.lora_magnitude_vector`, "DoRA"],
    [`lora_unet_${flat(conv)}.lora_mid.weight`, "Tucker (CP)"],
    [`unet.${q}.lora_B.bias`, "biases"],
    [`base_model.model.${q}.lora_B.default.bias`, "biases"],
    [`lora_unet_${flat(q)}.oft_diag`, "OFT"],
    [`base_model.model.${q}.oft_R.weight`, "OFT"],
    [`lora_unet_${flat(q)}.diff`, "full"],
    [`lora_unet_${flat(q)}.diff_b`, "full"],
    ["lora_unet_conv_norm_out.w_norm", "norm"],
    [`lora_unet_${flat(q)}.a1.weight`, "GLoRA"],
    [`lora_unet_${flat(q)}.on_input`, "(IA)³"],
    ["unet.down_blocks.0.motion_modules.0.x.lora_A.weight", "AnimateDiff"],
    [`${q.replace(".to_q", "")}.processor.to_k_custom_diffusion.weight`, "Custom Diffusion"],
    ["emb_params", "textual inversion"],
    [`diffusion_model.${q}.set_weight`, "full"],
    ["unet:0:down", "lora_diffusion"],
    ["lora_controlnet", "Control-LoRA"],
    ["image_proj.proj.weight", "IP-Adapter"],
  ])("%s", (name, kind) => {
    refuse("unsupported", { ...pair, [name]: zeros(1) }, [`"${name}" is`, kind, "merge it into its model"]);
  });

  test("the kind is told, whatever the order", () => {
    const tensors = { [`lora_unet_${flat(q)}.weight`]: down, [`lora_unet_${flat(q)}.on_input`]: scalar(1) };
    refuse("unsupported", tensors, ["(IA)³"]);
    const whole = { "cond_stage_model.x.weight": down, "model.diffusion_model.input_blocks.0.0.weight": down };
    refuse("surplus-weight", whole, ["cond_stage_model.x.weight", "nor is any other", "a whole model's file"]);
  });

  test("a tensor that is no adapter's", () => {
    for (const name of ["unet.conv_in.weight", "model.diffusion_model.input_blocks.0.0.weight", "x", "lora_A.weight"])
      refuse("surplus-weight", { ...pair, [name]: down }, [`"${name}" is no part of an adapter of low rank`]);
  });

  test("layers that the U-Net lacks; the file says what it was made for", () => {
    const names = [
      "lora_unet_input_blocks_4_1_transformer_blocks_9_attn1_to_q",
      "lora_unet_double_blocks_0_img_attn_qkv",
      "unet.down_blocks.0.attentions.7.transformer_blocks.0.attn1.to_q",
      "unet.conv_norm_out",
      "lora_unet_label_emb_0_0",
    ];
    for (const name of names) {
      const tensors = { ...pair, [`${name}.lora_A.weight`]: down, [`${name}.alpha`]: scalar(1) };
      const words = [`"${name}.lora_A.weight" belongs to no linear or convolutional layer`, "2 of 4 tensors"];
      refuse("surplus-weight", tensors, words);
    }
    const tensors = { "lora_unet_x.alpha": scalar(1) };
    const metadata = { "modelspec.architecture": "stable-diffusion-xl-v1-base/lora" };
    refuse("surplus-weight", tensors, ["another model", "stable-diffusion-xl-v1-base/lora"], metadata);
    refuse("surplus-weight", tensors, ['"sdxl_base_v1-0"'], { ss_base_model_version: "sdxl_base_v1-0" });
  });

  test("shapes that do not fit", () => {
    refuse("shape-mismatch", { [a]: zeros(2, 640), [b]: up }, [`"${a}" must have shape [2, 320]`, "got [2, 640]"]);
    refuse("shape-mismatch", { [a]: down, [b]: zeros(640, 2) }, [`"${b}" must have shape [320, 2]`]);
    refuse("shape-mismatch", { [a]: down, [b]: zeros(320, 4) }, ["no rank in common", "[2, 320]", "[320, 4]"]);
    refuse("shape-mismatch", { [a]: zeros(0, 320), [b]: zeros(320, 0) }, ["no rank in common"]);
    refuse("shape-mismatch", { [a]: scalar(1), [b]: up }, ["no rank in common"]);
    refuse("shape-mismatch", { [a]: zeros(2, 320, 3, 3), [b]: up }, [`"${a}" must have shape [2, 320]`]);
    const [c, d] = [`unet.${conv}.lora_A.weight`, `unet.${conv}.lora_B.weight`];
    refuse("shape-mismatch", { [c]: zeros(1, 2560), [d]: zeros(1280, 1) }, [`"${c}" must have shape [1, 2560, 3, 3]`]);
    const wide = zeros(1280, 1, 3, 3);
    refuse("shape-mismatch", { [c]: zeros(1, 2560, 3, 3), [d]: wide }, [`"${d}" must have shape [1280, 1, 1, 1]`]);
    refuse("shape-mismatch", { ...pair, [`${q}.alpha`]: zeros(2) }, [`"${q}.alpha" must hold one number, got 2`]);
  });

  test("numbers that are not finite, in each of the tensors", () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const [A, B] = [zeros(2, 320), zeros(320, 2)];
      for (const { data } of [A, B]) data[1] = bad;
      refuse("not-finite", { [a]: A, [b]: up }, [`weight "${a}" holds NaN or infinities`]);
      refuse("not-finite", { [a]: down, [b]: B }, [`weight "${b}" holds NaN or infinities`]);
      refuse("not-finite", { ...pair, [`${q}.alpha`]: scalar(bad) }, [`"${q}.alpha" must be finite`]);
    }
    refuse("out-of-range", { ...pair, [`${q}.alpha`]: scalar(0) }, [`"${q}.alpha" must be above 0, got 0`]);
  });

  test("one half alone, an alpha alone, the same twice, nothing at all", () => {
    refuse("missing-weight", { [a]: down }, [`"${a}" lacks its other half, B (up)`]);
    refuse("missing-weight", { [b]: up }, [`"${b}" lacks its other half, A (down)`]);
    const alone = `lora_unet_${flat(conv)}.alpha`;
    refuse("missing-weight", { ...pair, [alone]: scalar(1) }, [
      `"${alone}" lacks both factors, of the layer "${conv}"`,
    ]);
    const again = `lora_unet_${flat(q)}.lora_down.weight`;
    refuse("corrupt-file", { ...pair, [again]: down }, [`"${again}" and "${a}" are the same of one layer`]);
    refuse("missing-weight", {}, ["holds no tensors", "lora_A"]);
  });

  test("alphas that are no scale", () => {
    for (const x of [0, -1]) refuse("out-of-range", { ...pair, [`${q}.alpha`]: scalar(x) }, ["above 0"]);
    refuse("not-finite", { ...pair, [`${q}.alpha`]: scalar(Number.NaN) }, ["finite"]);
  });

  test("arguments of the wrong kind", () => {
    refuse("corrupt-file", pair, ["must be a JSON object"], { lora_adapter_metadata: "{" });
    refuse("corrupt-file", pair, ["must be a JSON object"], { lora_adapter_metadata: "[]" });
    const file = { tensors: new Map(), metadata: {} };
    expectSidError("invalid-argument", () => parseLora(undefined as never, sd15), /file/);
    expectSidError("invalid-argument", () => parseLora({ tensors: {} as never, metadata: {} }, sd15), /Map/);
    expectSidError("invalid-argument", () => parseLora(file, undefined as never), /config/);
    expectSidError("invalid-argument", () => parseLora(file, sd15, { onWarning: 1 as never }), /onWarning/);
    expectSidError("invalid-argument", () => parseLora(file, sd15, { peftConfig: 1 as never }), /config/);
  });
});
