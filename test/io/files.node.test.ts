import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { decodeSafetensors, encodeSafetensors, readSafetensors, writeFileAtomic, writeSafetensors } from "../../src/io";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sid-io-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

const golden = "test/golden/safetensors.safetensors";

test("a file is read as its bytes are", async () => {
  expect(await readSafetensors(golden)).toEqual(decodeSafetensors(await readFile(golden)));
});

test("a file is written as its bytes are encoded, over an older one", async () => {
  const { tensors, metadata } = await readSafetensors(golden);
  const path = join(folder, "w.safetensors");
  await writeFile(path, "old");
  await writeSafetensors(path, tensors, metadata);
  expect(Uint8Array.from(await readFile(path))).toEqual(encodeSafetensors(tensors, metadata));
  expect(await readdir(folder)).toEqual(["w.safetensors"]);
});

test("a truncated file is refused by name", async () => {
  const path = join(folder, "short.safetensors");
  await writeFile(path, (await readFile(golden)).subarray(0, -1));
  await expect(readSafetensors(path)).rejects.toMatchObject({
    code: "corrupt-file",
    message: expect.stringMatching("short.safetensors"),
  });
  await writeFile(path, "");
  await expect(readSafetensors(path)).rejects.toMatchObject({ code: "corrupt-file" });
});

test("what the file system refuses is an io error with its cause", async () => {
  await expect(readSafetensors(join(folder, "none"))).rejects.toMatchObject({ code: "io", cause: { code: "ENOENT" } });
  await expect(readSafetensors(folder)).rejects.toMatchObject({ code: "io" });
  await expect(writeFileAtomic(join(folder, "no", "x"), "1")).rejects.toMatchObject({ code: "io" });
  await writeFile(join(folder, "file"), "");
  await expect(writeFileAtomic(join(folder, "file", "x"), "1")).rejects.toMatchObject({
    code: "io",
    cause: { code: "ENOTDIR", syscall: "open" },
  });
  await expect(writeFileAtomic(join(folder, "x"), 1 as never)).rejects.toMatchObject({ code: "invalid-argument" });
});

test("a write that fails leaves the old content and no temporary file", async () => {
  // A folder in the file's place: everything succeeds up to the renaming.
  const path = join(folder, "taken");
  await mkdir(path);
  await writeFile(join(path, "inside"), "kept");
  await expect(writeFileAtomic(path, "new")).rejects.toMatchObject({ code: "io" });
  expect(await readdir(folder)).toEqual(["taken"]);
  expect(await readFile(join(path, "inside"), "utf8")).toBe("kept");
});

test.skipIf(process.getuid?.() === 0)("an unwritable folder is an io error", async () => {
  await chmod(folder, 0o500);
  await expect(writeFileAtomic(join(folder, "x"), "1")).rejects.toMatchObject({ code: "io" });
  await chmod(folder, 0o700);
});

test("text and bytes arrive whole", async () => {
  const path = join(folder, "x");
  await writeFileAtomic(path, "grün");
  expect(await readFile(path, "utf8")).toBe("grün");
  await writeFileAtomic(path, Uint8Array.of(0, 255));
  expect([...(await readFile(path))]).toEqual([0, 255]);
});
