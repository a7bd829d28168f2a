import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { fc, test } from "@fast-check/vitest";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { type HostTensor, SidError } from "../../src/core";
import {
  blobFolder,
  blobSource,
  decodeSafetensors,
  encodeSafetensors,
  openComponent,
  openSafetensors,
  readSafetensors,
} from "../../src/io";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sid-first-bytes-"));
});
afterAll(() => rm(folder, { recursive: true }));

const text = (content: string) => new TextEncoder().encode(content);
const latin = (content: string, size = content.length) =>
  Uint8Array.from({ length: size }, (_, i) => content.charCodeAt(i) || (i < content.length ? 0 : 7));
const pointer = text(
  "version https://git-lfs.github.com/spec/v1\noid sha256:2a1b6f2b1d3a1d0e5c1f2a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f\nsize 3438167540\n",
);
const page = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>";
const tensors = new Map<string, HostTensor>([["w", { dtype: "F32", shape: [2], data: Float32Array.of(1, 2) }]]);
const whole = encodeSafetensors(tensors);

/** What people have found under the name of a safetensors file, and what they shall read of it. */
const others: readonly (readonly [name: string, bytes: Uint8Array, message: RegExp])[] = [
  ["nothing", new Uint8Array(0), /the file is empty\. Was its download broken off\? Fetch it again/],
  ["a Git-LFS pointer", pointer, /the file is a Git-LFS pointer.*git lfs pull/],
  ["a git-annex pointer", text("/annex/objects/MD5E-s3-x.safetensors\n"), /git-annex pointer.*git annex get/],
  ["a web page", text(page), /the file is an HTML page.*\/resolve\/ in place of \/blob\//],
  ["a web page after blank lines and a byte order mark", text(`\ufeff\r\n\n  ${page.toLowerCase()}`), /HTML page/],
  ["a server's XML", text('<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>'), /XML text/],
  [
    "a server's JSON",
    text('{"error":"Repository not found"}'),
    /the file is JSON, "\{.*Repository not found.*take the/,
  ],
  [
    "an index of shards",
    text('{\n  "metadata": {"total_size": 9},\n  "weight_map": {}}'),
    /JSON.*index of a file in shards/,
  ],
  ["a server's text", text("Entry not found"), /the file is a text that begins with "Entry not found"/],
  ["text that is cut in a character", text(`${"a".repeat(511)}é and so on`), /text that begins with "aaa/],
  [
    "PyTorch's zip",
    latin("PK\x03\x04\0\0\x08\x08\0\0", 600),
    /zip archive, as PyTorch's \.ckpt.*pickle.*readPth.*npm run convert.*from_single_file/,
  ],
  [
    "PyTorch's old pickle",
    latin("\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.", 600),
    /the file is a pickle, which may run any code/,
  ],
  ["a small pickle", latin("\x80\x04\x95\x05\0\0\0\0\0\0\0}\x94.", 30), /the file is a pickle/],
  ["gzip", gzipSync(whole), /compressed with gzip: unpack it first/],
  ["zstd", latin("\x28\xb5\x2f\xfd\x04\x58"), /compressed with zstd/],
  ["xz", latin("\xfd7zXZ\0\0\x04", 100), /compressed with xz/],
  ["bzip2", latin("BZh91AY&SY"), /compressed with bzip2/],
  ["7z", latin("7z\xbc\xaf\x27\x1c\0\x04"), /a 7z archive/],
  ["rar", latin("Rar!\x1a\x07\x01\0"), /a rar archive/],
  ["tar", latin(`model.pt${"\0".repeat(249)}ustar\x0000`, 700), /a tar archive/],
  ["GGUF", latin("GGUF\x03\0\0\0\x44\x01\0\0\0\0\0\0", 64), /a GGUF file, weights for llama\.cpp/],
  ["HDF5", latin("\x89HDF\r\n\x1a\n", 64), /an HDF5 file, weights for Keras/],
  ["NumPy", latin("\x93NUMPY\x01\0v\0{'descr'"), /an array of NumPy/],
  ["a picture", latin("\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), /a picture/],
  ["zeros, as a download leaves that made room first", new Uint8Array(4096), /the file is of zeros/],
  [
    "a safetensors file of which the header's beginning came",
    whole.subarray(0, 40),
    /the header needs \d+ bytes.*cut off/,
  ],
  [
    "a safetensors file of which the end is missing",
    whole.subarray(0, -4),
    /"w" ends at byte 8, the file's data at 4: the file is cut off\. Fetch it again/,
  ],
];

describe("a file of another kind under the name of a safetensors file is named, with what to do", () => {
  test.each(others)("%s", async (_, bytes, message) => {
    const failed = (caught: unknown) => {
      expect(caught).toBeInstanceOf(SidError);
      expect(caught).toMatchObject({ code: "corrupt-file", message: expect.stringMatching(message) });
    };
    const path = join(folder, "model.safetensors");
    await writeFile(path, bytes);
    failed(await readSafetensors(path).catch((error) => error));
    failed(await openSafetensors(blobSource(new Blob([new Uint8Array(bytes)]))).catch((error) => error));
    try {
      decodeSafetensors(bytes);
      expect.unreachable();
    } catch (error) {
      failed(error);
    }
  });

  test.each([
    ["gzip", 0x8b1f],
    ["a pickle", 0x0280],
    ["a pickle of today", 0x0580],
  ])("a length that reads like %s is a length, where a header follows", (_, length) => {
    const bytes = new Uint8Array(8 + length).fill(0x20);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
    bytes.set(text('{"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}'), 8);
    expect(() => decodeSafetensors(bytes)).toThrow(/"w" ends at byte 1, the file's data at 0: the file is cut off/);
    expect(() => decodeSafetensors(bytes.subarray(0, 100))).toThrow(/the header needs \d+ bytes, the file has 92/);
  });

  test.prop({ cut: fc.nat(whole.length - 1), junk: fc.uint8Array({ maxLength: 40 }) })(
    "a damaged safetensors file is never taken for something else",
    ({ cut, junk }) => {
      const bytes = new Uint8Array(whole);
      bytes.set(junk.subarray(0, Math.max(0, whole.length - 9)), 9);
      for (const damaged of [bytes, bytes.subarray(0, Math.max(9, cut))])
        try {
          decodeSafetensors(damaged);
        } catch (error) {
          expect((error as SidError).code).toMatch(/corrupt-file|unsupported/);
          expect((error as SidError).message).not.toContain("wanted a safetensors file");
        }
    },
  );
});

describe("so is one under the name of a configuration or a vocabulary", () => {
  const read = (part: "unet" | "tokenizer", files: Readonly<Record<string, Uint8Array>>) =>
    openComponent(
      blobFolder(new Map(Object.entries(files).map(([path, bytes]) => [path, new Blob([new Uint8Array(bytes)])]))),
      part,
    ).then(
      () => undefined,
      (error: SidError) => ({ code: error.code, message: error.message }),
    );
  test.each([
    ["a Git-LFS pointer", pointer, /config\.json.*wanted a configuration, the file is a Git-LFS pointer/],
    ["a web page", text(page), /wanted a configuration, the file is an HTML page/],
    ["nothing", new Uint8Array(0), /wanted a configuration, the file is empty/],
    ["gzip", gzipSync("{}"), /wanted a configuration, the file is compressed with gzip/],
    ["half of it", text('{"a": 1'), /not valid JSON/],
  ])("%s", async (_, bytes, message) => {
    expect(await read("unet", { "unet/config.json": bytes })).toEqual({
      code: "corrupt-file",
      message: expect.stringMatching(message),
    });
  });

  test.each(["vocab.json", "merges.txt", "tokenizer.json", "special_tokens_map.json"])("%s", async (name) => {
    const files = {
      "tokenizer_config.json": "{}",
      "vocab.json": "{}",
      "merges.txt": "#version: 0.2",
      "tokenizer.json": "{}",
    };
    const all = Object.entries({ ...files, [name]: "" }).map(([file, content]) => [`tokenizer/${file}`, text(content)]);
    expect(await read("tokenizer", { ...Object.fromEntries(all), [`tokenizer/${name}`]: pointer })).toEqual({
      code: "corrupt-file",
      message: expect.stringMatching(/wanted a text of the tokenizer, the file is a Git-LFS pointer/),
    });
  });
});
