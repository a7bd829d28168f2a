import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { engine, memory } from "@tensorflow/tfjs-core";
import { describe, expect, test, vi } from "vitest";
import { type HostTensor, randomStream, SidError } from "../../../src/core";
import { blobFolder, decodeSafetensors, encodeSafetensors, readComponent } from "../../../src/io";
import { ddimSample, readWeights } from "../../../src/models";
import { type LoadProgress, loadStableDiffusion, openStableDiffusion } from "../../../src/models/sd";

/** What diffusers and transformers wrote: weights in fp16 and shards, a tokenizer of transformers 5, no length. */
const golden = join(import.meta.dirname, "../../golden/model-folder");
const files = new Map(
  readdirSync(golden, { recursive: true, encoding: "utf8" })
    .filter((name) => statSync(join(golden, name)).isFile())
    .map((name) => [relative(golden, join(golden, name)), readFileSync(join(golden, name))] as const),
);
/** The same with some files changed, or taken away. */
function folder(changes: Readonly<Record<string, string | Uint8Array | undefined>> = {}) {
  const all = new Map<string, string | Uint8Array | undefined>([...files, ...Object.entries(changes)]);
  const kept = [...all].flatMap(([name, bytes]) =>
    bytes === undefined ? [] : [[name, new Blob([typeof bytes === "string" ? bytes : new Uint8Array(bytes)])] as const],
  );
  return blobFolder(new Map(kept));
}
const json = (name: string, change: object) => JSON.stringify({ ...JSON.parse(String(files.get(name))), ...change });
const without = (start: string) =>
  Object.fromEntries([...files.keys()].filter((n) => n.startsWith(start)).map((n) => [n, undefined]));
const fp16 = { variant: "fp16", onWarning: () => {} };
const live = () => ({ tensors: memory().numTensors, variables: Object.keys(engine().registeredVariables).length });

async function refusal(work: () => Promise<unknown>): Promise<SidError> {
  const before = live();
  const error = await work().catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(SidError);
  expect(live()).toEqual(before);
  return error as SidError;
}

