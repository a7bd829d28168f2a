import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fc, test } from "@fast-check/vitest";
import { afterEach, beforeEach, describe, expect } from "vitest";
import { SidError, type WeightMap } from "../../src/core";
import {
  decodeSafetensors,
  encodeSafetensors,
  readComponent,
  readSafetensors,
  writeFileAtomic,
  writeModelFolder,
  writeSafetensors,
} from "../../src/io";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sid-model-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

const weights: WeightMap = new Map([["conv_in.bias", { dtype: "F32", shape: [2], data: Float32Array.of(1, 2) }]]);
const unet = { config: { _class_name: "UNet2DConditionModel", block_out_channels: [8, 16] }, weights };
const text_encoder = { config: { architectures: ["CLIPTextModel"], hidden_size: 8 }, weights };
const vae = { config: { _class_name: "AutoencoderKL", latent_channels: 4 }, weights };
const scheduler = { config: { _class_name: "DDIMScheduler", beta_start: 0.00085 }, weights: new Map() };

test("a model folder is laid out as diffusers does it and read back", async () => {
  const path = join(folder, "deep", "model");
  await writeModelFolder(path, { unet, vae, text_encoder, scheduler });
  expect((await readdir(path, { recursive: true })).sort()).toEqual([
    "model_index.json",
    "scheduler",
    "scheduler/scheduler_config.json",
    "text_encoder",
    "text_encoder/config.json",
    "text_encoder/model.safetensors",
    "unet",
    "unet/config.json",
    "unet/diffusion_pytorch_model.safetensors",
    "vae",
    "vae/config.json",
    "vae/diffusion_pytorch_model.safetensors",
  ]);
  expect(JSON.parse(await readFile(join(path, "model_index.json"), "utf8"))).toEqual({
    _class_name: "StableDiffusionPipeline",
    unet: ["diffusers", "UNet2DConditionModel"],
    vae: ["diffusers", "AutoencoderKL"],
    text_encoder: ["transformers", "CLIPTextModel"],
    scheduler: ["diffusers", "DDIMScheduler"],
  });
  expect(await readComponent(path, "unet")).toEqual(unet);
  expect(await readComponent(path, "vae")).toEqual(vae);
  expect(await readComponent(path, "text_encoder")).toEqual(text_encoder);
  expect(await readComponent(path, "scheduler")).toEqual(scheduler);
});

test("damaged and missing parts are refused by name", async () => {
  await writeModelFolder(folder, { scheduler });
  await expect(readComponent(folder, "unet")).rejects.toMatchObject({ code: "io" });
  for (const text of ["{", "[]", "null"]) {
    await writeFile(join(folder, "scheduler", "scheduler_config.json"), text);
    await expect(readComponent(folder, "scheduler")).rejects.toMatchObject({
      code: "corrupt-file",
      message: expect.stringContaining("scheduler_config.json"),
    });
  }
});

test("a place where no folder can be made is an io error with its cause", async () => {
  await writeFile(join(folder, "file"), "");
  await expect(writeModelFolder(join(folder, "file", "model"), { unet })).rejects.toMatchObject({
    code: "io",
    cause: { code: "ENOTDIR" },
  });
  await expect(writeModelFolder(join(folder, "file"), { unet })).rejects.toMatchObject({ code: "io" });
  // Written twice into one folder, with a slash too many: nothing is in the way.
  for (const path of ["model", "model/"]) await writeModelFolder(join(folder, path), { scheduler });
});

test.runIf(process.platform === "linux")("a system folder that takes none is an io error, soon", async () => {
  await expect(writeModelFolder("/proc/none/model", { unet })).rejects.toMatchObject({
    code: "io",
    cause: { code: "ENOENT" },
  });
});

test("no other name reaches the disk", async () => {
  const wrong = { code: "invalid-argument" };
  await expect(readComponent(folder, "../unet" as never)).rejects.toMatchObject(wrong);
  await expect(readComponent(folder, "constructor" as never)).rejects.toMatchObject(wrong);
  await expect(writeModelFolder(folder, { "../unet": unet } as never)).rejects.toMatchObject(wrong);
  await expect(writeModelFolder(folder, { scheduler: { config: {}, weights } })).rejects.toMatchObject(wrong);
  expect(await readdir(folder, { recursive: true })).not.toContain("model_index.json");
});

describe("any input: it works or a SidError says why", () => {
  const junk = fc.anything({ withBigInt: true, withMap: true, withTypedArray: true, withNullPrototype: true });
  const settle = async (work: () => unknown) => {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof SidError)) throw error;
    }
  };
  const path = () => join(folder, "junk.safetensors");
  const tensor = fc.record({ dtype: fc.oneof(fc.constant("F32"), junk), shape: junk, data: junk });
  const tensors = fc.oneof(
    junk,
    tensor.map((t) => new Map([["w", t]])),
    junk.map((t) => new Map([["w", t]])),
  );
  const part = fc.oneof(junk, fc.record({ config: junk, weights: fc.oneof(junk, fc.constant(new Map())) }));

  test.prop({ tensors, metadata: fc.oneof(fc.constant({}), junk) })(
    "tensors and metadata",
    async ({ tensors, metadata }) => {
      await settle(() => encodeSafetensors(tensors as never, metadata as never));
      await settle(() => writeSafetensors(path(), tensors as never, metadata as never));
    },
  );
  test.prop({ bytes: junk })("bytes", async ({ bytes }) => {
    await settle(() => decodeSafetensors(bytes as never));
    await settle(() => writeFileAtomic(path(), bytes as never));
    await writeFile(path(), bytes instanceof Uint8Array ? bytes : "");
    await settle(() => readSafetensors(path()));
  });
  test.prop({ part, name: fc.constantFrom("unet", "scheduler", "other") })("components", async ({ part, name }) => {
    await settle(() => writeModelFolder(folder, { [name]: part } as never));
    await settle(() => readComponent(folder, name as never));
  });
  test.prop({ wrong: junk.filter((x) => typeof x !== "string") })("paths", async ({ wrong }) => {
    const invalid = expect.objectContaining({ code: "invalid-argument" });
    await expect(readSafetensors(wrong as never)).rejects.toEqual(invalid);
    await expect(writeSafetensors(wrong as never, new Map())).rejects.toEqual(invalid);
    await expect(writeFileAtomic(wrong as never, "")).rejects.toEqual(invalid);
    await expect(readComponent(wrong as never, "unet")).rejects.toEqual(invalid);
    await expect(writeModelFolder(wrong as never, {})).rejects.toEqual(invalid);
    await expect(readComponent(folder, wrong as never)).rejects.toEqual(invalid);
  });
});
