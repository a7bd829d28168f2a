import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test, vi } from "vitest";
import { adapterFolder, readAdapter } from "../../../examples/sd/adapter";
import { decodeSafetensors, encodeSafetensors } from "../../../src/io";
import { parseUnetConfig } from "../../../src/models";

const golden = (path: string) => new URL(`../../golden/${path}`, import.meta.url).pathname;
const { metadata } = decodeSafetensors(readFileSync(golden("lora-case.safetensors")));
const config = parseUnetConfig(JSON.parse(metadata["config"] as string));
const formats = golden("lora-formats");
const folder = mkdtempSync(join(tmpdir(), "sid-lsg-adapter-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** A folder with these files of the golden ones. */
function folderOf(name: string, files: Readonly<Record<string, string>>): string {
  mkdirSync(join(folder, name));
  for (const [to, from] of Object.entries(files)) copyFileSync(join(formats, from), join(folder, name, to));
  return join(folder, name);
}

test("a folder of PEFT's, its file, and a file of diffusers' are the same adapter", async () => {
  const wanted = await readAdapter(join(formats, "diffusers-network.safetensors"), config);
  expect(wanted.layers["conv_in"]).toEqual({ rank: 1, alpha: 0.5 });
  for (const path of ["peft", join("peft", "adapter_model.safetensors")]) {
    const { layers, rank, alpha } = await readAdapter(join(formats, path), config);
    expect({ layers, rank, alpha }).toEqual({ layers: wanted.layers, rank: wanted.rank, alpha: wanted.alpha });
    expect(adapterFolder(join(formats, path))).toBe(join(formats, "peft"));
  }
});

test("of a folder the usual name is taken, else the only file", async () => {
  const usual = folderOf("usual", {
    "pytorch_lora_weights.safetensors": "diffusers.safetensors",
    "other.safetensors": "kohya.safetensors",
  });
  expect((await readAdapter(usual, config)).targets.length).toBe(19);
  mkdirSync(join(folder, "both"));
  folderOf(join("both", "unet"), { "adapter_model.safetensors": "peft/adapter_model.safetensors" });
  expect(adapterFolder(join(folder, "both"))).toBe(join(folder, "both", "unet"));
  const only = folderOf("only", {
    "style.safetensors": "attn-procs.safetensors",
    "config.json": "peft/adapter_config.json",
  });
  expect((await readAdapter(only, config)).targets.length).toBe(5);
});

test("what cannot be is refused by name", async () => {
  const refusal = (path: string) => readAdapter(path, config).catch((error) => error.message);
  const two = folderOf("two", { "a.safetensors": "kohya.safetensors", "b.safetensors": "kohya.safetensors" });
  expect(await refusal(two)).toMatch(/must hold pytorch_lora_weights.*; name one of a\.safetensors, b\.safetensors\./);
  mkdirSync(join(folder, "none"));
  expect(await refusal(join(folder, "none"))).toMatch(/must hold .*, got 0 other files/);
  writeFileSync(join(folder, "none", "pytorch_lora_weights.bin"), "");
  expect(await refusal(join(folder, "none"))).toMatch(/pytorch_lora_weights\.bin is a pickle/);
  expect(await refusal(join(folder, "gone"))).toMatch(/^--adapter .*gone: /);
  const broken = folderOf("broken", { "adapter_model.safetensors": "peft/adapter_model.safetensors" });
  writeFileSync(join(broken, "adapter_config.json"), "{");
  expect(await refusal(broken)).toMatch(/adapter_config\.json must be JSON/);
  const other = parseUnetConfig({ cross_attention_dim: 768 });
  const message = await readAdapter(join(formats, "peft"), other).catch((error) => error.message);
  expect(message).toMatch(/^--adapter .*adapter_model\.safetensors: parseLora: .*made for another model/);
});

test("NaN in a file is refused with the names of file and tensor", async () => {
  const { tensors, metadata } = decodeSafetensors(readFileSync(join(formats, "diffusers-network.safetensors")));
  const name = [...tensors.keys()].find((key) => key.includes("lora_A")) as string;
  (tensors.get(name)?.data as Float32Array)[0] = Number.NaN;
  const path = join(folder, "nan.safetensors");
  writeFileSync(path, encodeSafetensors(tensors, metadata));
  const message = await readAdapter(path, config).catch((error) => error.message);
  expect(message).toBe(`--adapter ${path}: parseLora: weight "${name}" holds NaN or infinities.`);
});

test("PEFT's file without its configuration is read with a warning", async () => {
  const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
  const bare = folderOf("bare", { "adapter_model.safetensors": "peft/adapter_model.safetensors" });
  expect((await readAdapter(bare, config)).layers["conv_in"]).toBeUndefined();
  expect(warn.mock.calls).toEqual([[expect.stringMatching(/adapter_config\.json, which was not given/)]]);
  warn.mockRestore();
});