describe("loadStableDiffusion", () => {
  test("makes scheduler, tokenizer, text encoder, U-Net and autoencoder of a folder, and frees them as one", async () => {
    const before = live();
    const steps: LoadProgress[] = [];
    const model = await loadStableDiffusion(golden, { ...fp16, onProgress: (progress) => steps.push(progress) });
    const networks = [
      ["unet", model.unet],
      ["text_encoder", model.text.encoder],
      ["vae", model.vae],
    ] as const;
    for (const [part, network] of networks) {
      const { weights } = await readComponent(golden, part, { variant: "fp16" });
      const own = await readWeights(network);
      expect([...own.keys()].sort()).toEqual([...weights.keys()].sort());
      for (const [name, { data }] of weights) expect(own.get(name)?.data, name).toEqual(data);
    }
    // Bytes of all weights in float32.
    const total = networks.flatMap(([, { variables }]) => variables).reduce((sum, { size }) => sum + 4 * size, 0);
    expect(steps.at(-1)).toEqual({ part: "vae", loaded: total, total });
    expect(steps).toHaveLength(networks.flatMap(([, { variables }]) => variables).length);
    expect(new Set(steps.map(({ part }) => part))).toEqual(new Set(["unet", "text", "vae"]));

    expect(model.tokenizer.maxLength).toBe(5);
    expect(model.tokenizer(["ab a"])).toEqual([[5, 4, 0, 6, 6]]);
    const [cond, uncond] = [model.text.encode(["ab a"]), model.text.encode([""])];
    const noise = randomStream(0).normal([1, 8, 8, 4]);
    const latents = ddimSample(model.unet, { ...model.sampling, noise, cond, uncond, guidanceScale: 2, steps: 2 });
    const pictures = model.vae.decode(latents);
    expect(pictures.shape).toEqual([1, 8, 8, 3]);
    for (const tensor of [cond, uncond, noise, latents, pictures]) tensor.dispose();
    model.dispose();
    expect(live()).toEqual(before);
  });

  test("weights of two bytes are the backend webgpu's: others refuse before anything is read", async () => {
    const error = await refusal(() => loadStableDiffusion(golden, { ...fp16, weights: "f16" }));
    expect(error).toMatchObject({
      code: "unsupported",
      message: expect.stringMatching(/^loadStableDiffusion: weights: "f16".*"webgpu"/),
    });
    expect((await refusal(() => loadStableDiffusion(golden, { ...fp16, weights: "f8" as never }))).code).toBe(
      "invalid-argument",
    );
  });

  test("parts that are left out need not be there, and an opened folder gives networks as often as wanted", async () => {
    const bare = folder({ ...without("vae/"), ...without("text_encoder/"), ...without("tokenizer/") });
    const opened = await openStableDiffusion(bare, { ...fp16, parts: ["unet"] });
    expect([Object.keys(opened.configs), opened.tokenizer]).toEqual([["unet"], undefined]);
    const load = (name: string) => loadStableDiffusion(opened, { names: { unet: name }, unet: { attentionSlice: 4 } });
    const [teacher, copy] = [await load("teacher"), await load("copy")];
    expect([teacher.unet.name, copy.unet.name, "vae" in teacher]).toEqual(["teacher", "copy", false]);
    expect(await readWeights(copy.unet)).toEqual(await readWeights(teacher.unet));
    expect((await refusal(() => load("copy"))).code).toBe("invalid-argument");
    for (const model of [teacher, copy]) model.dispose();
    const text = await loadStableDiffusion(await openStableDiffusion(golden, fp16), { parts: ["text"] });
    expect(text.text.encoder.name).toBe("text");
    expect("unet" in text).toBe(false);
    text.dispose();
    const error = await refusal(() => loadStableDiffusion(opened as never, { parts: ["vae"] }));
    expect(error).toMatchObject({ code: "invalid-argument", message: expect.stringContaining('its part "vae"') });
    expect((await refusal(() => openStableDiffusion(bare, fp16))).message).toMatch(/text_encoder\/config.json/);
  });

  test("a weight that is not a number is named, and nothing is left of what was made", async () => {
    const shard = "vae/diffusion_pytorch_model.fp16-00002-of-00002.safetensors";
    const { tensors } = decodeSafetensors(files.get(shard) as Buffer);
    const [name, tensor] = [...tensors].at(-1) as [string, HostTensor];
    (tensor.data as Float32Array)[0] = Number.NaN;
    const spoilt = folder({ [shard]: encodeSafetensors(tensors) });
    const error = await refusal(() => loadStableDiffusion(spoilt, fp16));
    expect(error).toMatchObject({
      code: "not-finite",
      message: expect.stringContaining(`vae: weight "${name}" holds NaN`),
    });
  });

  test("what is no model, part, name or option", async () => {
    for (const source of [null, undefined, 3, {}, { configs: null }])
      await refusal(() => loadStableDiffusion(source as never, fp16));
    for (const options of [
      null,
      { parts: ["tokenizer"] },
      { parts: "unet" },
      { names: { unet: "" } },
      { names: 3 },
      { unet: null },
      { onProgress: 3 },
      { onWarning: 3 },
      { variant: "../x" },
      { unet: { attentionSlice: 0 } },
    ])
      await refusal(() => loadStableDiffusion(golden, (options && { ...fp16, ...options }) as never));
  });
});

describe("a scheduler's file is repaired as diffusers' StableDiffusionPipeline does", () => {
  const { classes } = JSON.parse(readFileSync(join(golden, "../scheduler-classes.json"), "utf8")) as {
    classes: Record<string, { clips: boolean; repaired: { clip_sample: boolean | null; steps_offset: number | null } }>;
  };
  const open = async (config: object) => {
    const onWarning = vi.fn();
    const tree = folder({ "scheduler/scheduler_config.json": JSON.stringify(config) });
    const { sampling } = await openStableDiffusion(tree, { variant: "fp16", parts: ["unet"], onWarning });
    return { sampling, warnings: onWarning.mock.calls.flat().join("\n") };
  };

  test.each(Object.entries(classes))("%s alone", async (_class_name, { clips, repaired }) => {
    const { sampling, warnings } = await open({ _class_name });
    expect(sampling.clip === undefined).toBe((repaired.clip_sample ?? false) === false);
    expect(sampling.stepsOffset).toBe(repaired.steps_offset ?? 1);
    expect(/clip_sample is on.*taken as false/.test(warnings)).toBe(clips);
    expect(warnings).toMatch(/steps_offset is 0: taken as 1/);
  });

  test("nothing is said of a file that is right", async () => {
    const right = { _class_name: "PNDMScheduler", steps_offset: 1, skip_prk_steps: true };
    expect((await open(right)).warnings).toBe("");
    expect((await open({ ...right, _class_name: "DDIMScheduler", clip_sample: false })).warnings).toBe("");
    const turbo = { _class_name: "EulerDiscreteScheduler", timestep_spacing: "trailing", steps_offset: 0 };
    expect((await open(turbo)).warnings).toBe("");
  });
});

