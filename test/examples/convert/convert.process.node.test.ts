import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readPth, readSafetensors } from "../../../src/io";
import { prepareLibrary } from "../../support/scripts";

const golden = resolve("test/golden/pickles");
let folder = "";
let library: ReturnType<typeof prepareLibrary>;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "convert-"));
  library = prepareLibrary("convert");
});
afterAll(() => {
  rmSync(folder, { recursive: true });
  library.remove();
});

const convert = (...args: string[]) => library.start("convert/convert", args, { cwd: folder }).ended;

/** Bytes in a file of their own. */
function write(bytes: Uint8Array): string {
  const path = join(folder, "before.safetensors");
  writeFileSync(path, bytes);
  return path;
}

test("a file of PyTorch becomes safetensors with the same tensors", async () => {
  const { code, text } = await convert(join(golden, "zip-nested.pth"), "nested.safetensors");
  expect(text).toMatch(/^6 tensors of 37 numbers are in nested.safetensors\.$/);
  expect(code).toBe(0);
  const { tensors, metadata } = await readSafetensors(join(folder, "nested.safetensors"));
  expect(new Map([...tensors].sort())).toEqual(new Map([...(await readPth(join(golden, "zip.pth")))].sort()));
  expect(metadata).toEqual({ format: "pt" });
});

test("beside the file by default; one of several sets by its key", async () => {
  copyFileSync(join(golden, "zip-two-sets.pth"), join(folder, "sets.pth"));
  expect(await convert("sets.pth")).toMatchObject({
    code: 1,
    text: expect.stringMatching(/"ema", "net": say which, such as --key ema\.$/),
  });
  expect(await convert("sets.pth", "--key", "ema")).toMatchObject({ code: 0 });
  expect((await readSafetensors(join(folder, "sets.safetensors"))).tensors.get("w")?.data[0]).toBe(1);
  expect(await convert("--key=net", "sets.pth", "net.safetensors")).toMatchObject({ code: 0 });
  expect((await readSafetensors(join(folder, "net.safetensors"))).tensors.get("w")?.data[0]).toBe(0);
});

test("a file that is there stays unless --force; a folder that is not there is named", async () => {
  const out = join(folder, "nested.safetensors");
  const before = readFileSync(out);
  const { code, text } = await convert(join(golden, "zip.pth"), "nested.safetensors");
  expect(code).toBe(1);
  expect(text).toMatch(/^nested\.safetensors is there already; replace it with --force/);
  writeFileSync(out, "old");
  expect(await convert(join(golden, "zip.pth"), "nested.safetensors", "--force")).toMatchObject({ code: 0 });
  expect((await readSafetensors(out)).tensors).toEqual((await readSafetensors(write(before))).tensors);
  expect(await convert(join(golden, "zip.pth"), "none/out.safetensors")).toMatchObject({
    code: 1,
    text: expect.stringMatching(/^OUT: the folder none is not there\.$/),
  });
});

test("code in a file is told by its name, and nothing is written", async () => {
  const before = readdirSync(folder);
  const { code, text } = await convert(join(golden, "code-system.pth"), "code.safetensors");
  expect(code).toBe(1);
  expect(text).toMatch(/^readPth ".*code-system.pth": the pickle names "(posix|nt).system", which is not run/);
  expect(await convert(join(golden, "none.pth"), "none.safetensors")).toMatchObject({ code: 1 });
  expect(await convert()).toMatchObject({
    code: 1,
    text: expect.stringMatching(/Wanted one file[\s\S]*npm run convert/),
  });
  expect(await convert("sets.pth", "weights.bin")).toMatchObject({
    code: 1,
    text: expect.stringMatching(/must end in/),
  });
  expect(await convert("sets.safetensors")).toMatchObject({ code: 1, text: expect.stringMatching(/its own copy/) });
  expect(await convert("a.pth", "--kee", "x")).toMatchObject({ code: 1, text: expect.stringMatching(/mean --key/) });
  expect(await convert("--help")).toMatchObject({ code: 0, text: expect.stringMatching(/--key NAME/) });
  expect(readdirSync(folder)).toEqual(before);
});
