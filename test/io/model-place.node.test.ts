import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { diskFolder, encodeSafetensors, openComponent, readComponent, readModelIndex } from "../../src/io";
import { openStableDiffusion } from "../../src/models/sd";

let root = "";
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "sid-place-"));
});
afterEach(() => rm(root, { recursive: true }));

const named: Readonly<Record<string, string>> = { "model_index.json": "OtherPipeline" };

/** Writes files below the root; returns the path of one of its folders. */
async function made(files: readonly string[], folder = ""): Promise<string> {
  for (const file of files) {
    await mkdir(dirname(join(root, file)), { recursive: true });
    await writeFile(join(root, file), file.endsWith(".json") ? `{"_class_name": "${named[file] ?? file}"}` : "content");
  }
  return join(root, folder);
}
const configOf = async (folder: string) => (await readComponent(folder, "scheduler")).config["_class_name"];
const scheduler = "scheduler/scheduler_config.json";
const message = (folder: string) =>
  openComponent(folder, "unet").then(
    () => "",
    (error) => `${error.code}: ${error.message}`,
  );

describe("a model of the Hugging Face Hub's cache", () => {
  const [old, now] = ["1".repeat(40), "2".repeat(40)];
  const model = "hub/models--runwayml--stable-diffusion-v1-5";
  const files = [`${model}/snapshots/${old}/${scheduler}`, `${model}/snapshots/${now}/${scheduler}`];

  test.each([
    ["its own folder", model],
    ["the cache above it", "hub"],
    ["the folder above that", ""],
  ])("is found by %s, at the commit of main", async (_, given) => {
    const folder = await made([...files, `${model}/blobs/x`, "hub/version.txt", "token"], given);
    await mkdir(join(root, model, "refs"));
    await writeFile(join(root, model, "refs", "main"), `${now}\n`);
    expect(await configOf(folder)).toBe(files[1]);
    // As huggingface_hub keeps them.
    await mkdir(join(root, model, "snapshots", now, "vae"));
    await symlink("../../../blobs/vae", join(root, model, "snapshots", now, "vae", "config.json"));
    await writeFile(join(root, model, "blobs", "vae"), "{}");
    const tree = diskFolder(folder);
    const both = await Promise.all(["vae/config.json", "unet/config.json", "vae/config.json"].map(tree.open));
    expect(both.map((source) => source?.size)).toEqual([2, undefined, 2]);
    for (const source of both) await source?.close();
  });

  test("without a branch main its only snapshot is taken, and of several none", async () => {
    expect(await configOf(await made(files.slice(0, 1), model))).toBe(files[0]);
    await made(files, model);
    const both = [old, now].map((commit) => `".*${model}/snapshots/${commit}"`).join(", ");
    for (const given of [model, "hub", ""])
      expect(await message(join(root, given))).toMatch(
        RegExp(`^io: .*hub's cache with 2 snapshots, and none .* main: give one of them, ${both}\\.$`),
      );
  });

  test("a download that was not finished", async () => {
    expect(await message(await made(files.slice(0, 1), model))).toMatch(/hub's cache whose download was not finished/);
    expect(await message(await made([`models--a--b/snapshots/x`], "models--a--b"))).toMatch(/was not finished/);
  });

  test("a name in refs/main that is no snapshot leads nowhere", async () => {
    const folder = await made([...files, `${scheduler}`, `${model}/refs/main`], model);
    await writeFile(join(root, model, "refs", "main"), "../..");
    await expect(configOf(folder)).rejects.toThrow(/lacks the file/);
  });

  test("of several models one must be named", async () => {
    const folder = await made([...files, `hub/models--a--b/snapshots/${old}/${scheduler}`], "hub");
    expect(await message(folder)).toMatch(/the hub's cache of 2 models: give one of them, such as ".*models--a--b"/);
  });
});

describe("what is no model's folder is named, with what to do", () => {
  const convert = (path: string, folder: string) =>
    new RegExp(
      `folder as diffusers writes it.*python -c .*from_single_file\\('.*${path}'\\).save_pretrained\\('.*${folder}'\\)`,
    );
  test.each<[string, readonly string[], string, RegExp]>([
    ["a folder that is not there", [], "nowhere", /there is no such folder/],
    ["a checkpoint in one file", ["dream.safetensors"], "dream.safetensors", convert("dream.safetensors", "dream")],
    ["an older one", ["sd-v1-4.ckpt"], "sd-v1-4.ckpt", convert("sd-v1-4.ckpt", "sd-v1-4")],
    ["a folder of them", ["a/v2.ckpt", "a/readme.md"], "a", convert("a/v2.ckpt", "a/v2")],
    ["a file of a folder", ["a/model_index.json"], "a/model_index.json", /it is a file.*holds model_index\.json/],
    ["the folder above a model", ["sd/model_index.json"], "", /there is a model in ".*sd"/],
    ["a part's own folder", ["unet/config.json"], "unet", /the folder of one part: give the folder above it/],
    [
      "another kind of model",
      ["model_index.json"],
      "",
      /lacks the file "unet\/config\.json"; its .* says OtherPipeline\.$/,
    ],
    ["an empty folder", ["a/b/c"], "a", /lacks the file "unet\/config\.json"\.$/],
  ])("%s", async (_, files, folder, wanted) => {
    const text = await message(await made(files, folder));
    expect(text).toMatch(/^io: openComponent: .*lacks the file/);
    expect(text).toMatch(wanted);
  });

  test.each([
    ["runwayml/stable-diffusion-v1-5", 'hubFolder\\("runwayml/stable-diffusion-v1-5"\\), or --hub runwayml/'],
    ["https://huggingface.co/sd-legacy/v1.5", 'hubFolder\\("sd-legacy/v1\\.5"\\)'],
    ["https://huggingface.co/sd-legacy/v1.5/tree/main", 'hubFolder\\("sd-legacy/v1\\.5"\\)'],
    ["https://huggingface.co/sd-legacy/v1.5/resolve/main", "read by urlFolder"],
    ["http://localhost:8000/sd", "read by urlFolder"],
  ])("no such folder, and %s is elsewhere", async (given, remedy) => {
    const wanted = RegExp(`there is no such folder; .*${remedy}`);
    expect(await message(given)).toMatch(wanted);
    await expect(openStableDiffusion(given)).rejects.toThrow(wanted);
    await expect(openStableDiffusion(given, { variant: "fp16" })).rejects.toThrow(wanted);
  });

  test.each(["nowhere", "./nowhere/v1", "../a/b", "/no/where", "a/b/c", "C:\\a\\b"])(
    "%s is nothing but a folder that is not there",
    async (given) => expect(await message(given)).toMatch(/there is no such folder\.$/),
  );

  test.each([
    "it's a $(touch x).safetensors",
    "a`touch x`.ckpt",
    'a".safetensors',
    "a\nb.safetensors",
    "$HOME.pt",
    "a\\'.ckpt",
    "!!.bin",
    "%PATH%.bin",
  ])("no command holds a name that a shell or Python could run: %s", async (name) => {
    expect(await message(await made([name], name))).toMatch(
      /python -c "[^"$`]*from_single_file\('FILE'\)\.save_pretrained\('FOLDER'\)", with its path for FILE/,
    );
  });

  test("a name of letters, digits and blanks stands in the command", async () => {
    expect(await message(await made(["мой dream v2.1.ckpt"]))).toMatch(
      /from_single_file\('[^']*мой dream v2\.1\.ckpt'\)/,
    );
  });

  test("a Stable Diffusion that lacks the part: only that is said", async () => {
    const folder = await made(["model_index.json"]);
    await writeFile(join(folder, "model_index.json"), '{"_class_name": "StableDiffusionPipeline"}');
    expect(await message(folder)).toMatch(/lacks the file "unet\/config\.json"\.$/);
  });

  test.each([
    ["unet/diffusion_flax_model.msgpack", "Flax"],
    ["unet/model.onnx", "ONNX"],
    ["unet/openvino_model.xml", "OpenVINO"],
  ])("weights of another framework: %s", async (file, kind) => {
    expect(await message(await made(["unet/config.json", file]))).toMatch(
      new RegExp(`^unsupported: .*"${file}" is of ${kind}, which is not read: take`),
    );
  });

  test("so do the others that read a model's files", async () => {
    const path = await made(["dream.safetensors"], "dream.safetensors");
    await expect(readModelIndex(path)).rejects.toThrow(/from_single_file/);
    await expect(readComponent(path, "tokenizer")).rejects.toThrow(/from_single_file/);
  });
});

describe("weights that lie beside in another variant", () => {
  const bytes = encodeSafetensors(new Map([["w", { dtype: "F16", shape: [1], data: Float32Array.of(1) }]]));
  test.each([
    ["model.fp16.safetensors", undefined, 'there is "text_encoder/model.fp16.safetensors": give the variant "fp16"'],
    ["model.safetensors.index.bf16.json", undefined, 'index.bf16.json": give the variant "bf16"'],
    ["model.non_ema.safetensors", "fp16", 'give the variant "non_ema"'],
    ["model.safetensors", "fp16", 'there is "text_encoder/model.safetensors": leave out the variant'],
  ])("%s, asked for %s", async (file, variant, wanted) => {
    const folder = await made(["text_encoder/config.json"]);
    await writeFile(join(folder, "text_encoder", file), bytes);
    const options = variant === undefined ? {} : { variant };
    await expect(openComponent(folder, "text_encoder", options)).rejects.toThrow(wanted);
  });
  test("the safetensors file is named before a pickle", async () => {
    const folder = await made(["vae/config.json", "vae/diffusion_pytorch_model.bin"]);
    await expect(openComponent(folder, "vae")).rejects.toMatchObject({ code: "unsupported" });
    await writeFile(join(folder, "vae", "diffusion_pytorch_model.fp16.safetensors"), bytes);
    await expect(openComponent(folder, "vae")).rejects.toThrow('give the variant "fp16"');
  });
});