describe("variants", () => {
  const plain = (part: string, file: string, name = file) =>
    readComponent(golden, part as "vae", { variant: "fp16" }).then(({ weights }) => ({
      ...without(`${part}/${name}`),
      [`${part}/${file}.safetensors`]: encodeSafetensors(weights),
    }));
  const warned = async (tree: ReturnType<typeof folder>, options: object) => {
    const onWarning = vi.fn();
    const { variants } = await openStableDiffusion(tree, { ...options, onWarning });
    return { variants, warnings: onWarning.mock.calls.flat().filter((text) => /variant/.test(text)) };
  };

  test("where a part has none, its plain file is read", async () => {
    const [vae, text] = [await plain("vae", "diffusion_pytorch_model"), await plain("text_encoder", "model")];
    const tree = folder({ ...vae, ...text });
    expect(await warned(tree, { variant: "fp16" })).toEqual({
      variants: { unet: "fp16" },
      warnings: [expect.stringMatching(/has the variant "fp16" of unet; of text_encoder and vae the plain weights/)],
    });
    const model = await loadStableDiffusion(tree, fp16);
    const { weights } = await readComponent(golden, "vae", { variant: "fp16" });
    expect([...(await readWeights(model.vae)).values()].map(({ data }) => data.length).sort()).toEqual(
      [...weights.values()].map(({ data }) => data.length).sort(),
    );
    model.dispose();
  });

  test("all parts have it: no word", async () => {
    expect(await warned(folder(), { variant: "fp16" })).toMatchObject({ warnings: [] });
  });

  test("no variant is asked for and only one is there, or one that nothing has: what is there is named", async () => {
    const none = await refusal(() => openStableDiffusion(golden, { onWarning: () => {} }));
    expect(none.message).toMatch(/lacks the file "unet\/diffusion_pytorch_model.safetensors".*give the variant "fp16"/);
    const other = await refusal(() => openStableDiffusion(golden, { ...fp16, variant: "bf16" }));
    expect(other.message).toMatch(/unet\/diffusion_pytorch_model\.bf16\.safetensors.*give the variant "fp16"/);
  });
});

describe("parts that do not fit together are refused before a weight is read", () => {
  test.each<[string, Record<string, string>, RegExp]>([
    [
      "a U-Net for another text",
      { "unet/config.json": json("unet/config.json", { cross_attention_dim: 8 }) },
      /cross_attention_dim must be .*hidden_size, got 8 and 4/,
    ],
    [
      "a U-Net for inpainting",
      { "unet/config.json": json("unet/config.json", { in_channels: 9 }) },
      /in_channels must be .*latent_channels, got 9 and 4/,
    ],
    [
      "another VAE",
      { "vae/config.json": json("vae/config.json", { latent_channels: 16 }) },
      /in_channels must be .* 4 and 16/,
    ],
    [
      "pictures of four channels",
      { "vae/config.json": json("vae/config.json", { out_channels: 4 }) },
      /out_channels must be the channels of a picture, got 4 and 3/,
    ],
    [
      "a small vocabulary",
      { "text_encoder/config.json": json("text_encoder/config.json", { vocab_size: 5 }) },
      /the tokenizer makes 5 of 7 tokens, the text encoder takes 5 of 5/,
    ],
    [
      "a longer text",
      { "tokenizer/tokenizer_config.json": json("tokenizer/tokenizer_config.json", { model_max_length: 77 }) },
      /makes 77 of 7 tokens, the text encoder takes 5 of 7/,
    ],
  ])("%s", async (_, changes, message) => {
    const error = await refusal(() => openStableDiffusion(folder(changes), fp16));
    expect(error).toMatchObject({ code: "shape-mismatch", message: expect.stringMatching(message) });
  });

  test("what the configurations leave behind is told to one place", async () => {
    const onWarning = vi.fn();
    const tree = folder({ "unet/config.json": json("unet/config.json", { decay: 0.99, upcast_attention: null }) });
    await openStableDiffusion(tree, { variant: "fp16", onWarning });
    expect(onWarning.mock.calls.flat().filter((text) => /decay/.test(text))).toHaveLength(1);
  });
});
