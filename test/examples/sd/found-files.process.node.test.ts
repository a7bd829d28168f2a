import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { decode } from "fast-png";
import { afterAll, expect, test } from "vitest";
import { encodeSafetensors, readSafetensors } from "../../../src/io";
import { prepareScripts } from "../../support/sd-scripts";

const { folder, tiny, run, distill, remove } = await prepareScripts("sd-found-files");
afterAll(remove);

const json = (path: string, edit: (value: Record<string, unknown>) => object) =>
  writeFileSync(path, JSON.stringify(edit(JSON.parse(readFileSync(path, "utf8")))));

/** The tiny model as folders lie about in the world; the same pictures must come of it. */
async function asFound(): Promise<string> {
  const copy = join(folder, "found");
  cpSync(tiny, copy, { recursive: true });
  // transformers 5 saved the tokenizer, and no length.
  const tokenizer = join(copy, "tokenizer");
  const vocab = JSON.parse(readFileSync(join(tokenizer, "vocab.json"), "utf8"));
  const merges = readFileSync(join(tokenizer, "merges.txt"), "utf8").trim().split("\n").slice(1);
  const golden = JSON.parse(readFileSync("test/golden/model-folder/tokenizer/tokenizer.json", "utf8"));
  const added_tokens = golden.added_tokens.map((token: { content: string }) => ({
    ...token,
    id: vocab[token.content],
  }));
  const model = { ...golden.model, vocab, merges: merges.map((merge) => merge.split(" ")) };
  writeFileSync(join(tokenizer, "tokenizer.json"), JSON.stringify({ ...golden, added_tokens, model }));
  for (const name of ["vocab.json", "merges.txt", "special_tokens_map.json"]) rmSync(join(tokenizer, name));
  json(join(tokenizer, "tokenizer_config.json"), (config) => ({ ...config, model_max_length: 1e30 }));
  // Another solver's file, without what DDIM would ask for.
  json(join(copy, "scheduler", "scheduler_config.json"), ({ clip_sample, steps_offset, ...config }) => ({
    ...config,
    _class_name: "DPMSolverMultistepScheduler",
    use_karras_sigmas: true,
  }));
  // A moving average's U-Net, in a variant of its own.
  const unet = join(copy, "unet");
  json(join(unet, "config.json"), (config) => ({ ...config, decay: 0.9999, power: 0.75, upcast_attention: null }));
  renameSync(join(unet, "diffusion_pytorch_model.safetensors"), join(unet, "diffusion_pytorch_model.fp16.safetensors"));
  // A tensor that nothing needs, of a type that nobody reads.
  const vae = join(copy, "vae", "diffusion_pytorch_model.safetensors");
  const { tensors } = await readSafetensors(vae);
  const bytes = encodeSafetensors(tensors);
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  const end = bytes.length - 8 - length;
  const more = JSON.stringify({
    __metadata__: null,
    ...header,
    step: { dtype: "F64", shape: [1], data_offsets: [end, end + 8] },
  });
  const size = new Uint8Array(8);
  new DataView(size.buffer).setBigUint64(0, BigInt(Buffer.byteLength(more)), true);
  writeFileSync(vae, Buffer.concat([size, Buffer.from(more), bytes.subarray(8 + length), new Uint8Array(8)]));
  return copy;
}

test("a model as people find it draws and trains like the one that this library wrote", async () => {
  const found = await asFound();
  const draw = async (out: string, args: readonly string[]) => {
    const what = ["--prompt", "a red fox, æøå!", "--ddim", "3", "--resolution", "64", "--out", join(folder, out)];
    const { code, text } = await run("generate", [...what, ...args]);
    expect(code, text).toBe(0);
    const [name = ""] = readdirSync(join(folder, out)).filter((file) => /seed.*\.png$/.test(file));
    return { text, pixels: decode(readFileSync(join(folder, out, name))).data };
  };
  const [whole, other, trained] = await Promise.all([
    draw("whole", ["--model", tiny]),
    draw("other", ["--model", found, "--variant", "fp16"]),
    distill("trained", ["--model", found, "--variant", "fp16"]),
  ]);
  expect(other.pixels).toEqual(whole.pixels);
  expect(whole.text).not.toMatch(/taken as|passed over/);
  expect(other.text).toMatch(/steps_offset is 0: taken as 1, as diffusers' StableDiffusionPipeline does/);
  expect(other.text).toMatch(/passed over, since nothing here depends on it: decay, power/);
  expect(other.text).toMatch(/variant "fp16" of unet; of text_encoder and vae the plain weights are read/);
  expect(trained.code, trained.text).toBe(0);
  const result = join(folder, "trained", "generator");
  expect(existsSync(join(result, "tokenizer", "tokenizer.json"))).toBe(true);
  expect([
    ...(await readSafetensors(join(result, "vae", "diffusion_pytorch_model.safetensors"))).tensors.keys(),
  ]).not.toContain("step");
  await draw("again", ["--model", result]);

  const plain = await distill("plain", ["--model", found]);
  expect(plain.text).toMatch(/lacks the file "unet\/diffusion_pytorch_model\.safetensors".*give the variant "fp16"/);
  expect(plain.code).toBe(1);
});

test("what is no folder of a model is told what to do, and a model of the hub's cache is found", async () => {
  const single = join(folder, "dream.safetensors");
  writeFileSync(single, "x");
  const cache = join(folder, "models--owner--tiny");
  mkdirSync(join(cache, "refs"), { recursive: true });
  writeFileSync(join(cache, "refs", "main"), "abc");
  cpSync(tiny, join(cache, "snapshots", "abc"), { recursive: true });
  const [file, nowhere, cached] = await Promise.all([
    distill("single", ["--model", single]),
    distill("nowhere", ["--model", join(folder, "nowhere")]),
    distill("cached", ["--model", cache, "--dry-run"]),
  ]);
  expect(file.text).toMatch(/it is a file.*from_single_file\('.*dream\.safetensors'\)\.save_pretrained/);
  expect(nowhere.text).toMatch(/nowhere.*there is no such folder/);
  for (const { code, text } of [file, nowhere]) {
    expect(text).not.toMatch(/^ +at /m);
    expect(code).toBe(1);
  }
  expect(cached).toMatchObject({ code: 0 });
});
