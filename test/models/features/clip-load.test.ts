import { readFileSync } from "node:fs";
import { engine, memory } from "@tensorflow/tfjs-core";
import { describe, expect, test, vi } from "vitest";
import { type HostTensor, SidError } from "../../../src/core";
import { encodeSafetensors } from "../../../src/io";
import { readWeights } from "../../../src/models";
import { type LoadClipOptions, loadClip, type Pictures } from "../../../src/models/features";
import { clipFolder, type GoldenClip, goldenClip } from "../../support/clip";
import { expectClose } from "../../support/matchers";

const ours = goldenClip("quick-gelu");
const theirs = goldenClip("open-gelu");
const live = () => ({ tensors: memory().numTensors, variables: Object.keys(engine().registeredVariables).length });
const tokenizer = (golden: GoldenClip) => (texts: readonly string[]) =>
  texts.map(() => [...(golden.ids[0] as readonly number[])]);

/** The error of loading a folder, which leaves nothing behind. */
async function refusal(golden: GoldenClip, changes: Parameters<typeof clipFolder>[1], options: LoadClipOptions = {}) {
  const before = live();
  const error = await loadClip(clipFolder(golden, changes), { tokenizer: tokenizer(golden), ...options }).catch(
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(SidError);
  expect(live()).toEqual(before);
  return error as SidError;
}

/** The golden weights, one of them changed or (undefined) taken away. */
function changed(golden: GoldenClip, name: string, tensor: HostTensor | undefined): Uint8Array {
  const weights = new Map(golden.weights);
  if (tensor) weights.set(name, tensor);
  else weights.delete(name);
  return encodeSafetensors(weights);
}

const f32 = (shape: readonly number[], value = 1): HostTensor => ({
  dtype: "F32",
  shape,
  data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(value),
});

/** The tokenizer that transformers wrote for test/golden/model-folder: `a`, `b`, `ab` and the special tokens. */
const texts = (() => {
  const read = (name: string) =>
    readFileSync(new URL(`../../golden/model-folder/tokenizer/${name}`, import.meta.url), "utf8");
  return { "tokenizer.json": read("tokenizer.json"), "tokenizer_config.json": read("tokenizer_config.json") };
})();

describe("loadClip", () => {
  test("reads both layouts, tells what it has read, and frees everything as one", async () => {
    for (const golden of [ours, theirs]) {
      const before = live();
      const steps: { readonly loaded: number; readonly total: number }[] = [];
      const model = await loadClip(clipFolder(golden), {
        tokenizer: tokenizer(golden),
        name: "some-clip",
        onProgress: (progress) => steps.push(progress),
      });
      const total = 4 * model.variables.reduce((sum, { size }) => sum + size, 0);
      expect(steps).toHaveLength(model.variables.length);
      expect(steps.at(-1)).toEqual({ loaded: total, total });
      expect([model.name, model.dimension]).toEqual(["some-clip", 6]);
      expect(model.preprocessing.rounding).toBe(golden === ours ? "down" : "half-even");
      model.dispose();
      expect(live()).toEqual(before);
    }
  });

  test("a folder with both layouts is transformers', unless only OpenCLIP's weights can be read", async () => {
    const both = {
      "open_clip_config.json": theirs.config,
      "open_clip_model.safetensors": encodeSafetensors(theirs.weights),
    };
    const layoutOf = async (changes: Parameters<typeof clipFolder>[1], options: LoadClipOptions = {}) => {
      const model = await loadClip(clipFolder(ours, { ...both, ...changes }), {
        tokenizer: tokenizer(ours),
        ...options,
      });
      model.dispose();
      return model.preprocessing.rounding === "down" ? "transformers" : "open_clip";
    };
    expect(await layoutOf({})).toBe("transformers");
    expect(await layoutOf({}, { layout: "open_clip" })).toBe("open_clip");
    expect(await layoutOf({ "model.safetensors": undefined, "pytorch_model.bin": "pickle" })).toBe("open_clip");
    const renamed = {
      "open_clip_model.safetensors": undefined,
      "open_clip_pytorch_model.safetensors": both["open_clip_model.safetensors"],
    };
    expect(await layoutOf(renamed, { layout: "open_clip" })).toBe("open_clip");
  });

  test("without a name, different models have different ones, and a copy of the files the same", async () => {
    const nameOf = async (...of: Parameters<typeof clipFolder>) => {
      const model = await loadClip(clipFolder(...of), { tokenizer: tokenizer(of[0]) });
      model.dispose();
      return model.name;
    };
    const first = await nameOf(ours);
    expect(first).toMatch(/^clip-vit-p\d+-\d+px-6d-[0-9a-f]{8}$/);
    expect(await nameOf(ours)).toBe(first);
    const mark = "vision_model.post_layernorm.weight";
    const width = ours.weights.get(mark)?.data.length as number;
    const other = changed(ours, mark, f32([width], 0.5));
    expect(await nameOf(ours, { "model.safetensors": other })).not.toBe(first);
    expect(await nameOf(theirs)).not.toBe(first);
  });

  test("buffers of older files are passed over", async () => {
    const ids: HostTensor = { dtype: "I64", shape: [1, 10], data: new BigInt64Array(10) };
    const size: HostTensor = { dtype: "I64", shape: [], data: new BigInt64Array(1) };
    const cases = [
      [ours, "model.safetensors", "vision_model.embeddings.position_ids", ids],
      [ours, "model.safetensors", "text_model.embeddings.position_ids", ids],
      [theirs, "open_clip_model.safetensors", "input_resolution", size],
      [theirs, "open_clip_model.safetensors", "attn_mask", f32([7, 7])],
      [theirs, "open_clip_model.safetensors", "logit_scale", f32([1], 3)],
    ] as const;
    for (const [golden, file, name, tensor] of cases) {
      const files = clipFolder(golden, { [file]: changed(golden, name, tensor) });
      const model = await loadClip(files, { tokenizer: tokenizer(golden) });
      const weights = await readWeights(model);
      expect(weights.has(name)).toBe(name === "logit_scale");
      if (name === "logit_scale") expect(await model.logitScale()).toBeCloseTo(Math.exp(3), 3);
      model.dispose();
    }
  });

  test("where there is no safetensors file PyTorch's is read, and nothing in it executed", async () => {
    const bin = readFileSync(new URL("../../golden/clip-model-open-gelu.bin", import.meta.url));
    const without = { "open_clip_model.safetensors": undefined };
    const folders = [{}, { ...without, "open_clip_pytorch_model.bin": bin }];
    const [wanted, got] = await Promise.all(
      folders.map(async (changes, i) => {
        const options = { tokenizer: tokenizer(theirs), name: `clip-${i}` };
        const model = await loadClip(clipFolder(theirs, changes), options);
        const weights = await readWeights(model);
        model.dispose();
        return new Map([...weights].filter(([name]) => name !== "logit_scale"));
      }),
    );
    expect(got).toEqual(wanted);
    const cut = await refusal(theirs, { ...without, "open_clip_pytorch_model.bin": bin.subarray(0, 20_000) });
    expect([cut.code, cut.message]).toEqual(["corrupt-file", expect.stringContaining("open_clip_pytorch_model.bin")]);
    const code = new Uint8Array(Buffer.from("\x80\x02cposix\nsystem\nX\x02\0\0\0ls\x85R.", "latin1"));
    const evil = await refusal(ours, { "model.safetensors": undefined, "pytorch_model.bin": code });
    expect(evil.message).toMatch(/pytorch_model\.bin/);
  });

  test("uses the folder's tokenizer, and tells of each text that it cuts", async () => {
    const onCutText = vi.fn();
    const config = { ...ours.config, text_config: { ...(ours.config["text_config"] as object), eos_token_id: 6 } };
    const model = await loadClip(clipFolder(ours, { ...texts, "config.json": config }), { onCutText });
    const [one, other] = [await model.textEmbeddings(["ab a", "b"]), await model.textEmbeddings(["b"])];
    expectClose(one.subarray(6), other, 1e-5);
    expect(one.subarray(0, 6)).not.toEqual(one.subarray(6));
    expect(onCutText).not.toHaveBeenCalled();
    for (let i = 0; i < 2; i++) await model.textEmbeddings(["a b a b a b a b a b a b"]);
    expect(onCutText).toHaveBeenCalledTimes(1);
    expect(onCutText.mock.calls[0]?.[0]).toMatch(/"a b a b a b a b a b a b" has 14 tokens and is cut to/);
    model.dispose();
  });

  test("reads what transformers 5 writes of the image processor, and takes the usual where nothing is said", async () => {
    const settings = async (changes: Parameters<typeof clipFolder>[1], options: LoadClipOptions = {}) => {
      const model = await loadClip(clipFolder(ours, changes), { tokenizer: tokenizer(ours), ...options });
      model.dispose();
      return model.preprocessing;
    };
    const common = {
      image_processor: { size: { shortest_edge: 20 }, crop_size: 14, image_mean: [0, 0, 0] },
      tokenizer: {},
    };
    const none = { "preprocessor_config.json": undefined };
    expect(await settings({ ...none, "processor_config.json": common })).toMatchObject({ edge: 20, mean: [0, 0, 0] });
    expect(await settings(none)).toMatchObject({ resize: "shortest", edge: 14, filter: "bicubic", rounding: "down" });
    expect(await settings({}, { preprocessing: { filter: "bilinear" } })).toMatchObject({
      edge: 14,
      filter: "bilinear",
    });
    const squash = { "preprocessor_config.json": { size: { height: 14, width: 14 }, resample: 2 } };
    expect(await settings(squash)).toMatchObject({ resize: "squash", filter: "bilinear" });
  });

  const refusedSettings: readonly [object, RegExp][] = [
    [{ do_center_crop: false }, /do_center_crop = false/],
    [{ do_normalize: false }, /do_normalize = false/],
    [{ rescale_factor: 1 }, /rescale_factor = 1/],
    [{ resample: 0 }, /resample = 0/],
    [{ size: 10 }, /10 pixels do not fill the 14/],
    [{ size: { height: 14, width: 20 } }, /14 × 20/],
    [{ crop_size: 28 }, /crop_size must be the image_size.*wanted 14, got 28/],
    [{ image_mean: [0.5] }, /image_mean must be three numbers/],
    [{ image_std: [1, 0, 1] }, /image_std must be three numbers above 0/],
    [{ size: "large" }, /size/],
  ];
  test("settings of the image processor that are not implemented or make no sense are refused by name", async () => {
    for (const [settings, message] of refusedSettings)
      expect((await refusal(ours, { "preprocessor_config.json": settings })).message).toMatch(message);
    for (const [settings, message] of [
      [{ resize_mode: "longest" }, /resize_mode = "longest"/],
      [{ interpolation: "random" }, /interpolation = "random"/],
      [{ size: 28 }, /wanted 14, got 28/],
    ] as const)
      expect(
        (await refusal(theirs, { "open_clip_config.json": { ...theirs.config, preprocess_cfg: settings } })).message,
      ).toMatch(message);
  });

  test("a Stable Diffusion, a text encoder, an empty folder and pickles are refused with a remedy", async () => {
    const none = { "config.json": undefined, "model.safetensors": undefined, "preprocessor_config.json": undefined };
    const diffusion = await refusal(ours, { ...none, "model_index.json": { _class_name: "StableDiffusionPipeline" } });
    expect([diffusion.code, diffusion.message]).toEqual([
      "unsupported",
      expect.stringMatching(/without its image tower.*openai/),
    ]);
    const encoder = await refusal(ours, { "config.json": { model_type: "clip_text_model", hidden_size: 8 } });
    expect(encoder.message).toMatch(/CLIP text encoder alone/);
    expect(await refusal(ours, none)).toMatchObject({
      code: "io",
      message: expect.stringMatching(/config\.json.*open_clip_config\.json/),
    });
    const shards = { "model.safetensors": undefined, "pytorch_model.bin.index.json": {} };
    expect((await refusal(ours, shards)).message).toMatch(/pytorch_model\.bin\.index\.json" is a pickle/);
    expect((await refusal(ours, {}, { tokenizer: undefined })).message).toMatch(/tokenizer_config\.json/);
  });

  test("weights that are missing, too many, mis-shaped or not finite are named as the file names them", async () => {
    const cases: readonly (readonly [GoldenClip, string, HostTensor | undefined, string, string])[] = [
      [ours, "vision_model.post_layernorm.bias", undefined, "missing-weight", "vision_model.post_layernorm.bias"],
      [ours, "visual_projection.weight", f32([7, 12]), "shape-mismatch", "[6, 12], got [7, 12]"],
      [ours, "head.weight", f32([2]), "surplus-weight", "head.weight"],
      [ours, "text_projection.weight", f32([6, 8], Number.NaN), "not-finite", "text_projection.weight"],
      [
        theirs,
        "visual.transformer.resblocks.1.attn.in_proj_weight",
        undefined,
        "missing-weight",
        "visual.transformer.resblocks.1.attn.in_proj_weight",
      ],
      [theirs, "visual.proj", undefined, "missing-weight", '"visual.proj" is missing (1 of'],
      [
        theirs,
        "text_projection",
        f32([6, 8]),
        "shape-mismatch",
        '"text_projection" must have shape [8, 6], got [6, 8]',
      ],
      [theirs, "logit_bias", f32([]), "surplus-weight", "logit_bias"],
      [theirs, "ln_final.weight", f32([8], Number.POSITIVE_INFINITY), "not-finite", "final_layer_norm.weight"],
    ];
    for (const [golden, name, tensor, code, message] of cases) {
      const file = golden === ours ? "model.safetensors" : "open_clip_model.safetensors";
      const error = await refusal(golden, { [file]: changed(golden, name, tensor) });
      expect([error.code, error.message]).toEqual([code, expect.stringContaining(message)]);
    }
  });

  test("a tokenizer of more tokens than the tower, a name that is taken and options that are none are refused", async () => {
    const small = { ...ours.config, text_config: { ...(ours.config["text_config"] as object), vocab_size: 5 } };
    const error = await refusal(ours, { ...texts, "config.json": small }, { tokenizer: undefined });
    expect(error.message).toMatch(/the tokenizer makes .* of 7 tokens, the text tower takes 7 of 5/);
    const model = await loadClip(clipFolder(ours), { tokenizer: tokenizer(ours) });
    expect((await refusal(ours, {})).message).toMatch(/exists already/);
    const pictures: Pictures = ours.pictures[0] as Pictures;
    expect((await model.imageEmbeddings(pictures)).length).toBe(6);
    model.dispose();
    for (const options of [{ layout: "jax" }, { batch: 0 }, { variant: "a b" }, { onWarning: 3 }, { names: "x" }])
      await refusal(ours, {}, options as never);
    await expect(loadClip(3 as never)).rejects.toBeInstanceOf(SidError);
  });
});
